package pricing

import (
	"cmp"
	"embed"
	"errors"
	"fmt"
	"path"
	"sync"
	"time"

	"github.com/saas-sentinel/saas-sentinel/internal/strictyaml"
)

//go:embed catalog/*.yaml
var files embed.FS

// catalogYAML is one provider's file.
type catalogYAML struct {
	Provider  string         `yaml:"provider,required"`
	Also      []string       `yaml:"also"` // other providers with the same prices
	Source    string         `yaml:"source,required"`
	Read      string         `yaml:"read,required"`
	Endpoints []endpointYAML `yaml:"endpoints"`
	Models    []modelYAML    `yaml:"models"`
}

// modelYAML is one model from a date on.
type modelYAML struct {
	Model     string     `yaml:"model,required"`
	Aliases   []string   `yaml:"aliases"`
	Region    string     `yaml:"region"`
	From      string     `yaml:"from"`
	Hours     string     `yaml:"hours"` // "01:00-04:00" UTC
	Context   int64      `yaml:"context"`
	MaxOutput int64      `yaml:"max_output"`
	Free      bool       `yaml:"free"`
	Rates     ratesYAML  `yaml:"rates"`
	Steps     []stepYAML `yaml:"steps"`
	Lists     []listYAML `yaml:"lists"`
}

// stepYAML has the rates that differ above a length of context.
type stepYAML struct {
	Above int64     `yaml:"above,required"`
	Rates ratesYAML `yaml:"rates,required"`
}

// listYAML has the rates that differ in another price list.
type listYAML struct {
	Tier  string     `yaml:"tier,required"`
	From  string     `yaml:"from"`
	Rates ratesYAML  `yaml:"rates"`
	Steps []stepYAML `yaml:"steps"`
}

// endpointYAML is a call that has a price of its own.
type endpointYAML struct {
	Endpoint string    `yaml:"endpoint,required"`
	Region   []string  `yaml:"region"`
	From     string    `yaml:"from"`
	Free     bool      `yaml:"free"`
	Rates    ratesYAML `yaml:"rates"`
	// Lists have the rates that differ where the provider adds to the standard price.
	Lists []listYAML `yaml:"lists"`
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
			p, err := m.price(provider, f)
			if err == nil {
				err = add(c.models, provider, m.Region, append([]string{m.Model}, m.Aliases...), &p)
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

// price fills what a model's lists and steps do not say from the rates that they differ from.
func (m modelYAML) price(provider string, f catalogYAML) (Price, error) {
	p := Price{
		Version: version(provider, m.Model, m.From, f.Read), MaxOutput: m.MaxOutput, ContextWindow: m.Context, Source: f.Source, Read: f.Read,
	}
	if m.Region != "" {
		p.Version = version(provider, m.Model+"."+m.Region, m.From, f.Read)
	}
	if len(m.Rates) == 0 != m.Free {
		return p, errNoRate
	}
	var r reader
	p.Hours = r.hours(m.Hours)
	p.List = r.list(listYAML{From: m.From, Rates: m.Rates, Steps: m.Steps}, ratesYAML{})
	for _, l := range m.Lists {
		p.Others = append(p.Others, r.list(l, m.Rates))
	}
	return p, r.err
}

var errNoRate = errors.New("give rates, or say free: true")

func (c *Catalog) endpoint(provider string, e endpointYAML, f catalogYAML) error {
	rates, err := e.Rates.units()
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
		name := e.Endpoint
		if region != "" {
			name += "." + region
		}
		var r reader
		p := Price{Version: version(provider, name, e.From, f.Read), Source: f.Source, Read: f.Read}
		p.List = List{Rates: rates, From: r.date(e.From)}
		for _, l := range e.Lists {
			p.Others = append(p.Others, r.surcharged(e.Rates, l))
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

func version(provider, name, from, read string) string {
	if from == "" {
		from = cmp.Or(read, "unread")
	}
	return provider + "/" + name + "@" + from
}

// reader converts texts and keeps the first error.
type reader struct{ err error }

// list reads one price list; what it does not say is as in base.
func (r *reader) list(y listYAML, base ratesYAML) List {
	l := List{Tier: y.Tier, From: r.date(y.From)}
	rates := base.with(y.Rates)
	l.Rates = r.tokens(rates)
	var above int64
	for _, s := range y.Steps {
		if s.Above <= above {
			r.fail(fmt.Errorf("steps: %d is not above %d", s.Above, above))
		}
		above = s.Above
		l.Steps = append(l.Steps, Step{Above: s.Above, Rates: r.tokens(rates.with(s.Rates))})
	}
	return l
}

// surcharged reads a price list of an endpoint.
func (r *reader) surcharged(base ratesYAML, y listYAML) List {
	rates, err := base.with(y.Rates).units()
	if err != nil {
		r.fail(fmt.Errorf("list %s: %w", y.Tier, err))
	}
	return List{Tier: y.Tier, From: r.date(y.From), Rates: rates}
}

func (r *reader) date(text string) time.Time {
	if text == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		r.fail(fmt.Errorf("%q is not a date", text))
	}
	return t
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
