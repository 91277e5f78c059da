package mockapi

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// dayRow is what the providers' usage reports are by.
type dayRow struct {
	day             int64 // Unix seconds of midnight UTC
	provider, model string
	embedding       bool
}

// fee is one of Stripe's balance transactions.
type fee struct {
	created, amount, cents int64
}

const daySeconds = 24 * 60 * 60

// report enters a call into the account by day; past maxRecords days and models, and fees, nothing is added.
func (a *account) report(r row, u sentinel.Usage, cost int64) {
	now := a.now().Unix()
	k := dayRow{now - now%daySeconds, r.provider, r.model, r.endpoint == "embeddings"}
	if a.days[k] == nil && len(a.days) < maxRecords {
		a.days[k] = &tally{}
	}
	if t := a.days[k]; t != nil {
		t.calls += u[sentinel.Requests]
		t.cost += cost
		for i := range u {
			t.usage[i] += u[i]
		}
	}
	if r.provider == "stripe" && u[sentinel.Messages] > 0 && len(a.fees) < maxRecords {
		const cent = 10_000_000 // nano-dollars
		a.fees = append(a.fees, fee{now, u[sentinel.AmountCents], (cost + cent/2) / cent})
	}
}

// reported is a copy of one line of the account.
type reported struct {
	dayRow
	tally
}

// reports gives a provider's lines in [from, to), by day and model.
func (a *account) reports(provider string, from, to int64) []reported {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []reported
	for k, t := range a.days {
		if k.provider == provider && k.day >= from && k.day < to && (t.calls > 0 || t.cost != 0) {
			out = append(out, reported{k, *t})
		}
	}
	slices.SortFunc(out, func(x, y reported) int { return cmp.Or(cmp.Compare(x.day, y.day), cmp.Compare(x.model, y.model)) })
	return out
}

// usd writes nano-dollars as a decimal number of dollars, exactly.
func usd(nano int64) json.Number {
	return json.Number(strings.Replace(sentinel.NanoUSD(nano).String(), "$", "", 1))
}

// buckets cuts [from, to) into pages of whole days, as OpenAI and Anthropic do, and answers one.
func (x *exchange) buckets(from, to int64, most int64, bucket func(day int64) map[string]any) {
	limit, err := strconv.ParseInt(x.r.URL.Query().Get("limit"), 10, 64)
	if err != nil || limit < 1 || limit > most {
		limit = min(7, most) // what the APIs give unasked
	}
	first := from - from%daySeconds
	if token, ok := strings.CutPrefix(x.r.URL.Query().Get("page"), "page_"); ok {
		if n, err := strconv.ParseInt(token, 10, 64); err == nil {
			first = n
		}
	}
	data := []any{}
	day := first
	for ; day < to && int64(len(data)) < limit; day += daySeconds {
		data = append(data, bucket(day))
	}
	page := map[string]any{"data": data, "has_more": day < to, "next_page": nil}
	if x.provider == "openai" {
		page["object"] = "page"
	}
	if day < to {
		page["next_page"] = fmt.Sprintf("page_%d", day)
	}
	writeJSON(x.w, http.StatusOK, page)
}

