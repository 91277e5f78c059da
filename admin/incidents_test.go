package admin_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/admin"
)

// answered is a backend whose answers to incidents end so.
type answered struct {
	kept
	fault error
}

func (a answered) AnswerIncidents(context.Context, string, string, string, time.Duration) error {
	return a.fault
}

func TestAnAnswerThatChangesNothingIsAConflict(t *testing.T) {
	for name, tt := range map[string]struct {
		fault error
		code  int
		says  string
	}{
		"an open incident": {nil, http.StatusNoContent, ""},
		"no such rule":     {fmt.Errorf("answer: %w", sentinel.ErrNoAlert), http.StatusNotFound, "no alert rule"},
		"over":             {fmt.Errorf("answer: %w", sentinel.ErrIncidentOver), http.StatusConflict, "30 days after the end"},
		"no database":      {errors.New("gone"), http.StatusServiceUnavailable, ""},
	} {
		var actions []string
		h := admin.New(admin.Options{Backend: answered{kept{actions: &actions}, tt.fault}, Log: zerolog.Nop(), Now: func() time.Time { return noon }}).Handler()
		if w := ask(h, "POST", "/api/v1/incidents/answer", operator, `{"group":"odd","act":"dismiss"}`); w.Code != tt.code || !strings.Contains(w.Body.String(), tt.says) {
			t.Errorf("%s: %d %s, want %d and %q", name, w.Code, w.Body, tt.code, tt.says)
		}
	}
}
