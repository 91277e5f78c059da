package main

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
	"github.com/saas-sentinel/saas-sentinel/store"
)

// TestDriftIsShownAndTruedUpOnce lets the stand-in serve two calls of which the ledger has one, and compares, books, and says it
// all again.
func TestDriftIsShownAndTruedUpOnce(t *testing.T) {
	m, dir, dsn := miniredis.RunT(t), t.TempDir(), ledger(t)
	config, key := filepath.Join(dir, "sentinel.yaml"), filepath.Join(dir, "admin.key")
	site(t, dir, dsn, map[string]string{
		"sentinel.yaml": "policies: policies.yaml\nredis: {address: \"" + m.Addr() + "\"}\n",
		"policies.yaml": "org: acme\nteams: {a: {}}\nservices: {s: {team: a, identity: {token: abcdefgh}}}\n" +
			"providers:\n  openai: {preset: openai, credential: secret/a#b}\n  groq: {preset: groq, credential: secret/a#c}\n" +
			"  s3: {preset: aws-s3, credential: \"vault:secret/a\", region: us-east-1}\n  queue: {preset: aws-sqs, credential: \"vault:secret/a\", region: us-east-1}\n",
		"admin.key": "sk-admin-1\n", "aws.key": "AKIAEXAMPLE:aws-secret\n", "stolen.key": "AKIAEXAMPLE:other-secret\n",
	})
	day := time.Now().UTC().AddDate(0, 0, -2).Truncate(24 * time.Hour)
	cost, provider := servedTwice(t, day.Add(9*time.Hour))

	st, err := store.Open(t.Context(), store.Options{DSN: sentinel.NewSecret(dsn)})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	at := day.Add(9 * time.Hour)
	known := sentinel.Entry{
		Call: sentinel.Call{ID: sentinel.NewCallID(at), At: at, Caller: sentinel.Caller{Org: "acme", Team: "a", Service: "s"}, Provider: "openai",
			Endpoint: "chat.completions", Model: "gpt-5-mini-2025-08-07"},
		Cost: cost / 2, Source: sentinel.SourceMeter, Usage: sentinel.Usage{sentinel.InputTokens: 10},
	}
	if err := st.Write(t.Context(), []sentinel.Record{{Entry: &known}}); err != nil {
		t.Fatal(err)
	}
	booked := func() (sum sentinel.NanoUSD, rows int64) {
		list, err := st.Usage(t.Context(), store.UsageQuery{Filter: map[string]string{"provider": "openai"}})
		if err != nil {
			t.Fatal(err)
		}
		return list[0].Cost, list[0].Calls
	}
	period := []string{"--from", day.Format(time.DateOnly), "--to", day.AddDate(0, 0, 1).Format(time.DateOnly), "--config", config}
	aws := strings.TrimSuffix(provider, "openai") + "s3"
	openai := append([]string{"reconcile", "openai", "--url", provider, "--key-file", key}, period...)
	s3 := append([]string{"reconcile", "s3", "--url", aws, "--key-file", filepath.Join(dir, "aws.key"), "--service", "Amazon S3"}, period...)
	for _, step := range []struct {
		args []string
		want string // part of the output, or of the error
		fail bool
		rows int64
	}{
		{openai, (cost - cost/2).String(), false, 1},
		{append(openai, "--book"), "booked 1 true-up entries, " + (cost - cost/2).String(), false, 2},
		{append(openai, "--book"), "nothing to book", false, 2},
		{append(openai, "--all"), "0.00", false, 2},
		{append([]string{"audit", "show"}, "--config", config), "ledger.true_up", false, 2},
		{append([]string{"prices", "rerate", "--dry-run"}, period...), "total", false, 2},
		{append([]string{"reconcile", "nobody"}, period...), "no provider \"nobody\"", true, 2},
		{append([]string{"reconcile", "groq"}, period...), "no usage report of preset \"groq\"", true, 2},
		{append([]string{"reconcile", "openai"}, period...), "--key-file is required", true, 2},
		{append([]string{"reconcile", "openai", "--cur", "x"}, period...), "not a service of AWS", true, 2},
		{append([]string{"reconcile", "s3", "--key-file", key}, period...), "--service is required", true, 2},
		{append(s3, "--all"), "* the provider marks this as estimated", false, 2},
		{append(s3, "--book"), "1 lines are of days that the provider marks as estimated", false, 2},
		{append(s3, "--book", "--provisional"), "booked 1 true-up entries", false, 2},
		{append(s3, "--book", "--provisional"), "nothing to book", false, 2},
		{append([]string{"reconcile", "s3", "--url", aws, "--key-file", filepath.Join(dir, "stolen.key"), "--service", "Amazon S3"}, period...), "status 403", true, 2},
		{append([]string{"reconcile", "s3", "--key-file", key, "--service", "x"}, period...), "ACCESS_KEY_ID:SECRET", true, 2},
		{[]string{"reconcile", "openai", "--from", "2026-11-02", "--to", "2026-11-01", "--config", config}, "after --from", true, 2},
	} {
		out, err := command(t, step.args...)
		if _, rows := booked(); (err != nil) != step.fail || !strings.Contains(out, step.want) || rows != step.rows {
			t.Errorf("sentinel %q gave %v, %d rows and\n%s\nwant %q and %d rows", step.args, err, rows, out, step.want, step.rows)
		}
	}
	if sum, _ := booked(); sum != cost {
		t.Errorf("the ledger has %s, the provider charged %s", sum, cost)
	}
	if out, _ := command(t, append(openai, "--all")...); strings.Contains(out, "sk-admin-1") {
		t.Error("the key is printed")
	}
}

