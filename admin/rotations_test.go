package admin_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/admin"
)

var administrator = key("ada", sentinel.RoleAdmin)

// rotator answers every rotation in one way, and remembers what was asked.
type rotator struct {
	accounts
	state string
	fault error
	by    string
	asked []admin.RotationAsked
}

func (r *rotator) Rotate(_ context.Context, by string, asked admin.RotationAsked) (admin.Rotation, error) {
	r.by, r.asked = by, append(r.asked, asked)
	return admin.Rotation{State: r.state, Step: admin.StepTest}, r.fault
}

func (r *rotator) Rotation(context.Context, string, int) (admin.Rotation, error) {
	return admin.Rotation{State: r.state}, r.fault
}

const (
	rotationPath = "/api/v1/credentials/openai/1/rotation"
	newKey       = "sk-new-canary"
)

func TestARotationIsAnsweredByItsEnd(t *testing.T) {
	wrap := func(kind error) error { return fmt.Errorf("%w: do this about it", kind) }
	for name, tt := range map[string]struct {
		state string
		fault error
		want  int
	}{
		"done":               {admin.RotationDone, nil, http.StatusOK},
		"running":            {admin.RotationRunning, nil, http.StatusAccepted},
		"no credential":      {"", wrap(admin.ErrNoCredential), http.StatusNotFound},
		"runs already":       {"", wrap(admin.ErrRotating), http.StatusConflict},
		"nothing to rotate":  {"", wrap(admin.ErrNotRotated), http.StatusConflict},
		"too many":           {"", wrap(admin.ErrRotationsBusy), http.StatusTooManyRequests},
		"a bad key":          {"", wrap(admin.ErrKeyRefused), http.StatusUnprocessableEntity},
		"asked otherwise":    {"", wrap(admin.ErrRefused), http.StatusBadRequest},
		"broken off":         {"", wrap(admin.ErrBrokenOff), http.StatusServiceUnavailable},
		"no database at all": {"", fmt.Errorf("dial postgres: do this about it"), http.StatusServiceUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			r := &rotator{state: tt.state, fault: tt.fault}
			h := admin.New(admin.Options{Backend: r, Log: zerolog.Nop(), Now: func() time.Time { return noon }}).Handler()
			w := ask(h, "POST", rotationPath, administrator, `{"key":"`+newKey+`","access_key_id":"AKIA","test_path":"/v1/me"}`)
			told := strings.Contains(w.Body.String(), "do this about it")
			if problem := strings.Contains(w.Header().Get("Content-Type"), "problem+json"); w.Code != tt.want || problem != (tt.fault != nil) || told != (tt.fault != nil && name != "no database at all") {
				t.Errorf("answered %d %s %s, want %d", w.Code, w.Header().Get("Content-Type"), w.Body, tt.want)
			}
			one := r.asked[0]
			if r.by != "ada" || one.Provider != "openai" || one.Number != 1 || one.Key.Reveal() != newKey || one.AccessKeyID != "AKIA" || one.TestPath != "/v1/me" {
				t.Errorf("%s asks for %+v", r.by, one)
			}
		})
	}
}

func TestOnlyAdminsRotateAndOperatorsLook(t *testing.T) {
	r := &rotator{state: admin.RotationDone}
	h := admin.New(admin.Options{Backend: r, Log: zerolog.Nop(), Now: func() time.Time { return noon }}).Handler()
	for _, tt := range []struct {
		method, token string
		want          int
	}{
		{"GET", viewer, http.StatusForbidden}, {"GET", operator, http.StatusOK}, {"GET", administrator, http.StatusOK},
		{"POST", viewer, http.StatusForbidden}, {"POST", operator, http.StatusForbidden}, {"POST", administrator, http.StatusOK},
	} {
		body := map[string]string{"POST": "{}"}[tt.method]
		if w := ask(h, tt.method, rotationPath, tt.token, body); w.Code != tt.want {
			t.Errorf("%s is answered %d %s, want %d", tt.method, w.Code, w.Body, tt.want)
		}
	}
	if len(r.asked) != 1 {
		t.Errorf("%d rotations were begun, want the admin's", len(r.asked))
	}
}

// A refusal would be kept wherever answers are: by proxies, consoles and scripts.
func TestNoRefusalQuotesABody(t *testing.T) {
	r := &rotator{}
	h := admin.New(admin.Options{Backend: r, Log: zerolog.Nop(), Now: func() time.Time { return noon }}).Handler()
	for _, body := range []string{
		`{"key":"` + strings.Repeat(newKey, 2000) + `"}`, `{"key":["` + newKey + `"]}`, `{"key":"` + newKey + `","unknown":1}`, `{"key":"` + newKey + `","test_path":7}`, `["` + newKey + `"]`, `{"key":"` + newKey,
	} {
		w := ask(h, "POST", rotationPath, administrator, body)
		if w.Code < 400 || w.Code > 499 || !strings.Contains(w.Header().Get("Content-Type"), "problem+json") || strings.Contains(w.Body.String(), "canary") {
			t.Errorf("%.60s is answered %d %.300s", body, w.Code, w.Body)
		}
	}
	for _, path := range []string{"/api/v1/credentials/openai/-1/rotation", "/api/v1/credentials/openai/one/rotation", "/api/v1/credentials/openai/1001/rotation"} {
		if w := ask(h, "POST", path, administrator, "{}"); w.Code != http.StatusUnprocessableEntity {
			t.Errorf("%s is answered %d %s", path, w.Code, w.Body)
		}
	}
	if len(r.asked) > 0 {
		t.Errorf("%d rotations were begun", len(r.asked))
	}
}
