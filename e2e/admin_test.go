package e2e

import (
	"bufio"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	domain "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
	"github.com/saas-sentinel/saas-sentinel/internal/stack"
	"github.com/saas-sentinel/saas-sentinel/store"
)

const password = "correct horse battery staple"

// browser is somebody who uses the admin API.
type browser struct {
	*gateway
	client http.Client
}

// signedUp opens the setup link of the log and makes the first account.
func (g *gateway) signedUp() *browser {
	g.t.Helper()
	_, link, _ := strings.Cut(g.setupLink(), "#")
	b := g.browser()
	b.want(http.StatusOK, "POST", "/setup", fmt.Sprintf(`{"link":%q,"name":"ada","password":%q}`, link, password), nil)
	g.browser().want(http.StatusForbidden, "POST", "/setup", fmt.Sprintf(`{"link":%q,"name":"eve","password":%q}`, link, password), nil)
	return b
}

func (g *gateway) browser() *browser {
	jar, err := cookiejar.New(nil)
	g.must(err)
	return &browser{g, http.Client{Jar: jar}}
}

// want sends one request, checks the status, and reads the answer into out.
func (b *browser) want(status int, method, path, body string, out any, headers ...string) http.Header {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.people+"/api/v1"+path, strings.NewReader(body))
	b.must(err)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := b.client.Do(r)
	b.must(err)
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	b.must(err)
	if answer.StatusCode != status {
		b.t.Fatalf("%s %s is answered %d %s, want %d", method, path, answer.StatusCode, text, status)
	}
	if out != nil {
		if err := json.Unmarshal(text, out); err != nil {
			b.t.Fatalf("%s %s: %v: %s", method, path, err, text)
		}
	}
	return answer.Header
}

type usage struct {
	Rows []struct {
		Keys []string
		Cost int64 `json:",string"`
	}
	Total struct {
		Calls, Refused int64
		Cost           int64 `json:",string"`
	}
}

func TestAdminTotalsAreTheLedgerInEveryZone(t *testing.T) {
	g := open(t, mockapi.DefaultConfig(), "{}", "")
	// Two calls an hour around the ends of summer time in Berlin and in New York, each of another cost.
	st, err := store.Open(t.Context(), store.Options{DSN: domain.NewSecret(g.dsn), MaxConns: 2})
	g.must(err)
	defer st.Close()
	var records []domain.Record
	from, to := time.Date(2026, 10, 23, 0, 0, 0, 0, time.UTC), time.Date(2026, 11, 3, 0, 0, 0, 0, time.UTC)
	for at := from; at.Before(to); at = at.Add(30 * time.Minute) {
		e := domain.Entry{Call: domain.Call{ID: domain.NewCallID(at), At: at, Caller: domain.Caller{Org: "acme", Team: "core", Service: "app"}, Provider: "openai", Endpoint: "chat.completions", Model: "gpt-5-mini"},
			Action: domain.Allow, Status: 200, Cost: domain.NanoUSD(1_000_000_007 + len(records)), Source: domain.SourceMeter}
		records = append(records, domain.Record{Entry: &e})
	}
	g.must(st.Write(t.Context(), records))
	_, err = st.RefreshUsage(t.Context()) // sums of days that are over are kept for a minute
	g.must(err)
	b := g.signedUp()
	for _, name := range []string{"Europe/Berlin", "America/New_York", "Asia/Kolkata"} {
		zone, err := time.LoadLocation(name)
		g.must(err)
		want := map[string]int64{}
		var total int64
		for _, r := range records {
			want[r.Entry.At.In(zone).Format(time.DateOnly)] += int64(r.Entry.Cost)
			total += int64(r.Entry.Cost)
		}
		path := "/usage?by=day&zone=" + url.QueryEscape(name) + "&from=" + from.Format(time.RFC3339) + "&to=" + to.Format(time.RFC3339)
		var got usage
		g.eventually("the sums have all rows", func() bool {
			got = usage{}
			b.want(http.StatusOK, "GET", path, "", &got)
			return got.Total.Calls == int64(len(records))
		})
		if got.Total.Cost != total || len(got.Rows) != len(want) {
			t.Errorf("%s: %d nano-dollars in %d days, the ledger has %d in %d", name, got.Total.Cost, len(got.Rows), total, len(want))
		}
		for _, r := range got.Rows {
			if r.Cost != want[r.Keys[0]] {
				t.Errorf("%s on %s: %d, the ledger has %d", name, r.Keys[0], r.Cost, want[r.Keys[0]])
			}
		}
	}
}