// A batch is booked for what its results say, once: Anthropic's at first at its bound, here 1 dollar.
func TestABatchIsTruedUpByItsResultsOnce(t *testing.T) {
	m, dir, dsn := miniredis.RunT(t), t.TempDir(), ledger(t)
	config := filepath.Join(dir, "sentinel.yaml")
	site(t, dir, dsn, map[string]string{
		"sentinel.yaml": "policies: policies.yaml\nredis: {address: \"" + m.Addr() + "\"}\n",
		"policies.yaml": "org: acme\nteams: {a: {}}\nservices: {s: {team: a, identity: {token: abcdefgh}}}\n" +
			"providers:\n  claude: {preset: anthropic, credential: secret/a#b}\n",
		// claude-haiku-4-5 at half: 1000×0.5 + 200×2.5 = 1,000 millionths of a dollar
		"results.jsonl": `{"custom_id":"x","result":{"type":"succeeded","message":{"model":"claude-haiku-4-5-20251001","usage":{"input_tokens":1000,"output_tokens":200,"service_tier":"batch"}}}}` + "\n",
		"unknown.jsonl": `{"custom_id":"x","result":{"type":"succeeded","message":{"model":"claude-of-tomorrow","usage":{"input_tokens":1,"output_tokens":2}}}}` + "\n",
		"other.jsonl":   "{}\n",
		// An item that does not say what it used, behind one that does: the batch stays at its bound.
		"silent.jsonl": `{"custom_id":"x","result":{"type":"succeeded","message":{"model":"claude-haiku-4-5-20251001","usage":{"input_tokens":1000,"output_tokens":200}}}}` + "\n" +
			`{"custom_id":"y","result":{"type":"succeeded","message":{"model":"claude-haiku-4-5-20251001","content":[]}}}` + "\n",
	})
	st, err := store.Open(t.Context(), store.Options{DSN: sentinel.NewSecret(dsn)})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	at := time.Now().UTC().Truncate(time.Hour)
	entry := func(endpoint string, cost sentinel.NanoUSD) *sentinel.Entry {
		return &sentinel.Entry{
			Call: sentinel.Call{ID: sentinel.NewCallID(at), At: at, Caller: sentinel.Caller{Org: "acme", Team: "a", Service: "s"}, Provider: "claude",
				Endpoint: endpoint, Model: "claude-haiku-4-5", Tier: "batch"},
			Cost: cost, Source: sentinel.SourceMeter, Method: "bound", Usage: sentinel.Usage{sentinel.InputTokens: 10},
		}
	}
	begun, message := entry("batches.create", sentinel.USD), entry("messages", 0)
	if err := st.Write(t.Context(), []sentinel.Record{{Entry: begun}, {Entry: message}}); err != nil {
		t.Fatal(err)
	}
	of := func(file, call string, more ...string) []string {
		return append([]string{"reconcile", "batch", filepath.Join(dir, file), "--call", call, "--config", config}, more...)
	}
	id := begun.ID.String()
	// The call is booked with 10 tokens of input, and the message with as many; with its true-up, the call has what its results say.
	tokens := map[sentinel.NanoUSD][2]int64{sentinel.USD: {20, 0}, 1_000_000: {1010, 200}}
	for _, step := range []struct {
		args []string
		want string
		fail bool
		sum  sentinel.NanoUSD
	}{
		{of("silent.jsonl", id, "--book"), "line 2: the answer does not say what it used", true, sentinel.USD},
		{of("results.jsonl", id), "1 answers, 1000 input and 200 output tokens, cost $0.001", false, sentinel.USD},
		{of("results.jsonl", id, "--book"), "-$0.999 to book", false, 1_000_000},
		{of("results.jsonl", id, "--book"), "has its true-up entry already", false, 1_000_000},
		{of("results.jsonl", message.ID.String()), "began no batch: it is messages of claude", true, 1_000_000},
		{of("results.jsonl", sentinel.NewCallID(at).String()), "the ledger has no call", true, 1_000_000},
		{of("results.jsonl", "x"), "x-sentinel-call", true, 1_000_000},
		{of("unknown.jsonl", id), "claude-of-tomorrow", true, 1_000_000},
		{of("other.jsonl", id), "line 1 is no result", true, 1_000_000},
		{of("nothing.jsonl", id), "no such file", true, 1_000_000},
	} {
		out, err := command(t, step.args...)
		list, usageErr := st.Usage(t.Context(), store.UsageQuery{Filter: map[string]string{"provider": "claude", "team": "a"}})
		if usageErr != nil {
			t.Fatal(usageErr)
		}
		if (err != nil) != step.fail || !strings.Contains(out, step.want) || list[0].Cost != step.sum ||
			list[0].InputTokens != tokens[step.sum][0] || list[0].OutputTokens != tokens[step.sum][1] {
			t.Errorf("sentinel %q gave %v, %s for %d and %d tokens on the ledger and\n%s\nwant %q and %s", step.args, err, list[0].Cost, list[0].InputTokens, list[0].OutputTokens, out, step.want, step.sum)
		}
	}
}

