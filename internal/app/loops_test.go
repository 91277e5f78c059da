package app

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestLivenessTellsWhichLoopStandsStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l loops
		l.name(DefaultConfig())
		m := newMetrics(&App{})
		get := func(path string) (int, string) {
			w := httptest.NewRecorder()
			m.handler(&l, nil, nil).ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
			return w.Code, w.Body.String()
		}
		stuck, free := make(chan struct{}), make(chan struct{})
		ctx, stop := context.WithCancel(t.Context())
		go func() { // rounds of which the 600th does not end
			for n := 1; ctx.Err() == nil; n++ {
				l.policy.round()
				if n == 600 {
					close(stuck)
					<-free
				}
				sleep(ctx, followEvery)
			}
		}()
		<-stuck
		since := time.Now().UTC().Format(time.RFC3339)
		if code, text := get("/livez"); code != http.StatusOK || text != "ok\n" {
			t.Errorf("a process whose loops go round answers %d %s", code, text)
		}
		if code, text := get("/livez?verbose"); code != http.StatusOK || !strings.HasPrefix(text, "ok\nledger ok: it waits for work\npolicy ok: its last round began at "+since+"\nalerts ok: ") {
			t.Errorf("with reasons it answers %d %s", code, text)
		}
		time.Sleep(followEvery + loopStuck)
		if code, text := get("/livez"); code != http.StatusOK {
			t.Errorf("at the bound it answers %d %s", code, text)
		}
		time.Sleep(time.Second)
		if code, text := get("/livez"); code != http.StatusServiceUnavailable || !strings.Contains(text, "\npolicy down: it has stood still since "+since+", for 5m2s\n") || strings.Count(text, "\n") != 6 {
			t.Errorf("past it it answers %d %s", code, text)
		}
		close(free)
		synctest.Wait()
		time.Sleep(time.Second)
		if code, text := get("/livez"); code != http.StatusOK {
			t.Errorf("a loop that goes on again is answered %d %s", code, text)
		}
		// The database may hold up a round for as long as it likes: no restart helps.
		l.ledger.round()
		began := time.Now().UTC().Format(time.RFC3339)
		time.Sleep(time.Hour)
		if code, text := get("/livez?verbose"); code != http.StatusOK || !strings.Contains(text, "\nledger degraded: it has waited for the database since "+began+", for 1h0m0s\n") {
			t.Errorf("with a silent database it answers %d %s", code, text)
		}
		l.ledger.rest()
		if code, text := get("/livez?verbose"); code != http.StatusOK || !strings.Contains(text, "\nledger ok: it waits for work\n") {
			t.Errorf("once it answered, %d %s", code, text)
		}
		stop()
	})
}