func TestPeopleSeeAndChangeWhatTheirRoleAllows(t *testing.T) {
	g := openOn(t, mockapi.DefaultConfig(), "{budget: {usd: 0.30/day, mode: hard}}", "", (*stack.Stack).Postgres, "audit: {verdicts: [deny]}\n")
	b := g.signedUp()
	seen := b.follow()
	for range 4 {
		g.do("GET", "/weather/v1/forecast/lima", "")
	}
	<-seen // the ledger has something new
	var got usage
	g.eventually("the dashboard shows four calls", func() bool {
		got = usage{}
		b.want(http.StatusOK, "GET", "/usage?by=team&filter=provider:weather", "", &got)
		return got.Total.Calls == 4
	})
	if got.Total.Refused != 1 || got.Total.Cost != int64(300*domain.USD/1000) {
		t.Errorf("four calls of $0.10 on a budget of $0.30 show as %+v", got.Total)
	}
	var page struct {
		Calls []struct{ ID, Action, Reason, Cost string }
		Next  string
	}
	b.want(http.StatusOK, "GET", "/calls?limit=3", "", &page)
	first, next := page.Calls, page.Next
	page.Calls, page.Next = nil, ""
	b.want(http.StatusOK, "GET", "/calls?limit=3&cursor="+next, "", &page)
	if len(first) != 3 || first[0].Reason != "budget_spent" || len(page.Calls) != 1 || page.Next != "" {
		t.Errorf("pages of three of four calls: %+v, %+v", first, page)
	}

	b.want(http.StatusNoContent, "PUT", "/accounts/vera", `{"role":"viewer","password":"`+password+`"}`, nil)
	v := g.browser()
	v.want(http.StatusOK, "POST", "/session", `{"name":"vera","password":"`+password+`"}`, nil)
	var policy struct{ Text string }
	v.want(http.StatusOK, "GET", "/policy", "", &policy)
	if !strings.Contains(policy.Text, "token: ••••") || strings.Contains(policy.Text, token) {
		t.Errorf("a viewer sees the tokens of services:\n%s", policy.Text)
	}
	b.want(http.StatusNoContent, "PUT", "/accounts/otto", `{"role":"team-admin","team":"other","password":"`+password+`"}`, nil)
	o := g.browser()
	o.want(http.StatusUnauthorized, "POST", "/session", `{"name":"otto","password":"`+password+`!"}`, nil)
	o.want(http.StatusOK, "POST", "/session", `{"name":"otto","password":"`+password+`"}`, nil)
	raise := `{"cell":"team/core/cost/day","max":"400000000","until":"` + time.Now().Add(time.Hour).UTC().Format(time.RFC3339) + `","why":"launch"}`
	o.want(http.StatusForbidden, "PUT", "/limits/override", raise, nil) // of another team
	var limits []struct{ Cell, ETag string }
	b.want(http.StatusOK, "GET", "/limits", "", &limits)
	seenBefore := limits[slices.IndexFunc(limits, func(l struct{ Cell, ETag string }) bool { return l.Cell == "team/core/cost/day" })].ETag
	again := []string{"Idempotency-Key", "b3b0e6c4-3f43-4f0e-9d0a-5b0f7a2f9a11", "If-Match", `"` + seenBefore + `"`}
	b.want(http.StatusOK, "PUT", "/limits/override", raise, nil, again...)
	if h := b.want(http.StatusOK, "PUT", "/limits/override", raise, nil, again...); h.Get("Idempotent-Replayed") != "true" {
		t.Error("the same write under the same key was made again")
	}
	b.want(http.StatusPreconditionFailed, "PUT", "/limits/override", raise, nil, "If-Match", `"`+seenBefore+`"`)
	b.want(http.StatusPreconditionFailed, "DELETE", "/limits/override?cell=team/core/cost/day", "", nil, "If-Match", seenBefore)
	g.eventually("the override holds", func() bool {
		code, _, _ := g.do("GET", "/weather/v1/forecast/lima", "")
		return code == http.StatusOK
	})
	type held struct {
		Provider, Place string
		Fresh           bool
		Confirmed       time.Time
	}
	var credentials []held
	v.want(http.StatusOK, "GET", "/credentials", "", &credentials)
	if i := slices.IndexFunc(credentials, func(c held) bool { return c.Provider == "openai" }); i < 0 || credentials[i].Place != "secret/openai#api_key" || !credentials[i].Fresh || time.Since(credentials[i].Confirmed) > time.Minute {
		t.Errorf("credentials are shown as %+v", credentials)
	}
	var people []struct{ Name, ETag string }
	b.want(http.StatusOK, "GET", "/accounts", "", &people)
	otto := people[slices.IndexFunc(people, func(a struct{ Name, ETag string }) bool { return a.Name == "otto" })].ETag
	b.want(http.StatusNoContent, "PUT", "/accounts/otto", `{"role":"operator"}`, nil, "If-Match", otto)
	b.want(http.StatusPreconditionFailed, "PUT", "/accounts/otto", `{"role":"viewer"}`, nil, "If-Match", otto)
	b.want(http.StatusPreconditionFailed, "PUT", "/accounts/nobody", `{"role":"viewer","password":"`+password+`"}`, nil, "If-Match", otto)
	b.want(http.StatusPreconditionFailed, "PUT", "/accounts/nobody", `{"role":"viewer","password":"`+password+`"}`, nil, "If-Match", "*")
	b.want(http.StatusPreconditionFailed, "PUT", "/accounts/otto", `{"role":"viewer","password":"`+password+`"}`, nil, "If-None-Match", "*")
	b.want(http.StatusBadRequest, "PUT", "/accounts/nobody", `{"role":"viewer"}`, nil, "If-None-Match", "*") // a new one has a password
	b.want(http.StatusPreconditionFailed, "DELETE", "/accounts/otto", "", nil, "If-Match", otto)
	b.want(http.StatusNoContent, "DELETE", "/accounts/otto", "", nil)
	o.want(http.StatusUnauthorized, "GET", "/limits", "", nil)

	var audit struct {
		Rows []struct{ Actor, Action, Object string }
	}
	b.want(http.StatusOK, "GET", "/audit?contains=override", "", &audit)
	if len(audit.Rows) != 6 || audit.Rows[5].Actor != "ada" || audit.Rows[5].Object != "team/core/cost/day" || audit.Rows[4].Action != "limit.override.done" || audit.Rows[2].Action != "limit.override.failed" { // two came too late
		t.Errorf("the override is in the audit chain as %+v", audit.Rows)
	}
	g.eventually("the refusal is in the audit chain", func() bool {
		b.want(http.StatusOK, "GET", "/audit?contains=verdict.", "", &audit)
		return len(audit.Rows) > 0
	})
	if r := audit.Rows[len(audit.Rows)-1]; r.Actor != "core/app" || r.Action != "verdict.deny" || r.Object != "weather/forecast" {
		t.Errorf("the refusal of the fourth call is in the audit chain as %+v", r)
	}
	var check struct{ Intact bool }
	b.want(http.StatusOK, "GET", "/audit/verify", "", &check)
	if !check.Intact {
		t.Error("the audit chain is broken")
	}
	b.want(http.StatusOK, "GET", "/overview", "", nil)
	b.want(http.StatusNoContent, "DELETE", "/session", "", nil)
	b.want(http.StatusUnauthorized, "GET", "/overview", "", nil)
}

