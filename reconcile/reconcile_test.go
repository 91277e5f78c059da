package reconcile_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
	"github.com/saas-sentinel/saas-sentinel/reconcile"
)

var noon = time.Date(2026, 10, 20, 12, 0, 0, 0, time.UTC)

// provider serves the stand-ins, at noon of the day after days.
func provider(t *testing.T, now *time.Time) (*mockapi.Server, *httptest.Server) {
	t.Helper()
	s, err := mockapi.New(mockapi.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	s.SetClock(func() time.Time { return *now })
	l := httptest.NewServer(s.Handler())
	t.Cleanup(l.Close)
	return s, l
}

func call(t *testing.T, method, url, contentType, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", contentType)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: status %d", url, answer.StatusCode)
	}
}

// TestReportsAreReadToTheLastPage reads the report of each provider over more days than a page has, and compares with the
// stand-in's own account.
func TestReportsAreReadToTheLastPage(t *testing.T) {
	const chat = `"messages":[{"role":"user","content":"How are you?"}]`
	for preset, tt := range map[string]struct {
		at        string
		calls     [][4]string // method, path, content type, body
		standIns  []string
		tolerance sentinel.NanoUSD // of Stripe, whose fees are whole cents
	}{
		"openai": {"/openai", [][4]string{
			{"POST", "/openai/v1/chat/completions", "application/json", `{"model":"gpt-5-mini",` + chat + `}`},
			{"POST", "/openai/v1/embeddings", "application/json", `{"model":"text-embedding-3-small","input":"a text"}`},
		}, []string{"openai"}, 0},
		"anthropic": {"/anthropic", [][4]string{{"POST", "/anthropic/v1/messages", "application/json", `{"model":"claude-haiku-4-5","max_tokens":50,` + chat + `}`}}, []string{"anthropic"}, 0},
		"stripe":    {"/stripe", [][4]string{{"POST", "/stripe/v1/charges", "application/x-www-form-urlencoded", "amount=1234&currency=usd&source=tok_visa"}}, []string{"stripe"}, 5_000_000},
		"aws-s3":    {"/s3", [][4]string{{"PUT", "/s3/bucket/key", "text/plain", "x"}}, []string{"s3"}, 0},
	} {
		t.Run(preset, func(t *testing.T) {
			now := noon
			s, l := provider(t, &now)
			var want sentinel.NanoUSD
			days := []time.Time{noon, noon.AddDate(0, 0, 1), noon.AddDate(0, 0, 40)} // OpenAI and Anthropic give 31 days a page
			calls := 0
			for _, now = range days {
				for _, c := range tt.calls {
					call(t, c[0], l.URL+c[1], c[2], c[3])
					calls++
				}
			}
			var account mockapi.ProviderStats
			for _, name := range tt.standIns {
				account = s.Stats().Providers[name]
			}
			want = sentinel.NanoUSD(account.CostNanoUSD)
			kind, ok := reconcile.KindOf(preset)
			if !ok {
				t.Fatal("no report")
			}
			r := reconcile.Report{URL: l.URL + tt.at, Key: sentinel.NewSecret("admin-key"), HTTP: l.Client()}
			got, err := kind.Read(t.Context(), r, noon.Truncate(24*time.Hour), noon.AddDate(0, 0, 41).Truncate(24*time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			var sum reconcile.Sum
			seen := map[time.Time]bool{}
			for c, part := range got {
				sum = sum.Plus(part)
				if part.Cost > 0 {
					seen[c.Day] = true
				}
				if (c.Model != "") != kind.ByModel && part.Cost > 0 {
					t.Errorf("the cell %+v of a report by model: %v", c, kind.ByModel)
				}
			}
			if drift := sum.Cost - want; want == 0 || drift > tt.tolerance*sentinel.NanoUSD(calls) || -drift > tt.tolerance*sentinel.NanoUSD(calls) {
				t.Errorf("the report says %s, the provider charged %s", sum.Cost, want)
			}
			if len(seen) != len(days) {
				t.Errorf("costs on %d days, want %d", len(seen), len(days))
			}
			if preset == "openai" && (sum.Requests != int64(calls) || sum.InputTokens == 0 || sum.OutputTokens == 0) {
				t.Errorf("usage %+v of %d calls", sum, calls)
			}
		})
	}
}

// TestDocumentedShapesAreRead reads answers as the providers' references show them.
func TestDocumentedShapesAreRead(t *testing.T) {
	day := time.Date(2026, 10, 20, 0, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		preset string
		pages  map[string]string
		want   reconcile.Sums
		fault  string
	}{
		"aws, a day that may change": {"aws-s3", map[string]string{
			"/": `{"ResultsByTime":[{"TimePeriod":{"Start":"2026-10-20","End":"2026-10-21"},"Total":{"UnblendedCost":{"Amount":"0.0000054","Unit":"USD"}},"Groups":[],"Estimated":true}]}`,
		}, reconcile.Sums{{Day: day}: {Cost: 5400, Provisional: true}}, ""},
		"openai, a float and a dated model": {"openai", map[string]string{
			"/v1/organization/usage/completions": `{"object":"page","data":[{"object":"bucket","start_time":1792454400,"end_time":1792540800,"results":[{"object":"organization.usage.completions.result","input_tokens":5000,"output_tokens":1000,"input_cached_tokens":4000,"num_model_requests":5,"model":"gpt-5-mini-2025-08-07","batch":null}]}],"has_more":false,"next_page":null}`,
			"/v1/organization/usage/embeddings":  `{"object":"page","data":[],"has_more":false,"next_page":null}`,
			"/v1/organization/costs":             `{"object":"page","data":[{"object":"bucket","start_time":1792454400,"results":[{"object":"organization.costs.result","amount":{"value":0.06,"currency":"usd"},"line_item":"gpt-5-mini-2025-08-07, input","project_id":null},{"amount":{"value":"1.25e-3","currency":"usd"},"line_item":"gpt-5-mini-2025-08-07, output"}]}],"has_more":false}`,
		}, reconcile.Sums{{day, "gpt-5-mini"}: {Requests: 5, InputTokens: 5000, CachedTokens: 4000, OutputTokens: 1000, Cost: 61_250_000}}, ""},
		"anthropic, in cents": {"anthropic", map[string]string{
			"/v1/organizations/usage_report/messages": `{"data":[{"starting_at":"2026-10-20T00:00:00Z","ending_at":"2026-10-21T00:00:00Z","results":[{"uncached_input_tokens":1500,"cache_creation":{"ephemeral_1h_input_tokens":1000,"ephemeral_5m_input_tokens":500},"cache_read_input_tokens":200,"output_tokens":500,"server_tool_use":{"web_search_requests":10},"model":"claude-haiku-4-5-20251001"}]}],"has_more":false,"next_page":null}`,
			"/v1/organizations/cost_report":           `{"data":[{"starting_at":"2026-10-20T00:00:00Z","results":[{"currency":"USD","amount":"123.78912","cost_type":"tokens","model":"claude-haiku-4-5-20251001","token_type":"output_tokens"}]}],"has_more":false,"next_page":null}`,
		}, reconcile.Sums{{day, "claude-haiku-4-5"}: {InputTokens: 3200, CachedTokens: 200, OutputTokens: 500, Cost: 1_237_891_200}}, ""},
		"stripe in euros": {"stripe", map[string]string{
			"/v1/balance_transactions": `{"object":"list","has_more":false,"data":[{"id":"txn_1","object":"balance_transaction","amount":1000,"currency":"eur","created":1792454400,"fee":59,"type":"charge"}]}`,
		}, nil, "only US dollars"},
		"a number that fills memory": {"openai", map[string]string{
			"/v1/organization/usage/completions": `{}`, "/v1/organization/usage/embeddings": `{}`,
			"/v1/organization/costs": `{"data":[{"results":[{"amount":{"value":1e999999999}}]}]}`,
		}, nil, "not an amount"},
		"a power of two": {"openai", map[string]string{
			"/v1/organization/usage/completions": `{}`, "/v1/organization/usage/embeddings": `{}`,
			"/v1/organization/costs": `{"data":[{"results":[{"amount":{"value":"0x1p999999999"}}]}]}`,
		}, nil, "not an amount"},
		"less than nothing": {"openai", map[string]string{
			"/v1/organization/usage/completions": `{"data":[{"results":[{"input_tokens":-1}]}]}`,
		}, nil, "cannot be"},
		"more than anybody uses": {"anthropic", map[string]string{
			"/v1/organizations/usage_report/messages": `{"data":[{"results":[{"uncached_input_tokens":9223372036854775807,"output_tokens":1}]}]}`,
		}, nil, "cannot be"},
		"a key that may not": {"openai", nil, nil, "status 403"},
	} {
		t.Run(name, func(t *testing.T) {
			l := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				text, ok := tt.pages[r.URL.Path]
				if !ok {
					w.WriteHeader(http.StatusForbidden)
				}
				_, _ = w.Write([]byte(text))
			}))
			defer l.Close()
			kind, _ := reconcile.KindOf(tt.preset)
			got, err := kind.Read(t.Context(), reconcile.Report{URL: l.URL, Key: sentinel.NewSecret("k"), HTTP: l.Client()}, day, day.AddDate(0, 0, 1))
			if (err != nil) != (tt.fault != "") || err != nil && !strings.Contains(err.Error(), tt.fault) || !cmp.Equal(got, tt.want) {
				t.Errorf("Read() = %v, %v; want %v, %q", got, err, tt.want, tt.fault)
			}
		})
	}
}

