package pricing

import (
	"embed"
	"errors"
	"fmt"
	"math/big"
	"path"
	"sync"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/strictyaml"
)

//go:embed catalog/*.yaml
var files embed.FS

// catalogYAML is one provider's file.
type catalogYAML struct {
	Provider  string         `yaml:"provider"`
	Source    string         `yaml:"source"`
	Read      string         `yaml:"read"`
	Endpoints []endpointYAML `yaml:"endpoints"`
	Models    []modelYAML    `yaml:"models"`
}

// modelYAML has rates in dollars a million tokens.
type modelYAML struct {
	Model       string   `yaml:"model"`
	Aliases     []string `yaml:"aliases"`
	From        string   `yaml:"from"`
	Context     int64    `yaml:"context"`
	MaxOutput   int64    `yaml:"max_output"`
	Input       string   `yaml:"input"`
	CachedInput string   `yaml:"cached_input"`
	CacheWrite  string   `yaml:"cache_write"`
	Output      string   `yaml:"output"`
}

// endpointYAML has rates in dollars a unit.
type endpointYAML struct {
	Endpoint   string `yaml:"endpoint"`
	From       string `yaml:"from"`
	Free       bool   `yaml:"free"`
	Request    string `yaml:"request"`
	AmountCent string `yaml:"amount_cent"`
	Message    string `yaml:"message"`
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
	return c, errors.Join(faults...)
})

// load adds one file's prices.
func (c *Catalog) load(name string, data []byte) error {
	var f catalogYAML
	doc := strictyaml.Decode(name, data, &f)
	for i, m := range f.Models {
		p, err := m.price(f)
		if err == nil {
			err = add(c.models, f.Provider, append([]string{m.Model}, m.Aliases...), p)
		}
		if err != nil {
			doc.Fault(fmt.Sprintf("models[%d]", i), "%s: %s", m.Model, err)
		}
	}
	for i, e := range f.Endpoints {
		p, err := e.price(f)
		if err == nil {
			err = add(c.endpoints, f.Provider, []string{e.Endpoint}, p)
		}
		if err != nil {
			doc.Fault(fmt.Sprintf("endpoints[%d]", i), "%s: %s", e.Endpoint, err)
		}
	}
	return strictyaml.Join(doc.Faults())
}

const (
	picoPerUSD   = 1_000_000_000_000
	tokensPerMTo = 1_000_000
)

// price turns a model's rates into pico-dollars a token. Reasoning is billed as output; classes
// without a rate of their own are billed as input or output, so that nothing is free by omission.
func (m modelYAML) price(f catalogYAML) (Price, error) {
	p := Price{MaxOutput: m.MaxOutput, ContextWindow: m.Context, Source: f.Source}
	var r rater
	in := r.pico(m.Input, tokensPerMTo)
	out := r.pico(orText(m.Output, "0"), tokensPerMTo)
	p.Rates[sentinel.InputTokens], p.Rates[sentinel.AudioInputTokens], p.Rates[sentinel.ImageInputTokens] = in, in, in
	p.Rates[sentinel.CachedInputTokens] = r.pico(orText(m.CachedInput, m.Input), tokensPerMTo)
	p.Rates[sentinel.CacheWriteTokens] = r.pico(orText(m.CacheWrite, m.Input), tokensPerMTo)
	p.Rates[sentinel.OutputTokens], p.Rates[sentinel.ReasoningTokens] = out, out
	p.Rates[sentinel.AudioOutputTokens], p.Rates[sentinel.ImageOutputTokens] = out, out
	p.From = r.date(m.From)
	p.Version = version(f.Provider, m.Model, m.From, f.Read)
	return p, r.err
}

func (e endpointYAML) price(f catalogYAML) (Price, error) {
	p := Price{Source: f.Source}
	var r rater
	if !e.Free {
		p.Rates[sentinel.Requests] = r.pico(orText(e.Request, "0"), 1)
		p.Rates[sentinel.AmountCents] = r.pico(orText(e.AmountCent, "0"), 1)
		p.Rates[sentinel.Messages] = r.pico(orText(e.Message, "0"), 1)
	}
	if free := p.Rates == (sentinel.Rates{}); free != e.Free {
		return p, errors.New("give a rate, or say free: true")
	}
	p.From = r.date(e.From)
	p.Version = version(f.Provider, e.Endpoint, e.From, f.Read)
	return p, r.err
}

func version(provider, name, from, read string) string {
	return provider + "/" + name + "@" + orText(from, read)
}

func orText(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// rater converts texts and keeps the first error.
type rater struct{ err error }

// pico reads a decimal amount of dollars for so many units as exact pico-dollars a unit.
func (r *rater) pico(text string, units int64) sentinel.PicoUSD {
	usd, ok := new(big.Rat).SetString(text)
	if !ok || usd.Sign() < 0 {
		r.fail(fmt.Errorf("%q is not an amount", text))
		return 0
	}
	usd.Mul(usd, big.NewRat(picoPerUSD, units))
	if !usd.IsInt() || !usd.Num().IsInt64() {
		r.fail(fmt.Errorf("%s dollars for %d units is not a whole number of pico-dollars a unit", text, units))
		return 0
	}
	return sentinel.PicoUSD(usd.Num().Int64())
}

func (r *rater) date(text string) time.Time {
	if text == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		r.fail(fmt.Errorf("%q is not a date", text))
	}
	return t
}

func (r *rater) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}
