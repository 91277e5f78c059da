package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/store"
)

// A model whose prompts come to half as many tokens again as their spelling says is estimated by that once 20 of them were seen, and another one is not.
func TestEstimatesAreJudgedByTheLedger(t *testing.T) {
	dir, dsn := t.TempDir(), ledger(t)
	config := filepath.Join(dir, "sentinel.yaml")
	site(t, dir, dsn, map[string]string{"sentinel.yaml": "policies: policies.yaml\n"})
	st, err := store.Open(t.Context(), store.Options{DSN: sentinel.NewSecret(dsn)})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	if out, err := command(t, "usage", "estimates", "--config", config); err != nil || !strings.Contains(out, "no call of this time") {
		t.Errorf("an empty ledger: %v, %s", err, out)
	}
	var rs []sentinel.Record
	begin := time.Now().UTC().Add(-time.Hour).Truncate(time.Second)
	add := func(n int, model string, tokens int64) {
		at := begin.Add(time.Duration(n) * time.Second)
		rs = append(rs, sentinel.Record{Entry: &sentinel.Entry{
			Call: sentinel.Call{ID: sentinel.NewCallID(at), At: at, Caller: sentinel.Caller{Org: "acme", Team: "a", Service: "s"}, Provider: "p", Endpoint: "chat.completions", Model: model,
				Demand: sentinel.Wanted{Choices: 1, Weight: 1000}.Demand()},
			Source: sentinel.SourceMeter, Usage: sentinel.Usage{sentinel.Requests: 1, sentinel.InputTokens: tokens},
		}})
	}
	for n := range 200 {
		add(n, "llama-3", 1500+int64(n%3-1)*60)
	}
	add(200, "rare-1", 900)
	if err := st.Write(t.Context(), rs); err != nil {
		t.Fatal(err)
	}
	out, err := command(t, "usage", "estimates", "--config", config)
	if err != nil {
		t.Fatal(err)
	}
	// 60 of 1,560 tokens are 3.8 %, and 500 of 1,500 are 33.3 %. 100 of 900 are 11.1 %.
	for _, want := range [][]any{{"llama-3", 200, 100, "1.500", "3.8 %", "33.3 %"}, {"rare-1", 1, 0, "–", "–", "11.1 %"}} {
		if line := strings.Join(strings.Fields(fmt.Sprintln(want...)), " "); !strings.Contains(strings.Join(strings.Fields(out), " "), line) {
			t.Errorf("no line %q in\n%s", line, out)
		}
	}
}