func TestCostAndUsageReportIsRead(t *testing.T) {
	day := time.Date(2026, 10, 20, 0, 0, 0, 0, time.UTC)
	rows := "\"S3, standard\",2026-10-20T01:00:00Z,AmazonS3,Usage,0.0000050000\nx,2026-10-20T02:00:00Z,AmazonS3,DiscountedUsage,0.000001\n" +
		"x,2026-10-20T01:00:00Z,AmazonS3,Tax,9\nx,2026-10-20T01:00:00Z,AmazonSQS,Usage,7\nx,2026-10-21T00:00:00Z,AmazonS3,Usage,5\n"
	for name, tt := range map[string]struct {
		file, service string
		want          sentinel.NanoUSD
		fault         string
	}{
		"the newer columns": {"description,line_item_usage_start_date,line_item_product_code,line_item_line_item_type,line_item_unblended_cost\n" + rows, "AmazonS3", 6000, ""},
		"the older columns": {"description,lineItem/UsageStartDate,lineItem/ProductCode,lineItem/LineItemType,lineItem/UnblendedCost\n" + rows, "AmazonS3", 6000, ""},
		"every service":     {"description,lineItem/UsageStartDate,lineItem/ProductCode,lineItem/LineItemType,lineItem/UnblendedCost\n" + rows, "", 7_000_006_000, ""},
		"another file":      {"a,b\n1,2\n", "", 0, "no column line_item_usage_start_date"},
		"no number": {"line_item_usage_start_date,line_item_product_code,line_item_line_item_type,line_item_unblended_cost\n2026-10-20T01:00:00Z,AmazonS3,Usage,much\n",
			"", 0, "line 2: \"much\" is not an amount"},
	} {
		got, err := reconcile.CUR(strings.NewReader(tt.file), tt.service, day, day.AddDate(0, 0, 1))
		if (err != nil) != (tt.fault != "") || err != nil && !strings.Contains(err.Error(), tt.fault) || got[reconcile.Cell{Day: day}].Cost != tt.want {
			t.Errorf("%s: %v, %v; want %s, %q", name, got, err, tt.want, tt.fault)
		}
	}
}

