package pricing

import (
	"fmt"
	"slices"
	"time"

	"github.com/saas-sentinel/saas-sentinel/declare"
)

// Idle tells warn of price lists of a contract that never hold, or that end before their last day because a newer price without such a list takes
// their price's place: by the place of the model and of its list. The models are checked already (CheckAgreed).
func Idle(models []declare.ModelYAML, warn func(model, list int, why string)) {
	for i, m := range models {
		lists := periods(m)
		for j, y := range m.Lists {
			if why := idle(models, i, lists, lists[j], y.Tier); why != "" {
				warn(i, j, why)
			}
		}
	}
}

// period is the time in which a price or a list holds.
type period struct {
	tier        string
	from, until time.Time // as List's
}

func periodOf(y declare.ListYAML) period {
	var r reader
	return period{tier: y.Tier, from: r.date("from", y.From), until: r.end(y.From, y.Until)}
}

func periods(m declare.ModelYAML) []period {
	out := make([]period, len(m.Lists))
	for j, y := range m.Lists {
		out[j] = periodOf(y)
	}
	return out
}

// idle says why one list is idle, or for how long.
func idle(models []declare.ModelYAML, at int, lists []period, l period, tier string) string {
	m := models[at]
	price := periodOf(declare.ListYAML{From: m.From, Until: m.Until})
	from, until := l.from, earlier(l.until, price.until)
	if price.from.After(from) {
		from = price.from
	}
	if !until.IsZero() && !from.Before(until) {
		return fmt.Sprintf("the list %s never holds: its days are not those of its price; correct its from or until, or remove it", tier)
	}
	for _, o := range lists {
		if o.tier != tier || !o.from.After(l.from) {
			continue
		}
		if !o.from.After(from) && (o.until.IsZero() || !until.IsZero() && !o.until.Before(until)) {
			return fmt.Sprintf("the list %s never holds: its newer one of %s stands in its place; remove it", tier, day(o.from))
		}
		until = earlier(until, o.from)
	}
	for i, o := range models {
		other := periodOf(declare.ListYAML{From: o.From, Until: o.Until})
		switch {
		case i == at || !other.from.After(price.from) || !stands(o, m) || !until.IsZero() && !other.from.Before(until):
		case !other.from.After(from) && (other.until.IsZero() || !until.IsZero() && !other.until.Before(until)):
			return fmt.Sprintf("the list %s never holds: from %s the newer price of %s stands in its place; move it there, or remove it", tier, day(other.from), m.Model)
		case other.from.After(from) && !has(o, tier):
			return fmt.Sprintf("the list %s holds until %s: the newer price of %s has no such list, which costs what is published from then; repeat it there, or end it with until",
				tier, day(other.from.AddDate(0, 0, -1)), m.Model)
		}
	}
	return ""
}

// stands tells whether a newer price of a model takes the place of another: it has all of its names, region and hours.
func stands(newer, m declare.ModelYAML) bool {
	names := namesOf(newer)
	missing := func(name string) bool { return !slices.Contains(names, name) }
	return !slices.ContainsFunc(namesOf(m), missing) && newer.Region == m.Region && (newer.Hours == "" || newer.Hours == m.Hours)
}

func has(m declare.ModelYAML, tier string) bool {
	return slices.ContainsFunc(m.Lists, func(l declare.ListYAML) bool { return l.Tier == tier })
}

// earlier is the first end of two, of which zero is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func day(t time.Time) string { return t.Format(time.DateOnly) }
