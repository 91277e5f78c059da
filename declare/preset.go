package declare

import (
	"embed"
	"errors"
	"fmt"
	"path"
	"sync"

	"github.com/saas-sentinel/saas-sentinel/internal/strictyaml"
)

//go:embed presets/*.yaml
var presetFiles embed.FS

// Preset is a known API that is described in YAML.
type Preset struct {
	Name        string
	Host        string // "{region}" stands for the configured region
	Credential  string // "bearer", "basic", "sigv4" or "header:NAME"
	SigningName string // of an AWS service
	Errors      string // whose form refusals take
	Source      string // where the prices were published
	Read        string // the day on which they stood there, "2026-11-23"
	Endpoints   []*Endpoint
	// Regional are the price lists of the only endpoint by region; nil where one figure holds everywhere.
	Regional map[string][]List
}

type presetYAML struct {
	Preset      string         `yaml:"preset,required"`
	Host        string         `yaml:"host,required"`
	Credential  string         `yaml:"credential,required"`
	SigningName string         `yaml:"signing_name"`
	Errors      string         `yaml:"errors,required" enum:"twilio,sendgrid,google,aws-json,aws-query"`
	Source      string         `yaml:"source,required"`
	Read        string         `yaml:"read,required"` // when the figures stood at Source, the oldest of them
	Regional    []regionalYAML `yaml:"regional"`
	Endpoints   []EndpointYAML `yaml:"endpoints,required"`
}

// Presets are the descriptions that come with the program, by name.
var Presets = sync.OnceValues(func() ([]Preset, error) {
	names, err := presetFiles.ReadDir("presets")
	if err != nil {
		return nil, fmt.Errorf("read the embedded presets: %w", err)
	}
	var out []Preset
	var faults []error
	for _, n := range names {
		data, err := presetFiles.ReadFile(path.Join("presets", n.Name()))
		if err != nil {
			return nil, fmt.Errorf("read the embedded presets: %w", err)
		}
		p, err := readPreset(n.Name(), data)
		out, faults = append(out, p), append(faults, err)
	}
	return out, errors.Join(faults...)
})

func readPreset(name string, data []byte) (Preset, error) {
	var y presetYAML
	doc := strictyaml.Decode(name, data, &y)
	p := Preset{Name: y.Preset, Host: y.Host, Credential: y.Credential, SigningName: y.SigningName, Errors: y.Errors, Source: y.Source, Read: y.Read}
	for i, e := range y.Endpoints {
		p.Endpoints = append(p.Endpoints, Compile(e, fmt.Sprintf("endpoints[%d]", i), doc.Fault))
	}
	if doc.Faults() == nil {
		p.Regional = y.regional(p.Endpoints[0], doc.Fault)
	}
	return p, strictyaml.Join(doc.Faults())
}
