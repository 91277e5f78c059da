package e2e

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	domain "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/store"
)

// hostileNames are six ways in which a name can be more than a name; names.mjs defines what they call.
var hostileNames = []string{
	`<script>hostile()</script>`,
	`<img src=x onerror=hostile()>`,
	`javascript:hostile()//`,
	`"' autofocus onfocus=hostile() onmouseover=hostile() x='`,
	"\u202egnp.exe\u2066\u200b \u0631\u0648\u062d\u200f",
	strings.Repeat("endless", 60),
}

// longest is the longest name of a team and a service that a policy may have; the ledger has names of others, too.
var longest = strings.Repeat("z", 100)

// hostilePages are all pages, each with how many of the names it lists.
var hostilePages = map[string]int{
	"/": 0, "/usage?period=week&by=team": 6, "/usage?period=week&by=service": 6, "/usage?period=week&by=model": 6, "/usage?period=week&by=provider": 6, "/usage?period=week&by=endpoint": 6,
	"/usage?period=week&by=user": 6, "/usage?period=week&by=tag.env": 6, "/calls": 6, "/limits": 0, "/policy": 0, "/anomalies": 6, "/alerts": 6, "/alerts?part=silences": 6, "/alerts?part=rules": 0,
	"/alerts?part=messages": 0, "/alerts?part=evaluations": 0, "/providers": 6, "/audit?contains=silence": 6, "/connect?service=" + longest: 0, "/settings": 6, "FILTER": 1, "ANOMALY": 1, "CALL": 1, "/alerts?show=all": 6,
}

// putNames has the names in every place of the database that takes any: calls with their tags and end users, anomalies, incidents and tokens. names.mjs puts
// them where the API takes them.
func (g *gateway) putNames(st *store.Store) (call string) {
	g.t.Helper()
	now := time.Now().UTC().Truncate(time.Minute)
	var records []domain.Record
	var scores []domain.Score
	var incidents []domain.Incident
	for i, name := range hostileNames {
		at := now.Add(-time.Duration(2+i) * time.Minute)
		e := domain.Entry{Call: domain.Call{ID: domain.NewCallID(at), At: at, Caller: domain.Caller{Org: "acme", Team: name, Service: name, Tags: "env=" + name}, Provider: name, Endpoint: name, Model: name,
			Demand: domain.Wanted{User: name}.Demand()}, Asked: name, Action: domain.Allow, Status: 200, Cost: 1000 * domain.USD, Source: domain.SourceMeter, Duration: time.Second}
		e.Usage[domain.Requests] = 1
		records, call = append(records, domain.Record{Entry: &e}), e.ID.String()
		scores = append(scores, domain.Score{At: at, Service: name, Instance: "a", Team: name, Score: 0.99, Feature: name, Actual: 2, Expected: 1})
		incidents = append(incidents, domain.Incident{ID: domain.IncidentID("names", name, ""), Group: "names", Rule: name, Scope: name, Severity: domain.SeverityWarning, State: domain.IncidentOpen,
			Firing: true, Title: name, Detail: name, Opened: at, Seen: at, By: name, Fired: 1})
		g.must(st.AddServiceToken(g.t.Context(), domain.ServiceToken{ID: strings.Repeat("a", 7) + string(rune('a'+i)), Service: name, Label: name, By: name, Created: at, Hash: [32]byte{byte(i + 1)}}))
	}
	g.must(st.Write(g.t.Context(), records))
	g.must(st.PutScores(g.t.Context(), scores))
	g.must(st.UpdateGroup(g.t.Context(), "names", nil, func(group domain.AlertGroup, _ []domain.IncidentRef) (domain.AlertGroup, domain.AlertEffects) {
		group.Rule, group.Incidents = "names", incidents
		return group, domain.AlertEffects{}
	}))
	_, err := st.RefreshUsage(g.t.Context())
	g.must(err)
	return call
}

// namesHarmNoPage shows every page with names that are more than names, at a desk and on a telephone.
func (g *gateway) namesHarmNoPage(chromium, shots string, st *store.Store) {
	t := g.t
	t.Helper()
	began, call := time.Now(), g.putNames(st)
	names, err := json.Marshal(hostileNames)
	g.must(err)
	pages, err := json.Marshal(slices.Sorted(maps.Keys(hostilePages)))
	g.must(err)
	var saw struct {
		Errors, Wide, Away, Ran []string
		Shows                   map[string][]string // the names on a page, by the page and its width
	}
	g.browse(chromium, "names.mjs", &saw, "SHOTS="+shots, "NAMES="+string(names), "PAGES="+string(pages), "CALL="+call)
	t.Logf("%d pages of names at two widths took %s", len(hostilePages), time.Since(began).Round(time.Second))
	for what, list := range map[string][]string{"the browser's console has": saw.Errors, "wider than its window is": saw.Wide, "a scroll to the side alone reaches": saw.Away, "a name is more than a name at": saw.Ran} {
		for _, one := range list {
			t.Errorf("%s: %s", what, one)
		}
	}
	for page, want := range hostilePages {
		for _, width := range []string{"1360 ", "375 "} {
			if got := saw.Shows[width+page]; len(got) < want {
				t.Errorf("%s%s shows %d names, want %d: %.60q", width, page, len(got), want, got)
			}
		}
	}
}
