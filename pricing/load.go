package pricing

import (
	"cmp"
	"embed"
	"errors"
	"fmt"
	"path"
	"slices"
	"sync"
	"time"

	"github.com/saas-sentinel/saas-sentinel/declare"
	"github.com/saas-sentinel/saas-sentinel/internal/strictyaml"
)

//go:embed catalog/*.yaml
var files embed.FS

// catalogYAML is one provider's file.
type catalogYAML struct {
	Provider  string              `yaml:"provider,required"`
	Also      []string            `yaml:"also"` // other providers with the same prices
	Source    string              `yaml:"source,required"`
	Read      string              `yaml:"read,required"`
	Endpoints []endpointYAML      `yaml:"endpoints"`
	Models    []declare.ModelYAML `yaml:"models"`
}

// endpointYAML is a call that has a price of its own.
type endpointYAML struct {
	Endpoint string            `yaml:"endpoint,required"`
	Region   []string          `yaml:"region"`
	From     string            `yaml:"from"`
	Until    string            `yaml:"until"`
	Free     bool              `yaml:"free"`
	Rates    declare.RatesYAML `yaml:"rates"`
	// Lists have the rates that differ where the provider adds to the standard price.
	Lists []declare.ListYAML `yaml:"lists"`
}

// Embedded is the catalog that comes with the program.
var Embedded = sync.OnceValues(func() (*Catalog, error) {
	names, err := files.ReadDir("catalog")
	if err != nil {
		return nil, fmt.Errorf("read the embedded catalog: %w", err)
	}
	c := newCatalog()
	var faults []error
	for _, n := range names {
		data, err := files.ReadFile(path.Join("catalog", n.Name()))
		if err != nil {
			return nil, fmt.Errorf("read the embedded catalog: %w", err)
		}
		faults = append(faults, c.load(n.Name(), data))
	}
	faults = append(faults, c.addPresets())
	return c, errors.Join(faults...)
})

// load adds one file's prices.
func (c *Catalog) load(name string, data []byte) error {
	var f catalogYAML
	doc := strictyaml.Decode(name, data, &f)
	for _, provider := range append([]string{f.Provider}, f.Also...) {
		for i, m := range f.Models {
			p, err := priceOf(m)
			if err == nil {
				p.Version, p.Source, p.Read = version(provider, inRegion(m.Model, m.Region), m.From, f.Read), f.Source, f.Read
				err = add(c.models, provider, m.Region, namesOf(m), &p)
			}
			if err != nil {
				doc.Fault(fmt.Sprintf("models[%d]", i), "%s: %s", m.Model, err)
			}
		}
		for i, e := range f.Endpoints {
			if err := c.endpoint(provider, e, f); err != nil {
				doc.Fault(fmt.Sprintf("endpoints[%d]", i), "%s: %s", e.Endpoint, err)
			}
		}
	}
	return strictyaml.Join(doc.Faults())
}

// priceOf reads a model's price, and fills what its lists and steps do not say from the rates that they differ from.
func priceOf(m declare.ModelYAML) (Price, error) {
	p := Price{MaxOutput: m.MaxOutput, ContextWindow: m.Context}
	if len(m.Rates) == 0 != m.Free {
		return p, errNoRate
	}
	var r reader
	p.Hours = r.hours(m.Hours)
	p.List = r.list(declare.ListYAML{From: m.From, Until: m.Until, Rates: m.Rates, Steps: m.Steps}, nil)
	for _, l := range m.Lists {
		var beside reader
		p.Others = beside.other(p.Others, beside.list(l, m.Rates))
		if beside.err != nil {
			r.fail(fmt.Errorf("list %s: %w", l.Tier, beside.err))
		}
	}
	return p, r.err
}

var errNoRate = errors.New("give rates, such as {input: 1.00}, or say free: true")

