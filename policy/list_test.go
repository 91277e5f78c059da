package policy

import (
	"strings"
	"testing"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

func TestEveryLimitIsFoundByItsCell(t *testing.T) {
	set := compile(t, "org: acme\nbudget: {usd: 5/month}\nteams: {a: {limits: {concurrent: 5}}}\nservices: {s: {team: a, identity: {token: abcdefgh}, limits: {requests: 5/day}}}\n"+
		"providers: {openai: {preset: openai, credential: secret/a#b, budget: {usd: 9/quarter}}}\n"+
		"policies:\n  - {name: r, limits: {tokens: 5/minute}}\n  - {name: r 2, limits: {tokens: 7/day}, per: [service, model]}\n")
	all := set.Limits(noon)
	if len(all) != 5 {
		t.Errorf("%d limits are listed, want 5: %+v", len(all), all)
	}
	for _, l := range append(all, set.Plan(call("a", "s", "openai", "e", "m/x"), "m/x", noon).Limits...) {
		got, ok := set.Limit(l.Cell, noon)
		if !ok || got.Max != l.Max || got.Cell != l.Cell || !got.Start.Equal(l.Start) || !got.End.Equal(l.End) {
			t.Errorf("Limit(%q) = %+v, %t, want %+v", l.Cell, got, ok, l)
		}
	}
	for _, cell := range []string{"", "org", "rule/r 2/tokens/day", "rule/r 2/tokens/day/planet/x", "rule/r/tokens/minute/service/s"} {
		if got, ok := set.Limit(cell, noon); ok {
			t.Errorf("Limit(%q) = %+v, want none", cell, got)
		}
	}
}

func TestParseMaxReadsAsThePolicyFileDoes(t *testing.T) {
	for _, tt := range []struct {
		measure sentinel.Measure
		text    string
		want    int64
	}{
		{sentinel.MeasureCost, "12.50", 12_500_000_000}, {sentinel.MeasureCost, "0", 0}, {sentinel.MeasureCost, "2k", 0},
		{sentinel.MeasureTokens, "1.5k", 1500}, {sentinel.MeasureConcurrent, "0", 0}, {sentinel.MeasureRequests, "-1", 0},
	} {
		if got, err := ParseMax(tt.measure, tt.text); got != tt.want || (err != nil) != (tt.want == 0) {
			t.Errorf("ParseMax(%s, %q) = %d, %v, want %d", tt.measure, tt.text, got, err, tt.want)
		}
	}
}

func TestTheLedgerKeepsChosenTags(t *testing.T) {
	const rest = "org: acme\nteams: {a: {}}\nproviders: {openai: {preset: openai, credential: secret/a#b}}\n" +
		"services:\n  s: {team: a, identity: {token: abcdefgh}, tags: {env: prod, zone: eu, cost_center: \"7\"}}\n  u: {team: a, identity: {token: ijklmnop}}\n"
	set := compile(t, rest+"ledger: {tags: [zone, env]}\n")
	if c, ok := set.CallerByToken("abcdefgh"); !ok || c.Tags != "env=prod,zone=eu" {
		t.Errorf("the caller has the tags %q, want those that the ledger keeps, by name", c.Tags)
	}
	if c, _ := set.Caller("u"); c.Tags != "" {
		t.Errorf("a service without tags has %q", c.Tags)
	}
	if got := set.KeptTags(); len(got) != 2 || got[0] != "tag.env" || got[1] != "tag.zone" {
		t.Errorf("KeptTags() = %q", got)
	}
	if c, _ := compile(t, rest).Caller("s"); c.Tags != "" {
		t.Errorf("tags that nobody chose: %q", c.Tags)
	}
	for tags, want := range map[string]string{
		"[envv]": `no service has a tag "envv"`, "[env, env]": `tag "env" is named twice`, "[env, zone, cost_center, env, zone]": "5 tags: the ledger keeps at most 4",
	} {
		if _, err := Compile(File{Name: "policies.yaml", Data: []byte(rest + "ledger: {tags: " + tags + "}\n")}, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ledger.tags %s gives %v, want %q", tags, err, want)
		}
	}
}