// openAIReport serves the usage of completions and embeddings, and the costs. Its paths and fields are those of
// https://platform.openai.com/docs/api-reference/usage.
func (x *exchange) openAIReport(name string) {
	q := x.r.URL.Query()
	from, err := strconv.ParseInt(q.Get("start_time"), 10, 64)
	to, err2 := strconv.ParseInt(q.Get("end_time"), 10, 64)
	most, known := map[string]int64{"usage/completions": 31, "usage/embeddings": 31, "costs": 180}[name]
	if err != nil || err2 != nil || !known || q.Get("bucket_width") != "1d" {
		x.endpoint = "unknown"
		x.refuse(http.StatusBadRequest, "invalid_request_error", "start_time, end_time and bucket_width=1d are required of a known report")
		return
	}
	lines := x.server.account.reports("openai", from, to)
	x.buckets(from, to, most, func(day int64) map[string]any {
		results := []any{}
		for _, l := range lines {
			output := l.usage.OutputTokenSum()
			switch {
			case l.day != day:
			case name == "costs":
				for _, item := range x.items(l, "input", "output") {
					results = append(results, map[string]any{
						"object": "organization.costs.result", "amount": map[string]any{"value": usd(item.nano), "currency": "usd"},
						"line_item": l.model + ", " + item.name, "project_id": nil, "api_key_id": nil, "quantity": nil,
					})
				}
			case l.embedding == (name == "usage/embeddings"):
				results = append(results, map[string]any{
					"object": "organization." + strings.ReplaceAll(name, "/", ".") + ".result", "model": l.model, "num_model_requests": l.calls,
					"input_tokens": l.usage.InputTokenSum(), "input_cached_tokens": l.usage[sentinel.CachedInputTokens], "output_tokens": output,
					"input_cache_write_tokens": l.usage[sentinel.CacheWriteTokens],
					"project_id":               nil, "user_id": nil, "api_key_id": nil, "batch": nil, "service_tier": nil,
				})
			}
		}
		return map[string]any{"object": "bucket", "start_time": day, "end_time": day + daySeconds, "results": results}
	})
}

// item is a part of a line's money.
type item struct {
	name string
	nano int64
}

// items parts a line's money into its input's and its output's.
func (x *exchange) items(l reported, input, output string) []item {
	_, rate := x.rates(l.provider, l.model)
	money := min(l.cost, (l.usage.OutputTokenSum()*rate+500)/1000)
	return []item{{input, l.cost - money}, {output, money}}
}

// rates are the input and output rates of a model, in pico-dollars a token.
func (x *exchange) rates(provider, model string) (in, out int64) {
	for _, p := range x.rules.Prices {
		if matches(p.Provider, p.Endpoint, p.Model, provider, "", model) {
			return p.Rates["input_tokens"], p.Rates["output_tokens"]
		}
	}
	return 0, 0
}

// anthropicReport serves the usage report of messages, grouped by model, and the cost report, grouped by description, as
// https://platform.claude.com/docs/en/api/admin/usage_report and /cost_report have them: amounts are decimal texts in cents, and what is not
// grouped by is null.
func (x *exchange) anthropicReport(name string) {
	q := x.r.URL.Query()
	from, err := time.Parse(time.RFC3339, q.Get("starting_at"))
	to, err2 := time.Parse(time.RFC3339, q.Get("ending_at"))
	if err != nil || err2 != nil || name != "usage_report/messages" && name != "cost_report" {
		x.endpoint = "unknown"
		x.refuse(http.StatusBadRequest, "invalid_request_error", "starting_at and ending_at are required of a known report")
		return
	}
	lines := x.server.account.reports("anthropic", from.Unix(), to.Unix())
	x.buckets(from.Unix(), to.Unix(), 31, func(day int64) map[string]any {
		results := []any{}
		for _, l := range lines {
			switch {
			case l.day != day:
			case name == "cost_report":
				const centsPerUSD = 100
				for _, item := range x.items(l, "uncached_input_tokens", "output_tokens") {
					results = append(results, map[string]any{
						"amount": usd(item.nano * centsPerUSD).String(), "currency": "USD", "cost_type": "tokens", "token_type": item.name,
						"description": l.model + " Usage - " + item.name, "model": l.model, "service_tier": "standard", "context_window": "0-200k",
						"inference_geo": nil, "workspace_id": nil,
					})
				}
			default:
				results = append(results, map[string]any{
					"model": l.model, "uncached_input_tokens": l.usage[sentinel.InputTokens], "cache_read_input_tokens": l.usage[sentinel.CachedInputTokens],
					"cache_creation": map[string]any{
						"ephemeral_5m_input_tokens": l.usage[sentinel.CacheWriteTokens], "ephemeral_1h_input_tokens": l.usage[sentinel.CacheWriteLongTokens],
					},
					"output_tokens":   l.usage.OutputTokenSum(),
					"server_tool_use": map[string]any{"web_search_requests": l.usage[sentinel.WebSearches]},
					"service_tier":    nil, "context_window": nil, "inference_geo": nil, "api_key_id": nil, "workspace_id": nil,
				})
			}
		}
		at := func(s int64) string { return time.Unix(s, 0).UTC().Format(time.RFC3339) }
		return map[string]any{"starting_at": at(day), "ending_at": at(day + daySeconds), "results": results}
	})
}

