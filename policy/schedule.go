package policy

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/saas-sentinel/saas-sentinel/internal/strictyaml"
)

// Bounds of schedules: how many there are, and how many a rule names.
const (
	maxSchedules = 1_000
	maxNamed     = 16
)

// scheduleYAML is a time that comes again, or a span of days, or both: then it is when both hold.
type scheduleYAML struct {
	Days  []string   `yaml:"days" enum:"monday,tuesday,wednesday,thursday,friday,saturday,sunday" doc:"Days of the week. Default: all."`
	From  clockTime  `yaml:"from" doc:"Time of day in the policy's zone, such as 09:00. Default: 00:00."`
	To    *clockTime `yaml:"to" doc:"Time of day at which it ends, such as 17:30 or 24:00; before from, it ends on the next day. Default: 24:00."`
	Begin *localDate `yaml:"begin" doc:"First day, such as 2026-12-20. Default: it has always held."`
	End   *localDate `yaml:"end" doc:"Last day, this one included, such as 2027-01-02. Default: it does not end."`
}

// clockTime is a time of day in minutes since midnight.
type clockTime int

const dayMinutes = 24 * 60

// UnmarshalText reads "09:30".
func (t *clockTime) UnmarshalText(b []byte) error {
	at, err := time.Parse("15:04", string(b))
	switch {
	case string(b) == "24:00":
		*t = dayMinutes
	case err != nil || len(b) != len("15:04"):
		return fmt.Errorf("%q is not a time of day: write for instance 09:00, or 24:00 for the day's end", clip(string(b)))
	default:
		*t = clockTime(at.Hour()*60 + at.Minute())
	}
	return nil
}

// SchemaHint describes a time of day.
func (*clockTime) SchemaHint() strictyaml.Hint {
	return strictyaml.Hint{Pattern: `^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$`, Examples: []string{"09:00", "17:30", "24:00"}}
}

// localDate is a day of the calendar of the policy's zone.
type localDate date

// UnmarshalText reads "2026-12-20".
func (d *localDate) UnmarshalText(b []byte) error {
	t, err := time.Parse(time.DateOnly, string(b))
	if err != nil {
		return fmt.Errorf("%q is not a day: write for instance 2026-12-20", clip(string(b)))
	}
	*d = localDate(dateOf(t))
	return nil
}

// SchemaHint describes a day.
func (*localDate) SchemaHint() strictyaml.Hint {
	return strictyaml.Hint{Pattern: `^[0-9]{4}-[01][0-9]-[0-3][0-9]$`, Examples: []string{"2026-12-20"}}
}

// schedule is a compiled time. It follows the clock on the wall of its zone: an hour that the clock passes twice is in it twice.
type schedule struct {
	name       string
	zone       *time.Location
	days       [7]bool // by time.Weekday; none: all
	from, to   int     // minutes of the day; to is above from, and above dayMinutes when it ends on the next day
	begin, end date    // of the day on which it begins; zero: always
}

// schedule compiles the file's schedules.
func (c *compiler) schedule() {
	c.schedules = make(map[string]schedule, len(c.in.Schedules))
	for _, name := range slices.Sorted(maps.Keys(c.in.Schedules)) {
		key, y := "schedules."+name, c.in.Schedules[name]
		c.name(key, name)
		s := schedule{name: name, zone: c.set.Zone, from: int(y.From), to: dayMinutes}
		if y.To != nil {
			s.to = int(*y.To)
		}
		for _, d := range y.Days {
			if i := slices.Index(weekdays, d); i >= 0 {
				s.days[i] = true
			}
		}
		if len(y.Days) == 0 {
			s.days = [7]bool{true, true, true, true, true, true, true}
		}
		if y.Begin != nil {
			s.begin = date(*y.Begin)
		}
		if y.End != nil {
			s.end = date(*y.End)
		}
		switch {
		case s.from == s.to || s.from == dayMinutes:
			c.Fault(key, "it begins and ends at once: leave from and to out for whole days")
		case y.Begin != nil && y.End != nil && s.end.before(s.begin):
			c.Fault(key+".end", "it ends before it begins")
		case !c.Has(key+".days") && !c.Has(key+".from") && !c.Has(key+".to") && y.Begin == nil && y.End == nil:
			c.Fault(key, "it holds always: name days, times of day, or its first and last day")
		}
		if s.to < s.from {
			s.to += dayMinutes
		}
		c.schedules[name] = s
	}
}

var weekdays = []string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}

// timed reads when a rule holds, and for whom.
func (c *compiler) timed(key string, y ruleYAML, r *rule) {
	named := func(field string, names []string) (out []schedule) {
		if len(names) > maxNamed {
			c.Fault(key+"."+field, "%d schedules: at most %d are allowed", len(names), maxNamed)
			return nil
		}
		for i, name := range names {
			s, ok := c.schedules[name]
			if !ok {
				c.Fault(fmt.Sprintf("%s.%s[%d]", key, field, i), "there is no schedule %q: known are %s", clip(name), known(c.schedules))
			}
			out = append(out, s)
		}
		return out
	}
	r.during, r.except = named("during", y.During), named("except", y.Except)
	if y.Canary != nil {
		if r.canary = *y.Canary; r.canary > sharesOfAll {
			c.Fault(key+".canary", "at most 100%% of services")
		}
	}
}

const sharesOfAll = share(10_000)

// within tells whether one of the schedules holds.
func within(list []schedule, now time.Time) bool {
	for i := range list {
		if list[i].holds(now) {
			return true
		}
	}
	return false
}

// holds tells whether a moment is in the schedule, as it began today or yesterday.
func (s *schedule) holds(now time.Time) bool { return s.shows(now.In(s.zone)) }

// shows is holds by what the clock on the wall shows.
func (s *schedule) shows(local time.Time) bool {
	minute := local.Hour()*60 + local.Minute()
	if minute >= s.from && minute < s.to && s.begins(local) {
		return true
	}
	return s.to > dayMinutes && minute < s.to-dayMinutes && s.begins(local.AddDate(0, 0, -1))
}

// begins tells whether the schedule begins on a day.
func (s *schedule) begins(t time.Time) bool {
	d := dateOf(t)
	return s.days[t.Weekday()] && !d.before(s.begin) && (s.end == date{} || !s.end.before(d))
}
