package capture

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const canary = "canary-7f3a: the patient's name"

func keyFile(t *testing.T, texts ...[]byte) *KeyFile {
	t.Helper()
	f, err := ParseKeyFile(bytes.Join(texts, nil))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func body(service string) sentinel.Body {
	at := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	return sentinel.Body{Call: sentinel.Call{ID: sentinel.NewCallID(at), At: at, Caller: sentinel.Caller{Org: "acme", Service: service}},
		Part: sentinel.RequestBody, Size: int64(len(canary)), Data: []byte(canary), Expires: at.Add(time.Hour)}
}

func TestSealedBodiesOpenAsWhatTheyWereAndNothingElse(t *testing.T) {
	first, second := NewKey(), NewKey()
	box := &Box{Keys: keyFile(t, []byte("# capture\n\n"), first)}
	s, err := box.Seal(t.Context(), body("app"))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(s.Sealed, []byte("canary")) || strings.Contains(s.Key, strings.TrimSpace(string(first))) {
		t.Fatalf("%+v shows the body or the key", s)
	}
	if got, err := box.Open(t.Context(), s); err != nil || string(got) != canary {
		t.Fatalf("Open() = %q, %v", got, err)
	}
	rotated := &Box{Keys: keyFile(t, second, first)}
	if got, err := rotated.Open(t.Context(), s); err != nil || string(got) != canary {
		t.Errorf("after a new first line Open() = %q, %v", got, err)
	}
	if _, err := (&Box{Keys: keyFile(t, second)}).Open(t.Context(), s); err == nil || !strings.Contains(err.Error(), "capture.key_file does not have") {
		t.Errorf("opened without its key: %v", err)
	}
	for name, change := range map[string]func(*sentinel.SealedBody){
		"a changed byte":   func(s *sentinel.SealedBody) { s.Sealed[len(s.Sealed)-1] ^= 1 },
		"another call":     func(s *sentinel.SealedBody) { s.Call.ID = sentinel.NewCallID(s.Call.At) },
		"another service":  func(s *sentinel.SealedBody) { s.Call.Caller.Service = "other" },
		"another attempt":  func(s *sentinel.SealedBody) { s.Attempt = 1 },
		"the other part":   func(s *sentinel.SealedBody) { s.Part = sentinel.ResponseBody },
		"a longer life":    func(s *sentinel.SealedBody) { s.Expires = s.Expires.Add(time.Hour) },
		"a cut ciphertext": func(s *sentinel.SealedBody) { s.Sealed = s.Sealed[:3] },
		"no ciphertext":    func(s *sentinel.SealedBody) { s.Sealed = nil },
	} {
		forged := s
		forged.Sealed = bytes.Clone(s.Sealed)
		change(&forged)
		if got, err := box.Open(t.Context(), forged); !errors.Is(err, ErrSealed) {
			t.Errorf("%s: Open() = %q, %v", name, got, err)
		}
	}
}

// counting counts how often it is asked for a data key.
type counting struct {
	Keys
	wraps int
}

func (c *counting) Wrap(ctx context.Context, key []byte) (string, error) {
	c.wraps++
	return c.Keys.Wrap(ctx, key)
}

func TestADataKeyLivesForAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keys := &counting{Keys: keyFile(t, NewKey())}
		box := &Box{Keys: keys}
		seen := map[string]bool{}
		for range 3 {
			for range 2 {
				s, err := box.Seal(t.Context(), body("app"))
				if err != nil || seen[string(s.Sealed[:12])] {
					t.Fatalf("Seal(): %v, nonce %x", err, s.Sealed[:12])
				}
				seen[string(s.Sealed[:12])] = true
			}
			time.Sleep(keyLife)
		}
		if keys.wraps != 3 {
			t.Errorf("%d data keys for three hours, want 3", keys.wraps)
		}
	})
}

func TestKeyFilesSayWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"":                          "0 keys",
		"# only a comment\n":        "0 keys",
		"c2hvcnQ=\n":                "line 1 is not 32 bytes",
		string(NewKey()) + "word\n": "line 2 is not 32 bytes",
	} {
		if _, err := ParseKeyFile([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseKeyFile(%q): %v, want %q", text, err, want)
		}
	}
}

// shelf is a database that can be away.
type shelf struct {
	mu   sync.Mutex
	away bool
	got  []sentinel.SealedBody
}

var errAway = errors.New("away")

func (s *shelf) PutBodies(_ context.Context, list []sentinel.SealedBody) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return errAway
	}
	s.got = append(s.got, list...)
	return nil
}

func (s *shelf) set(away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = away
}

func TestTheRecorderKeepsItsBoundAndWritesWhatWaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := &shelf{away: true}
		r := NewRecorder(&Box{Keys: keyFile(t, NewKey())}, db, func(error) {})
		big := body("app")
		big.Data = bytes.Repeat([]byte("x"), maxWaiting/4)
		ctx, stop := context.WithCancel(t.Context())
		served, ended := make(chan struct{}), make(chan error, 1)
		go func() { ended <- r.Run(ctx, served) }()
		for range 5 {
			r.Add(big)
		}
		time.Sleep(5 * time.Second)
		if stored, dropped := r.Counts(); stored != 0 || dropped != 2 {
			t.Errorf("%d stored, %d dropped while the database is away; want 0 and the two that have no room", stored, dropped)
		}
		db.set(false)
		time.Sleep(2 * time.Second)
		if stored, _ := r.Counts(); stored != 3 {
			t.Errorf("%d stored once it is back, want 3", stored)
		}
		stop()
		r.Add(body("late"))
		close(served)
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		if stored, dropped := r.Counts(); stored != 4 || dropped != 2 || len(db.got) != 4 {
			t.Errorf("%d stored, %d dropped after the end, %d written; want the last one too", stored, dropped, len(db.got))
		}
	})
}

func TestTheRecorderLetsGoWhatCannotBeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRecorder(&Box{Keys: keyFile(t, NewKey())}, &shelf{away: true}, func(error) {})
		ctx, stop := context.WithCancel(t.Context())
		served, ended := make(chan struct{}), make(chan error, 1)
		go func() { ended <- r.Run(ctx, served) }()
		r.Add(body("app"))
		time.Sleep(time.Minute)
		if stored, dropped := r.Counts(); stored != 0 || dropped != 1 || r.bytes != 0 {
			t.Errorf("%d stored, %d dropped, %d bytes wait; want one let go", stored, dropped, r.bytes)
		}
		r.Add(body("app"))
		stop()
		close(served)
		<-ended
		if _, dropped := r.Counts(); dropped != 2 {
			t.Errorf("%d dropped at the end, want 2", dropped)
		}
	})
}