// balanceTransactions lists the fees, the newest first: https://docs.stripe.com/api/balance_transactions/list.
func (x *exchange) balanceTransactions() {
	q := x.r.URL.Query()
	from, _ := strconv.ParseInt(q.Get("created[gte]"), 10, 64)
	to, err := strconv.ParseInt(q.Get("created[lt]"), 10, 64)
	limit, _ := strconv.Atoi(q.Get("limit"))
	if limit < 1 || limit > 100 {
		limit = 10
	}
	x.server.account.mu.Lock()
	fees := slices.Clone(x.server.account.fees)
	x.server.account.mu.Unlock()
	name := func(i int) string { return fmt.Sprintf("txn_mock%08d", i) }
	page, more, after := []any{}, false, q.Get("starting_after")
	for i := len(fees) - 1; i >= 0; i-- {
		f := fees[i]
		if after != "" && name(i) >= after || f.created < from || err == nil && f.created >= to {
			continue
		}
		if len(page) == limit {
			more = true
			break
		}
		page = append(page, map[string]any{
			"id": name(i), "object": "balance_transaction", "amount": f.amount, "fee": f.cents, "net": f.amount - f.cents, "currency": "usd",
			"created": f.created, "available_on": f.created, "type": "charge", "reporting_category": "charge", "status": "available",
			"exchange_rate": nil, "description": nil,
			"fee_details": []any{map[string]any{"amount": f.cents, "application": nil, "currency": "usd", "description": "Stripe processing fees", "type": "stripe_fee"}},
		})
	}
	writeJSON(x.w, http.StatusOK, map[string]any{"object": "list", "url": x.path, "has_more": more, "data": page})
}

// costExplorer answers GetCostAndUsage by day without groups, for all that AWS's stand-ins have served.
func (x *exchange) costExplorer() {
	var q struct {
		TimePeriod  struct{ Start, End string }
		Granularity string
	}
	if err := json.Unmarshal(x.body, &q); err != nil || q.Granularity != "DAILY" {
		writeJSON(x.w, http.StatusBadRequest, map[string]any{"__type": "ValidationException", "message": "a TimePeriod and DAILY are required"})
		return
	}
	from, err := time.Parse(time.DateOnly, q.TimePeriod.Start)
	to, err2 := time.Parse(time.DateOnly, q.TimePeriod.End)
	if err != nil || err2 != nil {
		writeJSON(x.w, http.StatusBadRequest, map[string]any{"__type": "ValidationException", "message": "Start and End are days"})
		return
	}
	lines := append(x.server.account.reports("s3", from.Unix(), to.Unix()), x.server.account.reports("bedrock", from.Unix(), to.Unix())...)
	now := x.server.account.now().UTC()
	month := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
	days := []any{}
	for day := from; day.Before(to); day = day.AddDate(0, 0, 1) {
		cost := int64(0)
		for _, l := range lines {
			if l.day == day.Unix() {
				cost += l.cost
			}
		}
		days = append(days, map[string]any{
			"TimePeriod": map[string]any{"Start": day.Format(time.DateOnly), "End": day.AddDate(0, 0, 1).Format(time.DateOnly)},
			"Total":      map[string]any{"UnblendedCost": map[string]any{"Amount": usd(cost).String(), "Unit": "USD"}},
			"Groups":     []any{}, "Estimated": !day.Before(month), // AWS closes a month's bill after its end
		})
	}
	writeJSON(x.w, http.StatusOK, map[string]any{"ResultsByTime": days, "DimensionValueAttributes": []any{}})
}