// follow gives a channel that is closed when the event stream tells of something new on the ledger.
func (b *browser) follow() <-chan struct{} {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), "GET", b.people+"/api/v1/events", nil)
	b.must(err)
	answer, err := b.client.Do(r)
	b.must(err)
	if answer.StatusCode != http.StatusOK {
		b.t.Fatalf("events: %s", answer.Status)
	}
	seen := make(chan struct{})
	go func() {
		defer func() { _ = answer.Body.Close() }()
		defer close(seen)
		for lines, told := bufio.NewScanner(answer.Body), 0; lines.Scan(); {
			if lines.Text() != "event: ledger" {
				continue
			}
			if told++; told == 2 { // the first is the state at the beginning
				return
			}
		}
	}()
	return seen
}

func TestPolicyIsPublishedCheckedAndGuarded(t *testing.T) {
	g := open(t, mockapi.DefaultConfig(), "{}", "")
	b := g.signedUp()
	var p struct{ Version, Text string }
	tag := b.want(http.StatusOK, "GET", "/policy", "", &p).Get("ETag")
	body := func(text string) string {
		out, err := json.Marshal(map[string]string{"text": text, "reason": "a test"})
		g.must(err)
		return string(out)
	}
	broken, next := p.Text+"\nnonsense: 1\n", strings.Replace(p.Text, "price: {per_request_usd: 0.10}", "price: {per_request_usd: 0.20}", 1)
	var checked struct{ Faults []string }
	check, err := json.Marshal(map[string]string{"text": broken})
	g.must(err)
	b.want(http.StatusOK, "POST", "/policy/check", string(check), &checked)
	if len(checked.Faults) != 1 || !strings.Contains(checked.Faults[0], "nonsense: unknown key") {
		t.Errorf("a broken policy is checked as %q", checked.Faults)
	}
	b.want(http.StatusUnprocessableEntity, "PUT", "/policy", body(broken), nil, "If-Match", tag)
	b.want(http.StatusPreconditionFailed, "PUT", "/policy", body(next), nil, "If-Match", `"0123456789ab"`)
	b.want(http.StatusOK, "PUT", "/policy", body(next), nil, "If-Match", tag)
	g.do("GET", "/weather/v1/forecast/lima", "")
	if rows := g.ledger(1); rows[0].Cost != 200*domain.USD/1000 {
		t.Errorf("after the new price a call cost %s", rows[0].Cost)
	}
	b.want(http.StatusPreconditionFailed, "PUT", "/policy", body(p.Text), nil, "If-Match", tag)
	code, versions, stderr := sentinelIn(t, g.dir, g.env, "policy", "versions")
	if lines := strings.Split(strings.TrimSpace(versions), "\n"); code != 0 || len(lines) != 3 || !strings.HasSuffix(lines[1], "a test") || !strings.HasPrefix(lines[2], p.Version) || !strings.Contains(lines[2], "sentinel ") {
		t.Errorf("the versions are %d:\n%s%s", code, versions, stderr)
	}
	kept := strings.ReplaceAll(p.Text, token, fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(token))))
	if code, text, stderr := sentinelIn(t, g.dir, g.env, "policy", "show", p.Version); code != 0 || text != kept || kept == p.Text {
		t.Errorf("the first version is kept as %d %q, %s; want %q", code, text, stderr, kept)
	}
	if code, _, stderr := sentinelIn(t, g.dir, g.env, "policy", "show", "0123456789ab"); code != 2 || !strings.Contains(stderr, "no such version of the policy is kept: 0123456789ab") {
		t.Errorf("a version that is not kept: %d %s", code, stderr)
	}
	var s struct {
		Then      struct{ Refused int64 }
		Different int64
	}
	denying, err := json.Marshal(map[string]string{"text": strings.Replace(next, "core: {}", "core: {budget: {usd: 0.10/day, mode: hard}}", 1),
		"from": time.Now().Add(-time.Hour).Format(time.RFC3339), "to": time.Now().Add(time.Minute).Format(time.RFC3339)})
	g.must(err)
	if b.want(http.StatusOK, "POST", "/policy/simulate", string(denying), &s); s.Then.Refused != 1 || s.Different != 1 {
		t.Errorf("a budget below the one call is simulated as %+v", s)
	}
}