func (c *Catalog) endpoint(provider string, e endpointYAML, f catalogYAML) error {
	rates, err := units(e.Rates)
	if err != nil {
		return err
	}
	if len(e.Rates) == 0 != e.Free {
		return errNoRate
	}
	regions := e.Region
	if len(regions) == 0 {
		regions = []string{""}
	}
	for _, region := range regions {
		var r reader
		p := Price{Version: version(provider, inRegion(e.Endpoint, region), e.From, f.Read), Source: f.Source, Read: f.Read}
		p.List = List{Rates: rates, From: r.date("from", e.From), Until: r.end(e.From, e.Until)}
		for _, l := range e.Lists {
			p.Others = r.other(p.Others, r.surcharged(e.Rates, l))
		}
		if r.err != nil {
			return r.err
		}
		if err := add(c.endpoints, provider, region, []string{e.Endpoint}, &p); err != nil {
			return err
		}
	}
	return nil
}

// inRegion is the name of a price in versions.
func inRegion(name, region string) string {
	if region == "" {
		return name
	}
	return name + "." + region
}

func version(provider, name, from, read string) string {
	return provider + "/" + name + "@" + cmp.Or(from, read)
}

// reader converts texts and keeps the first error.
type reader struct{ err error }

// list reads one price list; what it does not say is as in base.
func (r *reader) list(y declare.ListYAML, base declare.RatesYAML) List {
	l := List{Tier: y.Tier, From: r.date("from", y.From), Until: r.end(y.From, y.Until)}
	rates := with(base, y.Rates)
	l.Rates = r.tokens(rates)
	var above int64
	for _, s := range y.Steps {
		if s.Above <= above {
			r.fail(fmt.Errorf("steps: %d is not above %d: put the shortest context first", s.Above, above))
		}
		above = s.Above
		l.Steps = append(l.Steps, Step{Above: s.Above, Rates: r.tokens(with(rates, s.Rates))})
	}
	return l
}

// surcharged reads a price list of an endpoint.
func (r *reader) surcharged(base declare.RatesYAML, y declare.ListYAML) List {
	rates, err := units(with(base, y.Rates))
	if err != nil {
		r.fail(fmt.Errorf("list %s: %w", y.Tier, err))
	}
	return List{Tier: y.Tier, From: r.date("from", y.From), Until: r.end(y.From, y.Until), Rates: rates}
}

// other puts a price list beside those before it, the newest of a tier first: Price.For takes the first that holds.
func (r *reader) other(lists []List, l List) []List {
	if standard(l.Tier) {
		r.fail(fmt.Errorf("%q is the standard list: write its rates in rates", l.Tier))
	}
	for _, o := range lists {
		if o.Tier == l.Tier && o.From.Equal(l.From) {
			r.fail(fmt.Errorf("%s stands twice from the same date: keep one of the two", l.Tier))
		}
	}
	at := slices.IndexFunc(lists, func(o List) bool { return o.Tier == l.Tier && o.From.Before(l.From) })
	if at < 0 {
		at = len(lists)
	}
	return slices.Insert(lists, at, l)
}

func (r *reader) date(key, text string) time.Time {
	if text == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		r.fail(fmt.Errorf("%s: %q is not a date: write for instance 2027-01-31", key, text))
	}
	return t
}

// end is when a price no longer holds: at the end of its last day.
func (r *reader) end(from, until string) time.Time {
	last := r.date("until", until)
	if last.IsZero() {
		return last
	}
	if last.Before(r.date("from", from)) {
		r.fail(fmt.Errorf("until: %s is before from, %s: the last day comes after the first", until, from))
	}
	return last.AddDate(0, 0, 1)
}

func (r *reader) hours(text string) (h Hours) {
	if text == "" {
		return h
	}
	var fromH, fromM, toH, toM int
	if n, err := fmt.Sscanf(text, "%d:%d-%d:%d", &fromH, &fromM, &toH, &toM); err != nil || n != 4 {
		r.fail(fmt.Errorf("hours %q: write for instance 01:00-04:00", text))
	}
	h = Hours{From: fromH*60 + fromM, To: toH*60 + toM}
	if h.To == 0 {
		h.To = 24 * 60
	}
	if h.From == h.To || h.From < 0 || h.From >= 24*60 || h.To < 0 || h.To > 24*60 {
		r.fail(fmt.Errorf("hours %q: write for instance 01:00-04:00", text))
	}
	return h
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}
