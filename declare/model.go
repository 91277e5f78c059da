package declare

import "github.com/saas-sentinel/saas-sentinel/internal/strictyaml"

// ModelYAML is what a model costs from a date on, as the catalog and contracts write it.
type ModelYAML struct {
	Model     string     `yaml:"model,required" doc:"The model's name. Its dated snapshots cost the same."`
	Aliases   []string   `yaml:"aliases" doc:"Other names of it."`
	Region    string     `yaml:"region" doc:"The provider's region in which it holds, such as eu-central-1. Default: everywhere."`
	From      string     `yaml:"from" doc:"First day (UTC), such as 2027-01-01. Default: it has always held."`
	Until     string     `yaml:"until" doc:"Last day (UTC), this one included, such as 2027-12-31. Default: it does not end."`
	Hours     string     `yaml:"hours" doc:"Hours of the day (UTC) in which it holds, such as 01:00-04:00. Default: all."`
	Context   int64      `yaml:"context" doc:"Most tokens that a call can take. Default: as the catalog says."`
	MaxOutput int64      `yaml:"max_output" doc:"Most tokens that an answer can have. Default: as the catalog says."`
	Free      bool       `yaml:"free" doc:"It costs nothing: in place of rates."`
	Rates     RatesYAML  `yaml:"rates" doc:"Rates of the standard price list: {input: 1.00, cached_input: 0.10, output: 8.00}."`
	Steps     []StepYAML `yaml:"steps" doc:"Rates of long contexts, the shortest first."`
	Lists     []ListYAML `yaml:"lists" doc:"Price lists beside the standard one, such as batch, flex and priority."`
}

// RatesYAML are dollars by the name of a rate, each for as many units as its publishers count it in.
type RatesYAML map[string]RateYAML

// RateYAML is a decimal number of dollars as it stands in the file; the catalog reads it by the name of its rate.
type RateYAML string

// UnmarshalText keeps the text.
func (r *RateYAML) UnmarshalText(b []byte) error { *r = RateYAML(b); return nil }

// SchemaHint describes a rate.
func (*RateYAML) SchemaHint() strictyaml.Hint {
	return strictyaml.Hint{Pattern: `^[0-9]+(\.[0-9]+)?$`, Examples: []string{"1.25", "0.125"}, Number: true}
}

// StepYAML has the rates that differ above a length of context.
type StepYAML struct {
	Above int64     `yaml:"above,required" doc:"Input tokens of a call, such as 200000: a call with more of them has these rates for all of its tokens."`
	Rates RatesYAML `yaml:"rates,required" doc:"The rates that differ from those of the price list."`
}

// ListYAML has the rates that differ in another price list.
type ListYAML struct {
	Tier  string     `yaml:"tier,required" doc:"The provider's name of it, such as batch, flex or priority."`
	From  string     `yaml:"from" doc:"First day (UTC). Default: it has always held."`
	Until string     `yaml:"until" doc:"Last day (UTC), this one included. Default: it does not end."`
	Rates RatesYAML  `yaml:"rates" doc:"The rates that differ from the standard list."`
	Steps []StepYAML `yaml:"steps" doc:"Rates of long contexts in this list, the shortest first. Default: it has none, whatever the standard list has."`
}
