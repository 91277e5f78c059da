package credential

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// apiKey is a key of one field.
func apiKey(value string) Key { return Key{"api_key": sentinel.NewSecret(value)} }

var errCrash = errors.New("the process was killed")

// breaking lets so many requests through, and then none. The last one through may lose its answer, as a crash does.
type breaking struct {
	http.RoundTripper
	left       int
	loseAnswer bool
}

func (b *breaking) RoundTrip(rq *http.Request) (*http.Response, error) {
	b.left--
	if b.left < 0 {
		return nil, errCrash
	}
	rs, err := b.RoundTripper.RoundTrip(rq)
	if err == nil && b.left == 0 && b.loseAnswer {
		_ = rs.Body.Close()
		return nil, errCrash
	}
	return rs, err
}

// A rotation that is broken off at any request to a real Vault, before it arrives or after, is continued by another
// process; in between the secret always has a key that works.
func TestRotationGoesOnAfterACrashAtEveryStep(t *testing.T) {
	b := startBao(t)
	ref := Ref{"secret/rotated", "api_key"}
	works := map[string]bool{"old": true, "new": true}
	r := Rotation{Ref: ref, Next: apiKey("new"), Keep: time.Hour, Test: func(_ context.Context, k Key) error {
		if !works[k["api_key"].Reveal()] {
			return ErrBadKey
		}
		return nil
	}}
	data := func() map[string]any {
		return b.do(t, http.MethodGet, "secret/data/rotated", nil)["data"].(map[string]any)["data"].(map[string]any)
	}
	completed := false
	for n := 0; !completed; n++ {
		for _, lose := range []bool{false, true} {
			b.put(t, "secret/rotated", map[string]string{"api_key": "old", "note": "kept"})
			options := VaultOptions{Address: b.addr, Token: sentinel.NewSecret(b.root)}
			v, err := newVault(options, &breaking{http.DefaultTransport.(*http.Transport).Clone(), n, lose})
			if err != nil {
				t.Fatal(err)
			}
			err = v.Rotate(t.Context(), r)
			v.conns.CloseIdleConnections()
			completed = err == nil
			if key, _ := data()["api_key"].(string); !works[key] {
				t.Fatalf("after %d requests the key in use is %q", n, key)
			}
			again := b.client(t, func(*VaultOptions) {}).vault
			if err := again.Rotate(t.Context(), r); err != nil {
				t.Fatalf("continued after %d requests: %v", n, err)
			}
			d := data()
			if d["api_key"] != "new" || d["api_key_previous"] != "old" || d["api_key_pending"] != nil || d["note"] != "kept" {
				t.Errorf("after %d requests and a continuation: %v", n, d)
			}
		}
		if n > 20 {
			t.Fatal("it never completes")
		}
	}
	if err := b.client(t, func(*VaultOptions) {}).vault.Rotate(t.Context(), Rotation{Ref: ref, Test: r.Test}); !errors.Is(err, ErrNothingPending) {
		t.Errorf("nothing to do: %v", err)
	}
}

func TestABadKeyIsNeverCurrent(t *testing.T) {
	b := startBao(t)
	ref := Ref{"secret/rotated", "api_key"}
	b.put(t, ref.Path, map[string]string{"api_key": "old"})
	v := b.client(t, func(*VaultOptions) {}).vault
	answer := errors.New("the provider is away")
	r := Rotation{Ref: ref, Next: apiKey("bad"), Test: func(context.Context, Key) error { return answer }}
	data := func() map[string]any {
		return b.do(t, http.MethodGet, "secret/data/rotated", nil)["data"].(map[string]any)["data"].(map[string]any)
	}
	if err := v.Rotate(t.Context(), r); !errors.Is(err, answer) || data()["api_key"] != "old" || data()["api_key_pending"] != "bad" {
		t.Errorf("undecided: %v, %v", err, data())
	}
	answer = ErrBadKey
	if err := v.Rotate(t.Context(), Rotation{Ref: ref, Test: r.Test}); !errors.Is(err, ErrBadKey) || data()["api_key"] != "old" || data()["api_key_pending"] != nil {
		t.Errorf("refused: %v, %v", err, data())
	}
	answer = nil
	r.Next, r.Keep = apiKey("good"), -time.Second
	if err := v.Rotate(t.Context(), r); err != nil || data()["api_key"] != "good" || data()["api_key_previous"] != "old" {
		t.Errorf("good: %v, %v", err, data())
	}
	if kept, err := v.ForgetPrevious(t.Context(), r); err != nil || !kept.IsZero() || data()["api_key_previous"] != nil || data()["api_key"] != "good" {
		t.Errorf("forgotten: %v, %v, %v", kept, err, data())
	}
}

