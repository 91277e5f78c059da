package main

import (
	"encoding/csv"
	"encoding/json"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/export"
	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
	"github.com/saas-sentinel/saas-sentinel/spool"
)

// manualCommands are the lines of the manual's shell blocks.
func manualCommands(t *testing.T, file string) (lines []string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i, block := range strings.Split(string(text), "```") {
		if body, ok := strings.CutPrefix(block, "sh\n"); i%2 == 1 && ok {
			lines = append(lines, strings.Split(strings.TrimSpace(body), "\n")...)
		}
	}
	return lines
}

// objects is a stand-in for S3 that takes one key only.
func objects(t *testing.T, key, secret string) (url string) {
	t.Helper()
	c := mockapi.DefaultConfig()
	c.Accept = map[string][]string{"s3": {key + ":" + secret}}
	s, err := mockapi.New(c)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- s.Serve(t.Context(), l, false) }()
	t.Cleanup(func() { <-done })
	return "http://" + l.Addr().String() + "/s3"
}

func TestTheLedgersManualRuns(t *testing.T) {
	manual, err := filepath.Abs("../../docs/ledger.md")
	if err != nil {
		t.Fatal(err)
	}
	dsn := ledger(t)
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{
		"sentinel.yaml": "policies: policies.yaml\naudit: {key: audit.key, checkpoints: audit.checkpoints}\n",
		"policies.yaml": "org: acme\nteams: {core: }\nservices: {app: {team: core, identity: {token: abcdefgh}}}\n" +
			"providers: {openai: {preset: openai, credential: \"vault:secret/a#b\"}}\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for k, v := range map[string]string{"SENTINEL_DATABASE_URL": dsn, "VAULT_ADDR": "http://127.0.0.1:1", "VAULT_TOKEN": "t", "AWS_ACCESS_KEY_ID": "AKIATEST",
		"AWS_SECRET_ACCESS_KEY": "s3cr/et", "AWS_ENDPOINT_URL": objects(t, "AKIATEST", "s3cr/et"), "AWS_REGION": "eu-central-1"} {
		t.Setenv(k, v)
	}
	fillSpool(t, 40) // spool replay puts it on the ledger
	if out, err := command(t, "audit", "keygen", "audit.key"); err != nil {
		t.Fatal(out)
	}
	outputs := map[string]string{}
	for _, line := range manualCommands(t, manual) {
		if strings.Contains(line, "keygen") { // it made the key already, and overwrites none
			continue
		}
		args := fields(line)
		if args[0] != "sentinel" {
			t.Fatalf("%q is no command of ours", line)
		}
		out, err := command(t, args[1:]...)
		if err != nil {
			t.Errorf("%s: %s", line, out)
		}
		outputs[strings.Join(args[1:3], " ")] += out
	}
	for command, want := range map[string]string{
		"spool inspect": "40", "spool replay": "40 records written", "usage --config": "\"cost_nano_usd\": 1480", "usage erase": "0 entries", "usage estimates": "tokens",
		"audit show": "ledger.erase acme/app", "audit verify": "1 rows are as they were written; 1 signed checkpoints agree",
	} {
		if !strings.Contains(outputs[command], want) {
			t.Errorf("sentinel %s lacks %q:\n%s", command, want, outputs[command])
		}
	}
	sameTotals(t, 40*37)
	if out, err := command(t, "usage", "erase", "--service", "app", "--before", "2030-01-01", "--yes"); err != nil || !strings.Contains(out, "40 entries") {
		t.Errorf("erase: %s", out)
	}
	t.Setenv("AWS_SECRET_ACCESS_KEY", "wrong")
	if out, err := command(t, "export", "focus", "--from", "2026-11-01", "--to", "2026-12-01", "-o", "s3://costs/x"); err == nil || !strings.Contains(out, "SignatureDoesNotMatch") {
		t.Errorf("an upload with a wrong key: %s", out)
	}
	for _, out := range []string{"s3://", "s3://bucket", "s3://bucket/", "s3://bucket/a/"} {
		if text, err := command(t, "export", "csv", "--from", "2026-11-01", "--to", "2026-12-01", "-o", out); err == nil || !strings.Contains(text, "names no object") {
			t.Errorf("-o %s: %s", out, text)
		}
	}
}

// fields splits a line as a shell does, as far as the manual needs it.
func fields(line string) (out []string) {
	for i, part := range strings.Split(line, `"`) {
		if i%2 == 1 {
			out = append(out, part)
			continue
		}
		out = append(out, strings.Fields(part)...)
	}
	return out
}

// fillSpool leaves calls of 37 nano-dollars in the spool of a process that is gone.
func fillSpool(t *testing.T, calls int) {
	t.Helper()
	s, err := spool.Open(spool.Options{Dir: "spool", Mode: spool.Sync})
	if err != nil {
		t.Fatal(err)
	}
	for n := range calls {
		at := time.Date(2026, 11, 10, 0, n, 0, 0, time.UTC)
		e := sentinel.Entry{Call: sentinel.Call{ID: sentinel.NewCallID(at), At: at, Caller: sentinel.Caller{Org: "acme", Team: "core", Service: "app"},
			Provider: "openai", Endpoint: "chat.completions", Model: "gpt-5-mini"}, Usage: sentinel.Usage{sentinel.Requests: 1, sentinel.OutputTokens: 7},
			Action: sentinel.Allow, Status: 200, Cost: 37, Source: sentinel.SourceMeter}
		if err := s.Append(t.Context(), sentinel.Record{Entry: &e}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// sameTotals compares every export with the ledger.
func sameTotals(t *testing.T, want int64) {
	t.Helper()
	for file, column := range map[string]string{"november.csv": "BilledCost", "spreadsheet.csv": "cost_usd"} {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(f).ReadAll()
		if err != nil || f.Close() != nil {
			t.Fatal(err)
		}
		got := new(big.Rat)
		for i, row := range rows {
			for j, cell := range row {
				if i > 0 && rows[0][j] == column {
					n, ok := new(big.Rat).SetString(cell)
					if !ok {
						t.Fatalf("%s: %s is %q", file, column, cell)
					}
					got.Add(got, n)
				}
			}
		}
		if got.Cmp(big.NewRat(want, int64(sentinel.USD))) != 0 {
			t.Errorf("%s sums to %s dollars, want %d nano-dollars", file, got, want)
		}
	}
	list, err := parquet.ReadFile[export.FOCUSRow]("november.parquet")
	if err != nil {
		t.Fatal(err)
	}
	var got int64
	for _, r := range list {
		got += r.BilledCost
	}
	if got != want {
		t.Errorf("the Parquet file sums to %d, want %d", got, want)
	}
	var custom []export.CustomCosts
	text, err := os.ReadFile("november.json")
	if err == nil {
		err = json.Unmarshal(text, &custom)
	}
	var sum float64
	for _, c := range custom {
		for _, line := range c.Costs {
			sum += line.BilledCost
		}
	}
	if err != nil || len(custom) == 0 || int64(sum*1e9+0.5) != want {
		t.Errorf("OpenCost's file has %d parts that sum to %g dollars, want %d nano-dollars: %v", len(custom), sum, want, err)
	}
}