// TestEndlessReportsEnd follows a provider whose report always has another page until the caller gives up.
func TestEndlessReportsEnd(t *testing.T) {
	pages := 0
	ctx, cancel := context.WithCancel(t.Context())
	l := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if pages++; pages == 50 {
			cancel()
		}
		_, _ = w.Write([]byte(`{"data":[],"has_more":true,"next_page":"p"}`))
	}))
	defer l.Close()
	kind, _ := reconcile.KindOf("openai")
	if _, err := kind.Read(ctx, reconcile.Report{URL: l.URL, HTTP: l.Client()}, noon, noon.AddDate(0, 0, 1)); err == nil {
		t.Error("an endless report was read to its end")
	}
}

func TestTrueUpsAreTheSameUntilTheyAreBooked(t *testing.T) {
	day := time.Date(2026, 10, 20, 0, 0, 0, 0, time.UTC)
	cell := reconcile.Cell{Day: day, Model: "gpt-5"}
	d := reconcile.Compare(map[reconcile.Cell]reconcile.Booked{cell: {Sum: reconcile.Sum{Cost: 100}}}, reconcile.Sums{cell: {Cost: 70}})[0]
	first, again := d.TrueUp("acme", "openai"), d.TrueUp("acme", "openai")
	if !cmp.Equal(first, again) || first.Cost != -30 || !first.At.Before(day.AddDate(0, 0, 1)) || first.At.Before(day) || first.Usage != (sentinel.Usage{}) {
		t.Errorf("true-ups %+v and %+v", first, again)
	}
	d.Booked.TrueUps++
	if later := d.TrueUp("acme", "openai"); later.ID == first.ID {
		t.Error("a report that changed later cannot be trued up anew")
	}
	if other := d.TrueUp("acme", "azure"); other.ID == d.TrueUp("acme", "openai").ID {
		t.Error("two providers share a true-up")
	}
}