// The key before stays for answers that run, past its time and up to a bound, and no rotation is due meanwhile.
func TestTheKeyBeforeIsKeptForAnswersThatRun(t *testing.T) {
	b := startBao(t)
	ref := Ref{"secret/rotated", "api_key"}
	b.put(t, ref.Path, map[string]string{"api_key": "old"})
	v := b.client(t, func(*VaultOptions) {}).vault
	began := time.Now().Truncate(time.Second)
	runs, fault := true, error(nil)
	r := Rotation{Ref: ref, Next: apiKey("new"), Keep: -time.Second, Test: func(context.Context, Key) error { return nil }, Running: func(_ context.Context, until time.Time) (bool, error) {
		if until.Before(began) || until.After(time.Now()) {
			t.Errorf("asked for calls until %s, and the key was replaced at about %s", until, began)
		}
		return runs, fault
	}}
	if err := v.Rotate(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	forget := func(want string, until bool) {
		t.Helper()
		kept, err := v.ForgetPrevious(t.Context(), r)
		before, _ := b.do(t, http.MethodGet, "secret/data/rotated", nil)["data"].(map[string]any)["data"].(map[string]any)["api_key_previous"].(string)
		if !errors.Is(err, fault) || before != want || kept.IsZero() == until {
			t.Errorf("the key before is %q, kept until %v, %v", before, kept, err)
		}
	}
	forget("old", true)
	if due, err := v.Due(t.Context(), r, time.Nanosecond); err != nil || due {
		t.Errorf("due while an answer runs: %v, %v", due, err)
	}
	fault = errors.New("the ledger is away")
	forget("old", false)
	fault, runs = nil, false
	if due, err := v.Due(t.Context(), r, time.Nanosecond); err != nil || !due {
		t.Errorf("due when none runs: %v, %v", due, err)
	}
	forget("", false)

	runs = true
	day := time.Now().Add(-LongestKept).UTC().Format(time.RFC3339)
	b.put(t, ref.Path, map[string]string{"api_key": "new", "api_key_previous": "old", "api_key_previous_until": day, "api_key_rotated": day})
	forget("", false)
}

func TestTwoRotationsDoNotMix(t *testing.T) {
	b := startBao(t)
	ref := Ref{"secret/rotated", "api_key"}
	b.put(t, ref.Path, map[string]string{"api_key": "old"})
	ok := func(context.Context, Key) error { return nil }
	other := b.client(t, func(*VaultOptions) {}).vault
	err := b.client(t, func(*VaultOptions) {}).vault.Rotate(t.Context(), Rotation{Ref: ref, Next: apiKey("first"), Test: func(ctx context.Context, _ Key) error {
		return other.Rotate(ctx, Rotation{Ref: ref, Next: apiKey("second"), Test: ok})
	}})
	if err == nil {
		t.Error("the slower rotation overwrote the faster one")
	}
	d := b.do(t, http.MethodGet, "secret/data/rotated", nil)["data"].(map[string]any)["data"].(map[string]any)
	if d["api_key"] != "second" {
		t.Errorf("the key in use is %v", d["api_key"])
	}
}