// servedTwice is a stand-in that served two equal calls of OpenAI and one of AWS at a time, what the two cost, and its address.
func servedTwice(t *testing.T, at time.Time) (sentinel.NanoUSD, string) {
	t.Helper()
	c := mockapi.DefaultConfig()
	c.Accept = map[string][]string{"s3": {"AKIAEXAMPLE:aws-secret"}}
	s, err := mockapi.New(c)
	if err != nil {
		t.Fatal(err)
	}
	s.SetClock(func() time.Time { return at })
	l := httptest.NewServer(s.Handler())
	t.Cleanup(l.Close)
	chat := [2]string{"/openai/v1/chat/completions", `{"model":"gpt-5-mini","messages":[{"role":"user","content":"Hi"}]}`}
	for _, call := range [][2]string{chat, chat, {"/bedrock/model/amazon.nova-lite-v1:0/converse", `{"messages":[{"role":"user","content":[{"text":"Hi"}]}]}`}} {
		r, err := http.Post(l.URL+call[0], "application/json", strings.NewReader(call[1])) //nolint:noctx // of the test's own server
		if err != nil {
			t.Fatal(err)
		}
		_ = r.Body.Close()
	}
	return sentinel.NanoUSD(s.Stats().Providers["openai"].CostNanoUSD), l.URL + "/openai"
}
