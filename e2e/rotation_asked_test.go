package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
	"github.com/saas-sentinel/saas-sentinel/internal/stack"
)

// rotation is what the admin API says of one.
type rotation struct {
	State, Step, By, Fault, Next string
	Begun                        time.Time
	Pending                      bool
	PreviousUntil                time.Time `json:"previous_until"`
	SecretFault                  string    `json:"secret_fault"`
	Detail                       string    // of a refusal
}

// hangsUp sends a request with a body, and goes away before the answer.
func (b *browser) hangsUp(after time.Duration, path, body string, headers ...string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), after)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, b.people+"/api/v1"+path, strings.NewReader(body))
	b.must(err)
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	if answer, err := b.client.Do(r); err == nil {
		_ = answer.Body.Close()
		b.t.Fatalf("%s was answered %s within %s", path, answer.Status, after)
	}
}

// A key is given another value through the admin API: a good one once, however often the request is sent, also by a client that hung up; a bad one never; one whose test decided
// nothing goes on; one that takes its time, a command's too, is seen by every process, and nobody begins a second one meanwhile.
func TestAKeyIsRotatedThroughTheAPI(t *testing.T) {
	config := mockapi.DefaultConfig()
	good := []string{"sk-asked-canary-0001", "sk-asked-canary-0002", "sk-asked-canary-0003"}
	config.Accept = map[string][]string{"stripe": append([]string{vaultKey}, good...)}
	g := openOn(t, config, "{}", "", (*stack.Stack).Postgres, "vault: {refresh: 200ms}\n")
	ada := g.signedUp()
	const path = "/credentials/stripe/0/rotation"
	give := func(key string) string { return fmt.Sprintf(`{"key":%q}`, key) }
	asks := func(status int, body, state string, headers ...string) (r rotation) {
		t.Helper()
		ada.want(status, "POST", path, body, &r, headers...)
		if r.State != state {
			t.Errorf("a rotation is answered %+v, want one that is %q", r, state)
		}
		return r
	}
	stands := func(b *browser) (r rotation) {
		t.Helper()
		b.want(http.StatusOK, "GET", path, "", &r)
		return r
	}
	inUse := func(key string) {
		t.Helper()
		if s := g.secretOf("openai"); s["api_key"] != key {
			t.Errorf("the secret has another key in use; its fields are %v", keysOf(s))
		}
	}
	if r := stands(ada); r.State != "never" || r.SecretFault != "" {
		t.Errorf("before any rotation: %+v", r)
	}
	once := []string{"Idempotency-Key", "3f1c2a80-0000-4000-8000-000000000001"}
	first := asks(http.StatusOK, give(good[0]), "done", once...)
	if first.By != "ada" || first.Pending || time.Until(first.PreviousUntil) < 14*time.Minute || !strings.Contains(first.Next, "Revoke the one before") {
		t.Errorf("a good key: %+v", first)
	}
	inUse(good[0])
	asks(http.StatusOK, give(good[0]), "done", once...)
	if again := stands(ada); !again.Begun.Equal(first.Begun) {
		t.Errorf("the request that was sent again began another rotation: %+v after %+v", again, first)
	}
	if r := asks(http.StatusUnprocessableEntity, give(badKey), ""); !strings.Contains(r.Detail, "refused the new key") {
		t.Errorf("a bad key: %+v", r)
	}
	if r := stands(ada); r.State != "failed" || !strings.Contains(r.Fault, "refused the new key") || r.Pending {
		t.Errorf("after a bad key: %+v", r)
	}
	inUse(good[0])
	asks(http.StatusConflict, "{}", "")
	before := stands(ada)
	asks(http.StatusBadRequest, give("sk-blank-at-its-end "), "")
	if r := stands(ada); !r.Begun.Equal(before.Begun) {
		t.Errorf("a key that cannot be sent began a rotation: %+v", r)
	}
	ada.want(http.StatusNotFound, "POST", "/credentials/nobody/0/rotation", give(badKey), nil)
	ada.want(http.StatusBadRequest, "POST", "/credentials/weather/0/rotation", give(badKey), nil) // whose test is not known

	config.Faults = []mockapi.Fault{{Provider: "stripe", Kind: mockapi.FaultStatus, First: 1000, Status: 500}}
	g.must(g.mock.Apply(config))
	if r := asks(http.StatusServiceUnavailable, give(good[1]), ""); !strings.Contains(r.Detail, "decides nothing") {
		t.Errorf("a test that decided nothing: %+v", r)
	}
	if r := stands(ada); r.State != "failed" || !r.Pending {
		t.Errorf("after a test that decided nothing: %+v", r)
	}
	config.Faults = nil
	g.must(g.mock.Apply(config))
	asks(http.StatusOK, "{}", "done")
	inUse(good[1])

	config.Faults = []mockapi.Fault{{Provider: "stripe", Kind: mockapi.FaultSlow, First: 1000, Delay: 12 * time.Second}} // longer than an answer waits
	g.must(g.mock.Apply(config))
	other := g.sibling("other", "")
	colleague := &browser{other, ada.client}
	if r := asks(http.StatusAccepted, give(good[2]), "running"); r.Step != "test" || !r.Pending {
		t.Errorf("a rotation that takes its time: %+v", r)
	}
	if r := stands(colleague); r.State != "running" || r.Step != "test" || r.By != "ada" {
		t.Errorf("another process says %+v", r)
	}
	colleague.want(http.StatusConflict, "POST", path, give(good[0]), nil)
	g.eventually("the rotation ends", func() bool { return stands(colleague).State == "done" })
	inUse(good[2])
	config.Faults[0].Delay = 3 * time.Second
	g.must(g.mock.Apply(config))
	gone := []string{"Idempotency-Key", "3f1c2a80-0000-4000-8000-000000000002"}
	ada.hangsUp(time.Second, path, give(good[1]), gone...)
	g.eventually("the rotation of a client that has gone ends", func() bool { r := stands(ada); return r.State == "done" && g.secretOf("openai")["api_key"] == good[1] })
	begun := stands(ada).Begun
	<-time.After(time.Second) // in which its answer is kept
	var kept rotation
	if h := ada.want(http.StatusOK, "POST", path, give(good[1]), &kept, gone...); h.Get("Idempotent-Replayed") != "true" || !kept.Begun.Equal(begun) {
		t.Errorf("a client that has gone and asks again is answered %+v: a second rotation", kept)
	}
	done := make(chan error, 1)
	go func() {
		said, err := g.rotate("stripe", good[0])
		if err != nil {
			err = fmt.Errorf("%w: %s", err, said)
		}
		done <- err
	}()
	g.eventually("a command's rotation is seen", func() bool { r := stands(colleague); return r.State == "running" && r.By != "ada" })
	if r := asks(http.StatusConflict, give(good[1]), ""); !strings.Contains(r.Detail, "wait for its end") {
		t.Errorf("beside a command's rotation: %+v", r)
	}
	g.must(<-done)
	inUse(good[0])
	var list []struct {
		Provider, Takes string
		Number          int
		State           string `json:"rotation_state"`
		Rotated         time.Time
	}
	ada.want(http.StatusOK, "GET", "/credentials", "", &list)
	seen := 0
	for _, c := range list {
		switch {
		case c.Provider == "stripe" && c.State == "done" && c.Takes == "key" && time.Since(c.Rotated) < time.Minute, c.Provider == "bedrock" && c.State == "never" && c.Takes == "aws_key":
			seen++
		}
	}
	if seen != 2 {
		t.Errorf("the credentials are listed as %+v", list)
	}
	if hash := find(g.database(), map[string]string{"a key": good[0], "a bad key": badKey}); len(hash) > 0 || strings.Contains(string(g.files("sentinel.log"))+string(other.files("sentinel.log")), "canary") {
		t.Errorf("a key stands in a log, or in the database: %v", hash)
	}
}

// A rotation that worked is answered so, where the database cannot write an incident at its end: a second try would change the key again.
func TestARotationWorksThoughNobodyCanBeTold(t *testing.T) {
	g := open(t, mockapi.DefaultConfig(), "{}", "")
	g.tell("{}")
	ada := g.signedUp()
	g.exec(`ALTER TABLE alert_groups RENAME TO alert_groups_away`)
	var r rotation
	ada.want(http.StatusOK, "POST", "/credentials/stripe/0/rotation", `{"key":"sk-untold-0001"}`, &r)
	if r.State != "done" || r.Fault != "" {
		t.Errorf("the API answers %+v", r)
	}
	said, err := g.rotate("stripe", "sk-untold-0002")
	if err == nil || !strings.Contains(said, "uses the new key; every process does within ") || !strings.Contains(said, "rotated, but nobody was told") || !strings.Contains(said, "after 1 minute.") {
		t.Errorf("the command: %v %s", err, said)
	}
	if s := g.secretOf("openai"); s["api_key"] != "sk-untold-0002" {
		t.Errorf("the secret has another key in use; its fields are %v", keysOf(s))
	}
}
