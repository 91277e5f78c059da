package policy

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/strictyaml"
)

// DownMode is what to do while the limiter cannot be reached.
type DownMode uint8

// The modes.
const (
	DownClosed DownMode = iota // refuse with 503
	DownOpen                   // let pass
	DownLocal                  // let each process pass a share of what was left
)

// String is the mode as policies have it.
func (m DownMode) String() string {
	return [...]string{DownClosed: "closed", DownOpen: "open", DownLocal: "local"}[m]
}

type downMode struct {
	set  bool
	mode DownMode
}

// UnmarshalText reads "closed", "local" or "open".
func (m *downMode) UnmarshalText(b []byte) error {
	switch string(b) {
	case "closed":
		*m = downMode{true, DownClosed}
	case "open":
		*m = downMode{true, DownOpen}
	case "local":
		*m = downMode{true, DownLocal}
	default:
		return fmt.Errorf("%q is not a mode: use closed, local or open", clip(string(b)))
	}
	return nil
}

// SchemaHint lists the modes.
func (*downMode) SchemaHint() strictyaml.Hint {
	return strictyaml.Hint{Words: []string{"closed", "local", "open"}}
}

// UnpricedMode is what to do with a call that has no price.
type UnpricedMode uint8

// The modes.
const (
	UnpricedDeny  UnpricedMode = iota
	UnpricedFlat               // every call at Unpriced.Flat
	UnpricedAlert              // allowed at no cost, and marked
)

type unpricedYAML struct {
	mode    UnpricedMode
	FlatUSD *usd `yaml:"flat_usd,required" doc:"Dollars for each call without a price."`
}

// UnmarshalText reads "deny" or "alert".
func (u *unpricedYAML) UnmarshalText(b []byte) error {
	switch string(b) {
	case "deny":
		u.mode = UnpricedDeny
	case "alert":
		u.mode = UnpricedAlert
	default:
		return fmt.Errorf("%q is not allowed: use deny, alert or {flat_usd: 0.01}", clip(string(b)))
	}
	return nil
}

// SchemaHint lists the words; {flat_usd: 0.01} is the other form.
func (*unpricedYAML) SchemaHint() strictyaml.Hint {
	return strictyaml.Hint{Words: []string{"deny", "alert"}}
}

// refYAML is the place of a secret. Its path keeps the scheme of a source that is not Vault.
type refYAML struct{ path, field string }

// UnmarshalText reads "vault:secret/openai#api_key", whose "vault:" may be left out, "aws:prod/openai#api_key" and
// "file:openai#api_key". The text is not repeated in the error: somebody may have put the secret itself here.
func (r *refYAML) UnmarshalText(b []byte) error {
	place, field, has := strings.Cut(strings.TrimPrefix(string(b), "vault:"), "#")
	scheme, name, elsewhere := strings.Cut(place, ":")
	if !elsewhere {
		scheme, name = "vault", place
	}
	pattern, known := refPaths[scheme]
	if len(b) > 512 || !known || !pattern.MatchString(name) || slices.Contains(strings.Split(name, "/"), "..") || has && !refField.MatchString(field) {
		return errors.New("not the place of a secret: write vault:MOUNT/PATH#FIELD, such as vault:secret/openai#api_key, aws:NAME#FIELD for AWS Secrets Manager, or file:FOLDER#FILE")
	}
	r.path, r.field = place, field
	return nil
}

var (
	// refPaths has what a secret can be called, by its source. Secrets Manager's are names and ARNs.
	refPaths = map[string]*regexp.Regexp{
		"vault": regexp.MustCompile(`^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)+$`),
		"aws":   regexp.MustCompile(`^[A-Za-z0-9/_+=.@:-]+$`),
		"file":  regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$`),
	}
	refField = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)
)

// SchemaHint describes the place of a secret.
func (*refYAML) SchemaHint() strictyaml.Hint {
	return strictyaml.Hint{
		Pattern:  `^((vault:)?[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)+|aws:[A-Za-z0-9/_+=.@:-]+|file:[A-Za-z0-9._/-]+)(#[A-Za-z0-9._-]+)?$`,
		Examples: []string{"vault:secret/openai#api_key", "aws:prod/openai#api_key", "file:openai#api_key"},
	}
}

// authorityYAML is a role of Vault's PKI engine, without the "vault:" before it.
type authorityYAML string

var authorityPattern = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*#[A-Za-z0-9._-]+$`)

// UnmarshalText reads "vault:pki#gateway", whose "vault:" may be left out.
func (a *authorityYAML) UnmarshalText(b []byte) error {
	place := strings.TrimPrefix(string(b), "vault:")
	if len(b) > 512 || !authorityPattern.MatchString(place) {
		return errors.New("not an authority in Vault: write vault:MOUNT#ROLE, such as vault:pki#gateway")
	}
	*a = authorityYAML(place)
	return nil
}

// SchemaHint describes a role.
func (*authorityYAML) SchemaHint() strictyaml.Hint {
	return strictyaml.Hint{Pattern: `^(vault:)?[A-Za-z0-9._/-]+#[A-Za-z0-9._-]+$`, Examples: []string{"vault:pki#gateway"}}
}

// above is a score: above 0 and below 1.
type above float64

// UnmarshalText reads a number such as 0.999.
func (a *above) UnmarshalText(b []byte) error {
	v, err := strconv.ParseFloat(string(b), 64)
	if err != nil || !(v > 0 && v < 1) {
		return fmt.Errorf("%q is not between 0 and 1: write for instance 0.999", clip(string(b)))
	}
	*a = above(v)
	return nil
}

// SchemaHint describes the number.
func (*above) SchemaHint() strictyaml.Hint {
	return strictyaml.Hint{Pattern: `^0?\.[0-9]+$`, Examples: []string{"0.999"}}
}

// UnmarshalText reads "deny".
func (t *thenYAML) UnmarshalText(b []byte) error {
	if string(b) != "deny" {
		return fmt.Errorf("%q is not an action: use deny, {throttle: {requests: 10/minute}}, {downgrade: [model]} or {alert: channel}", clip(string(b)))
	}
	t.action = sentinel.Deny
	return nil
}

// SchemaHint lists the words; a mapping is the other form.
func (*thenYAML) SchemaHint() strictyaml.Hint { return strictyaml.Hint{Words: []string{"deny"}} }

// UnmarshalText reads "throttle" or "deny".
func (a *actionYAML) UnmarshalText(b []byte) error {
	switch string(b) {
	case "throttle":
		a.action = sentinel.Throttle
	case "deny":
		a.action = sentinel.Deny
	default:
		return fmt.Errorf("%q is not an action: use throttle, deny, {clamp: {output_tokens: 256}}, {delay: 2s}, {downgrade: [model]} or {fallback: [provider/model]}", clip(string(b)))
	}
	return nil
}

// SchemaHint lists the words; {clamp: {output_tokens: 256}}, {downgrade: [model]}, {fallback: [provider/model]} and {delay: 2s} are the other forms.
func (*actionYAML) SchemaHint() strictyaml.Hint {
	return strictyaml.Hint{Words: []string{"throttle", "deny"}}
}
