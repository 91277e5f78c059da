package export

import (
	"bytes"
	"encoding/csv"
	"math"
	"strings"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

func TestNoCellBecomesAFormula(t *testing.T) {
	var b bytes.Buffer
	w, err := NewCSV(&b)
	if err != nil {
		t.Fatal(err)
	}
	hostile := []string{"=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "ok", ""}
	for _, s := range hostile {
		if err := w.Write(sentinel.Charge{Caller: sentinel.Caller{Org: s, Team: s, Service: s}, Provider: s, Endpoint: s, Model: s, Tier: s, Cost: -5}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&b).ReadAll()
	if err != nil || len(rows) != len(hostile)+1 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for _, row := range rows[1:] {
		for i, cell := range row {
			if cell != "" && strings.ContainsAny(cell[:1], "=+@\t\r\n＝") || strings.HasPrefix(cell, "-") && rows[0][i] != "cost_usd" {
				t.Errorf("column %s has the cell %q", rows[0][i], cell)
			}
		}
	}
}

func TestDecimalIsExact(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0", 1: "0.000000001", -1: "-0.000000001", 1_500_000_000: "1.5", 20_000_000_000: "20",
		math.MaxInt64: "9223372036.854775807", math.MinInt64: "-9223372036.854775808",
	} {
		if got := decimal(n); got != want {
			t.Errorf("decimal(%d) = %s, want %s", n, got, want)
		}
	}
}

func TestChargebackAddsUpAndEscapes(t *testing.T) {
	b := NewChargeback(time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC))
	charge := func(team, service, provider string, cost sentinel.NanoUSD) {
		b.Add(sentinel.Charge{Caller: sentinel.Caller{Org: "acme", Team: team, Service: service}, Provider: provider, Calls: 2, Cost: cost})
	}
	charge("growth", "summariser", "openai", 3*sentinel.USD)
	charge("growth", "summariser", "openai", 1)
	charge("growth", "mailer", "twilio", sentinel.USD)
	charge("<script>", "=cmd", "stripe", 9*sentinel.USD)
	var table, page bytes.Buffer
	if err := b.CSV(&table); err != nil {
		t.Fatal(err)
	}
	const want = "month,org,team,service,provider,calls,estimated,cost_usd\n" +
		"2026-11,acme,<script>,'=cmd,stripe,2,0,9\n" +
		"2026-11,acme,growth,summariser,openai,4,0,3.000000001\n" +
		"2026-11,acme,growth,mailer,twilio,2,0,1\n"
	if table.String() != want {
		t.Errorf("CSV:\n%s\nwant:\n%s", &table, want)
	}
	if err := b.HTML(&page); err != nil {
		t.Fatal(err)
	}
	if s := page.String(); strings.Contains(s, "<script>") || !strings.Contains(s, "$13.000000001") || !strings.Contains(s, "November 2026") {
		t.Errorf("HTML:\n%s", s)
	}
}
