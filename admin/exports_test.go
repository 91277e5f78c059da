package admin_test

import (
	"context"
	"encoding/csv"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/admin"
)

// charged is a ledger with charges that may break off.
type charged struct {
	accounts
	n     int
	fault error
	began chan<- struct{}
	end   <-chan struct{}
}

func (c charged) EachCharge(_ context.Context, from, _ time.Time, _ string, use func(sentinel.Charge) error) error {
	if c.began != nil {
		c.began <- struct{}{}
		<-c.end
	}
	for range c.n {
		one := sentinel.Charge{Start: from, End: from.AddDate(0, 0, 1), Calls: 1, Cost: sentinel.USD}
		one.Caller = sentinel.Caller{Org: "acme", Team: "=core", Service: "app"}
		if err := use(one); err != nil {
			return err
		}
	}
	return c.fault
}

func exporting(b charged) http.Handler {
	return admin.New(admin.Options{Backend: b, Log: zerolog.Nop(), Now: func() time.Time { return noon }}).Handler()
}

const november = "?from=2026-11-01T00:00:00Z&to=2026-12-01T00:00:00Z"

func TestExportsAreSentAsFiles(t *testing.T) {
	h := exporting(charged{n: 3})
	for name, begin := range map[string]string{"focus": "BilledCost", "csv": "start,", "chargeback": "month,org", "focus-parquet": "PAR1", "opencost": "["} {
		w := ask(h, "GET", "/api/v1/exports/"+name+november, viewer, "")
		if w.Code != http.StatusOK || !strings.Contains(w.Header().Get("Content-Disposition"), name+"-2026-11-01.") || !strings.Contains(w.Body.String()[:min(w.Body.Len(), 600)], begin) {
			t.Errorf("%s is answered %d %v: %.200s", name, w.Code, w.Header(), w.Body)
		}
	}
	w := ask(h, "GET", "/api/v1/exports/chargeback"+november, viewer, "")
	rows, err := csv.NewReader(w.Body).ReadAll()
	if err != nil || len(rows) != 2 || rows[1][2] != "'=core" || rows[1][5] != "3" || !strings.HasPrefix(rows[1][7], "3") {
		t.Errorf("the chargeback is %q, %v", rows, err)
	}
	for path, want := range map[string]int{"nothing" + november: http.StatusNotFound, "csv": http.StatusUnprocessableEntity, "csv?from=2026-12-01T00:00:00Z&to=2026-11-01T00:00:00Z": http.StatusBadRequest,
		"chargeback?from=2026-11-01T00:00:00Z&to=2026-11-15T00:00:00Z": http.StatusBadRequest} {
		if w := ask(h, "GET", "/api/v1/exports/"+path, viewer, ""); w.Code != want {
			t.Errorf("%s is answered %d, want %d", path, w.Code, want)
		}
	}
}

func TestAnExportThatBreaksOffIsNotTakenForWhole(t *testing.T) {
	lost := errors.New("the database is gone")
	if w := ask(exporting(charged{fault: lost}), "GET", "/api/v1/exports/csv"+november, viewer, ""); w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), "database") {
		t.Errorf("an export without a row is answered %d: %s", w.Code, w.Body)
	}
	s := httptest.NewServer(exporting(charged{n: 5000, fault: lost}))
	defer s.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/api/v1/exports/csv"+november, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+viewer)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if _, err := csv.NewReader(answer.Body).ReadAll(); err == nil {
		t.Error("a file that broke off was read to its end")
	}
}

func TestFewExportsAreMadeAtOnce(t *testing.T) {
	began, end := make(chan struct{}), make(chan struct{})
	h := exporting(charged{began: began, end: end})
	done := make(chan int)
	for range 2 {
		go func() { done <- ask(h, "GET", "/api/v1/exports/csv"+november, viewer, "").Code }()
		<-began
	}
	if w := ask(h, "GET", "/api/v1/exports/csv"+november, viewer, ""); w.Code != http.StatusTooManyRequests {
		t.Errorf("a third export is answered %d", w.Code)
	}
	close(end)
	for range 2 {
		if code := <-done; code != http.StatusOK {
			t.Errorf("an export is answered %d", code)
		}
	}
}
