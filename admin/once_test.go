package admin_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/admin"
)

// issuer issues a token a call, and keeps answers in memory.
type issuer struct {
	accounts
	mu      sync.Mutex
	issued  int
	refuse  error
	longer  int           // bytes that a token has more
	begun   chan struct{} // where it is not nil, an issue says so and waits for more
	more    chan struct{}
	answers map[[32]byte]sentinel.KeptAnswer
}

func (i *issuer) IssueServiceToken(context.Context, string, string, string, time.Duration) (id, token string, err error) {
	if i.begun != nil {
		close(i.begun)
		<-i.more
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.refuse != nil {
		return "", "", i.refuse
	}
	i.issued++
	return "id", "sst_id_" + strings.Repeat("x", i.issued+i.longer), nil
}

func (*issuer) CheckPolicy(string) admin.Checked { return admin.Checked{} }

func (i *issuer) BeginAnswer(_ context.Context, a sentinel.KeptAnswer) (sentinel.KeptAnswer, bool, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if before, ok := i.answers[a.Key]; ok {
		return before, false, nil
	}
	a.Begun = time.Now()
	i.answers[a.Key] = a
	return sentinel.KeptAnswer{}, true, nil
}

func (i *issuer) KeepAnswer(_ context.Context, a sentinel.KeptAnswer) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	a.Begun = i.answers[a.Key].Begun
	i.answers[a.Key] = a
	return nil
}

func (i *issuer) DropAnswer(_ context.Context, a sentinel.KeptAnswer) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.answers, a.Key)
	return nil
}

func TestAWriteUnderAKeyHappensOnce(t *testing.T) {
	const one, two = "6d1c1a0e-8f1b-4a53-9b1e-0a5c1d2e3f40", "another-key-of-more-than-16"
	ada := key("ada", sentinel.RoleAdmin)
	back := &issuer{answers: map[[32]byte]sentinel.KeptAnswer{}}
	now := time.Now()
	h := admin.New(admin.Options{Backend: back, Log: zerolog.Nop(), Now: func() time.Time { return now }}).Handler()
	issue := func(key, label string) *httptest.ResponseRecorder {
		return ask(h, "POST", "/api/v1/service-tokens", ada, `{"service":"app","label":"`+label+`"}`, "Idempotency-Key", key)
	}
	first, again := issue(one, "a"), issue(`"`+one+`"`, "a")
	if first.Code != http.StatusCreated || again.Code != first.Code || !bytes.Equal(again.Body.Bytes(), first.Body.Bytes()) || again.Header().Get("Content-Type") != first.Header().Get("Content-Type") {
		t.Errorf("answered %d %s, then %d %s", first.Code, first.Body, again.Code, again.Body)
	}
	if first.Header().Get("Idempotent-Replayed") != "" || again.Header().Get("Idempotent-Replayed") != "true" || back.issued != 1 {
		t.Errorf("%d tokens issued; the answers are marked %q and %q", back.issued, first.Header().Get("Idempotent-Replayed"), again.Header().Get("Idempotent-Replayed"))
	}
	for _, kept := range back.answers {
		if bytes.Contains(kept.Sealed, []byte("sst_id")) {
			t.Error("the token can be read where the answer is kept")
		}
	}
	for name, tt := range map[string]struct {
		key, label string
		code       int
	}{"another request": {one, "b", 422}, "a short key": {"1", "a", 400}, "a long key": {strings.Repeat("k", 129), "a", 400}} {
		if w := issue(tt.key, tt.label); w.Code != tt.code || !strings.Contains(w.Header().Get("Content-Type"), "problem+json") {
			t.Errorf("%s is answered %d %s, want %d", name, w.Code, w.Body, tt.code)
		}
	}
	if w := ask(h, "POST", "/api/v1/service-tokens", operator, `{"service":"app"}`, "Idempotency-Key", one); w.Code != http.StatusForbidden {
		t.Errorf("somebody without the right is answered %d", w.Code)
	}

	back.refuse = errors.New("the database is away")
	if w := issue(two, "a"); w.Code != http.StatusServiceUnavailable {
		t.Errorf("a fault is answered %d", w.Code)
	}
	back.refuse = nil
	back.begun, back.more = make(chan struct{}), make(chan struct{})
	done := make(chan int)
	go func() { done <- issue(two, "a").Code }()
	<-back.begun
	if w := issue(two, "a"); w.Code != http.StatusConflict || w.Header().Get("Retry-After") != "1" {
		t.Errorf("beside the first the same is answered %d %s", w.Code, w.Body)
	}
	now = now.Add(2 * time.Minute)
	if w := issue(two, "a"); w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), "never answered") {
		t.Errorf("where the first has not been answered for long: %d %s", w.Code, w.Body)
	}
	close(back.more)
	if code := <-done; code != http.StatusCreated || back.issued != 2 {
		t.Errorf("answered %d, %d tokens issued", code, back.issued)
	}

	back.begun, back.longer = nil, 1<<20
	const three = "a-third-key-of-more-than-16"
	if w := issue(three, "a"); w.Code != http.StatusCreated {
		t.Errorf("a long answer: %d", w.Code)
	}
	if w := issue(three, "a"); w.Code != http.StatusConflict || back.issued != 3 {
		t.Errorf("after an answer that is too long to be kept: %d, %d tokens issued, want none more", w.Code, back.issued)
	}
	kept := len(back.answers)
	if w := ask(h, "POST", "/api/v1/policy/check", ada, `{"text":"version: 1"}`, "Idempotency-Key", "a-fourth-key-of-more-than-16"); w.Code != http.StatusOK || len(back.answers) != kept {
		t.Errorf("what writes nothing is answered %d %s; its key is not to be kept", w.Code, w.Body)
	}
}
