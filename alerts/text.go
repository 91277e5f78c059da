package alerts

import (
	"errors"
	"strings"
	"unicode/utf8"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// line is an incident in one line.
func line(i sentinel.Incident) string {
	return "[" + i.Severity.String() + "] " + cut(i.Title, 300) + " (incident " + short(i.ID) + ")"
}

// short is what people see of an id.
func short(id string) string { return id[:min(8, len(id))] }

// cut keeps at most n bytes of whole characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// hide takes a secret out of an error's text: a channel that fails may quote its request.
func hide(err error, s sentinel.Secret) error {
	if secret := s.Reveal(); secret != "" && strings.Contains(err.Error(), secret) {
		return errors.New(strings.ReplaceAll(err.Error(), secret, "[secret]"))
	}
	return err
}
