package extproc_test

import (
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/extproc"
	"github.com/saas-sentinel/saas-sentinel/governor"
	"github.com/saas-sentinel/saas-sentinel/policy"
)

func refusing(l sentinel.Limit, retry time.Duration) func(p *parts) {
	return func(p *parts) {
		p.reserve = func(sentinel.Ask) (sentinel.Reservation, error) {
			return sentinel.Reservation{Chosen: -1, Denials: []sentinel.Denial{{Limit: &l, RetryAfter: retry}},
				Levels: []sentinel.Level{{Limit: &l, Remaining: -4, Reset: 1500 * time.Millisecond}}}, nil
		}
	}
}

var (
	pace = sentinel.Limit{Name: `team "core"`, Kind: sentinel.Rate, Max: 60, Period: time.Minute}
	cash = sentinel.Limit{Name: "team core", Kind: sentinel.Window, Measure: sentinel.MeasureCost, Max: 1, End: time.Now().Add(time.Hour)}
)

func TestRefusalsSpeakAsTheProviderDoes(t *testing.T) {
	toChat := ask{route: "openai/chat.completions", headers: [][2]string{bearer}, body: chat}
	toStripe := ask{route: "stripe/charges.create", headers: [][2]string{bearer, {"content-type", "application/x-www-form-urlencoded"}}, body: "amount=100&currency=usd"}
	toWeather := ask{route: "weather/forecast", headers: [][2]string{{"x-api-key", token}}}
	toBedrock := ask{route: "bedrock/converse", spiffe: "spiffe://acme/app", body: `{"messages":[]}`}
	toS3 := ask{route: "s3/object.get", spiffe: "spiffe://acme/app"}
	const (
		chatPath = "POST /openai/v1/chat/completions"
		charges  = "POST /stripe/v1/charges"
		forecast = "GET /weather/v1/forecast/lima"
		converse = "POST /bedrock/model/amazon.nova-lite-v1:0/converse"
		object   = "GET /s3/bucket/key"
	)
	with := func(a ask, change func(*ask)) ask { change(&a); return a }
	closed := func(p *parts) {
		p.reserve = func(sentinel.Ask) (sentinel.Reservation, error) {
			return sentinel.Reservation{}, errors.New("redis is down")
		}
	}
	for name, tt := range map[string]struct {
		ask      ask
		line     string
		arrange  func(*parts)
		status   int
		reason   sentinel.Reason
		headers  map[string]string // "" for one that must not be there
		contains string
		unbooked bool
	}{
		"a provider that Envoy has elsewhere":     {ask{route: "openai/chat.completions@0badc0de", headers: [][2]string{bearer}, body: chat}, chatPath, nil, 503, sentinel.ReasonOtherPlace, nil, `"error"`, true},
		"a provider that Envoy has nowhere":       {ask{route: "openai/chat.completions@", headers: [][2]string{bearer}, body: chat}, chatPath, nil, 503, sentinel.ReasonOtherPlace, nil, `"error"`, true},
		"an endpoint that is not routed":          {ask{route: "openai/files", headers: [][2]string{bearer}}, "GET /openai/v1/files", nil, 403, sentinel.ReasonUnknownEndpoint, nil, `"error"`, true},
		"another method":                          {toChat, "GET /openai/v1/chat/completions", nil, 403, sentinel.ReasonUnknownEndpoint, nil, `"permission_error"`, true},
		"another path than the route's":           {toChat, "POST /openai/v1/responses", nil, 403, sentinel.ReasonUnknownEndpoint, nil, `"permission_error"`, true},
		"dot segments":                            {toChat, "POST /openai/v1/x/../chat/completions", nil, 400, sentinel.ReasonBadRequest, nil, `"invalid_request_error"`, true},
		"no credential":                           {with(toChat, func(a *ask) { a.headers = nil }), chatPath, nil, 401, sentinel.ReasonUnidentified, nil, `"authentication_error"`, true},
		"an unknown token":                        {with(toChat, func(a *ask) { a.headers = [][2]string{{"authorization", "Bearer nobody"}} }), chatPath, nil, 401, sentinel.ReasonUnidentified, nil, `"authentication_error"`, true},
		"two keys":                                {with(toChat, func(a *ask) { a.headers = [][2]string{{"x-api-key", token}, {"x-api-key", "svc_other"}} }), chatPath, nil, 401, sentinel.ReasonUnidentified, nil, `"authentication_error"`, true},
		"two credentials in one header":           {with(toChat, func(a *ask) { a.headers = [][2]string{bearer, bearer} }), chatPath, nil, 401, sentinel.ReasonUnidentified, nil, "more than one", true},
		"an unknown certificate and a good token": {with(toChat, func(a *ask) { a.spiffe = "spiffe://acme/other" }), chatPath, nil, 401, sentinel.ReasonUnidentified, nil, "", true},
		"a certificate of two names":              {with(toChat, func(a *ask) { a.spiffe = "spiffe://acme/app,spiffe://acme/other" }), chatPath, nil, 401, sentinel.ReasonUnidentified, nil, "", true},
		"a tunnel of nobody": {with(toChat, func(a *ask) {
			a.proxy, a.sni = "Basic "+base64.StdEncoding.EncodeToString([]byte("app:nobody")), "gateway.local"
		}), chatPath, nil, 401, sentinel.ReasonUnidentified, nil, `"authentication_error"`, true},
		"a tunnel that was made to another host": {with(toChat, func(a *ask) { a.proxy, a.sni = "Bearer "+token, "api.stripe.com" }), chatPath, nil, 403, sentinel.ReasonHostMismatch, nil, "api.stripe.com", false},
		"a tunnel without a name":                {with(toChat, func(a *ask) { a.proxy = "Bearer " + token }), chatPath, nil, 403, sentinel.ReasonHostMismatch, nil, "", false},
		"an AWS signature that is wrong": {with(toS3, func(a *ask) {
			a.spiffe, a.headers = "", [][2]string{{"authorization", "AWS4-HMAC-SHA256 Credential=SENTINELAPP00001/x"}}
		}), object, func(p *parts) { p.verify = errors.New("the signature does not match") }, 401, sentinel.ReasonUnidentified, map[string]string{"content-type": "application/xml"}, "<Error>", true},
		"a body that is too long": {with(toChat, func(a *ask) { a.length = "1048577" }), chatPath, nil, 413, sentinel.ReasonTooLarge, nil, "1048576", true},
		"JSON that is said to be a form": {with(toChat, func(a *ask) { a.headers = [][2]string{bearer, {"content-type", "application/x-www-form-urlencoded"}} }), chatPath, nil, 400,
			sentinel.ReasonBadRequest, nil, `"invalid_request_error"`, false},
		"two types of content": {with(toChat, func(a *ask) {
			a.headers = [][2]string{bearer, {"content-type", "application/json"}, {"content-type", "application/json"}}
		}), chatPath, nil, 400, sentinel.ReasonBadRequest, nil, "content-type: this header stands twice", true},
		"two encodings of the content": {with(toChat, func(a *ask) {
			a.headers = [][2]string{bearer, {"content-encoding", ""}, {"content-encoding", "gzip"}}
		}), chatPath, nil, 400, sentinel.ReasonBadRequest, nil, "content-encoding", true},
		"a grant behind an empty one": {with(toS3, func(a *ask) {
			a.headers = append(a.headers[:len(a.headers):len(a.headers)], [][2]string{{"x-amz-grant-read", ""}, {"x-amz-grant-read", `uri="http://acs.amazonaws.com/groups/global/AllUsers"`}}...)
		}), object, nil, 400, sentinel.ReasonBadRequest, nil, "x-amz-grant-read: this header stands twice", true},
		"not JSON": {with(toChat, func(a *ask) { a.body = "{" }), chatPath, nil, 400, sentinel.ReasonBadRequest, nil, `"invalid_request_error"`, false},
		"no body":  {with(toChat, func(a *ask) { a.body = "" }), chatPath, nil, 400, sentinel.ReasonBadRequest, nil, `"invalid_request_error"`, false},
		"unpriced": {with(toChat, func(a *ask) { a.body = `{"model":"gpt-99"}` }), chatPath, nil, 403, sentinel.ReasonUnpriced, nil, "gpt-99", false},
		"a pace of OpenAI": {toChat, chatPath, refusing(pace, 1500*time.Millisecond), 429, sentinel.ReasonRate, map[string]string{
			"retry-after": "2", "x-should-retry": "", "ratelimit": `"team _core_";r=0;t=2`, "ratelimit-policy": `"team _core_";q=60;w=60`}, `"rate_limit_error"`, false},
		"a budget of OpenAI": {toChat, chatPath, refusing(cash, time.Hour), 429, sentinel.ReasonBudget, map[string]string{
			"x-should-retry": "false", "ratelimit": ""}, `"insufficient_quota"`, false},
		"a pace of Stripe":    {toStripe, charges, refusing(pace, time.Second), 429, sentinel.ReasonRate, map[string]string{"retry-after": "1"}, `"code":"rate_limited"`, false},
		"a pace of Bedrock":   {toBedrock, converse, refusing(pace, time.Second), 429, sentinel.ReasonRate, map[string]string{"x-amzn-errortype": "ThrottlingException"}, `"message"`, false},
		"a pace of S3":        {toS3, object, refusing(pace, time.Second), 429, sentinel.ReasonRate, map[string]string{"content-type": "application/xml"}, "<Code>SlowDown</Code>", false},
		"a pace of one's own": {toWeather, forecast, refusing(pace, time.Second), 429, sentinel.ReasonRate, map[string]string{"retry-after": "1"}, `"code":"rate_limited"`, false},
		"no limiter":          {toChat, chatPath, closed, 503, sentinel.ReasonLimiterUnavailable, map[string]string{"retry-after": "1"}, `"server_error"`, false},
		"no journal": {toChat, chatPath, func(p *parts) { p.fault = errors.New("disk full") }, 503, sentinel.ReasonLedgerUnavailable,
			map[string]string{"retry-after": "1"}, `"server_error"`, true},
		"no credential of ours": {toChat, chatPath, func(p *parts) {
			p.inject = func(governor.Route, extproc.Outgoing) ([]extproc.Header, error) { return nil, errors.New("stale") }
		}, 503, sentinel.ReasonCredential, nil, `"server_error"`, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			if tt.arrange != nil {
				tt.arrange(r.parts)
			}
			method, path, _ := strings.Cut(tt.line, " ")
			v, _ := r.judged(tt.ask, method, path)
			got := v.GetImmediateResponse()
			if got == nil || v.DynamicMetadata != nil {
				t.Fatalf("it was let through: %v", v)
			}
			if int(got.Status.Code) != tt.status || !strings.Contains(string(got.Body), tt.contains) {
				t.Errorf("answered %d %s, want %d and %q in it", got.Status.Code, got.Body, tt.status, tt.contains)
			}
			set := setOf(got.Headers)
			if h := strings.Join(set["x-sentinel-verdict"], " "); !strings.HasSuffix(h, "; reason="+string(tt.reason)) {
				t.Errorf("the verdict's header says %q, want %s", h, tt.reason)
			}
			for name, want := range tt.headers {
				if h := strings.Join(set[name], " "); h != want {
					t.Errorf("%s is %q, want %q", name, h, want)
				}
			}
			if strings.Contains(v.String(), secret) || strings.Contains(v.String(), token) {
				t.Errorf("the refusal holds a secret: %s", v)
			}
			r.finish()
			r.bookedAs(tt.reason, tt.status, tt.unbooked)
			if ids := set["x-sentinel-call"]; len(r.entries) == 1 && !slices.Equal(ids, []string{r.entries[0].ID.String()}) || tt.status == 429 && len(r.entries) != 1 {
				t.Errorf("the answer carries the id %q, and the ledger has %+v", ids, r.entries)
			}
		})
	}
}

// TestEvery429CarriesTheIDThatExplainTakes goes through every kind of refusal that is answered 429, in the words of every provider.
func TestEvery429CarriesTheIDThatExplainTakes(t *testing.T) {
	ends := time.Now().Add(time.Hour)
	unusual := func(r *rig) {
		minutes := make([]float64, policy.MostMinutes)
		minutes[0] = 0.999
		r.server.Governor.Scores.Store(policy.NewScores(map[string][]float64{"app": minutes}))
	}
	limited := func(l sentinel.Limit) func(*rig) {
		return func(r *rig) { refusing(l, time.Second)(r.parts) }
	}
	for name, tt := range map[string]struct {
		arrange func(*rig)
		reason  sentinel.Reason
	}{
		"rate":        {limited(pace), sentinel.ReasonRate},
		"concurrency": {limited(sentinel.Limit{Name: "slots", Kind: sentinel.Concurrent, Measure: sentinel.MeasureConcurrent, Max: 2}), sentinel.ReasonConcurrency},
		"quota":       {limited(sentinel.Limit{Name: "quota", Kind: sentinel.Window, Measure: sentinel.MeasureTokens, Max: 2, End: ends}), sentinel.ReasonQuota},
		"budget":      {limited(cash), sentinel.ReasonBudget},
		"anomaly":     {unusual, sentinel.ReasonAnomaly},
	} {
		for line, a := range map[string]ask{
			"POST /openai/v1/chat/completions":                   {route: "openai/chat.completions", headers: [][2]string{bearer}, body: chat},
			"POST /stripe/v1/charges":                            {route: "stripe/charges.create", headers: [][2]string{bearer, {"content-type", "application/x-www-form-urlencoded"}}, body: "amount=100&currency=usd"},
			"GET /weather/v1/forecast/lima":                      {route: "weather/forecast", headers: [][2]string{{"x-api-key", token}}},
			"POST /bedrock/model/amazon.nova-lite-v1:0/converse": {route: "bedrock/converse", spiffe: "spiffe://acme/app", body: `{"messages":[]}`},
			"GET /s3/bucket/key":                                 {route: "s3/object.get", spiffe: "spiffe://acme/app"},
		} {
			t.Run(name+" of "+a.route, func(t *testing.T) {
				r := newRig(t)
				tt.arrange(r)
				method, path, _ := strings.Cut(line, " ")
				v, _ := r.judged(a, method, path)
				r.finish()
				r.bookedAs(tt.reason, 429, false)
				got := v.GetImmediateResponse()
				if ids := setOf(got.GetHeaders())["x-sentinel-call"]; got.GetStatus().GetCode() != 429 || !slices.Equal(ids, []string{r.entries[0].ID.String()}) {
					t.Errorf("it is answered %d with the id %q, and the ledger has %s", got.GetStatus().GetCode(), ids, r.entries[0].ID)
				}
			})
		}
	}
}

// bookedAs checks the one row of a refusal, or that there is none.
func (r *rig) bookedAs(reason sentinel.Reason, status int, unbooked bool) {
	r.Helper()
	if unbooked {
		if len(r.entries) > 0 {
			r.Errorf("booked as %+v, and should not be on the ledger", r.entries)
		}
		return
	}
	if len(r.entries) != 1 {
		r.Fatalf("%d entries, want 1", len(r.entries))
	}
	e := r.entries[0]
	if e.Reason != reason || e.Status != status || e.Cost != 0 || e.Caller.Service != "app" || !e.Action.Refused() {
		r.Errorf("booked as %+v", e)
	}
	for _, in := range r.intents {
		if in.ID != e.ID {
			r.Errorf("the intent %s is left without an entry", in.ID)
		}
	}
	if len(r.intents) > 0 && (len(r.settled) != 1 || r.settled[0].Actual[sentinel.MeasureCost] != 0) {
		r.Errorf("the hold of a call that did not go ends with %+v", r.settled)
	}
}

// A caller's own token in another place than a credential's would reach the provider.
func TestTheCallersTokenGoesNowhereElse(t *testing.T) {
	for name, tt := range map[string]struct {
		ask  ask
		line string
	}{
		"path":  {ask{route: "weather/forecast", headers: [][2]string{{"x-api-key", token}}}, "GET /weather/v1/forecast/" + token},
		"query": {ask{route: "weather/forecast", headers: [][2]string{{"x-api-key", token}}}, "GET /weather/v1/forecast/lima?key=" + token},
		"body":  {ask{route: "openai/chat.completions", headers: [][2]string{bearer}, body: strings.Replace(chat, "{", `{"user":"`+token+`",`, 1)}, chatLine},
	} {
		t.Run(name, func(t *testing.T) {
			method, path, _ := strings.Cut(tt.line, " ")
			v, _ := newRig(t).judged(tt.ask, method, path)
			if r := v.GetImmediateResponse(); r.GetStatus().GetCode() != 400 || !strings.Contains(string(r.GetBody()), name+": the service's token") || strings.Contains(string(r.GetBody()), token) {
				t.Errorf("it is answered %v", v)
			}
		})
	}
	a := ask{route: "weather/forecast", headers: [][2]string{{"x-api-key", token}, {"x-trace", "of " + token}, {"x-other", "kept"}}}
	v, _ := newRig(t).judged(a, "GET", "/weather/v1/forecast/lima")
	if got := v.GetRequestHeaders().GetResponse().GetHeaderMutation().GetRemoveHeaders(); !slices.Contains(got, "x-trace") || slices.Contains(got, "x-other") {
		t.Errorf("the headers %q are removed", got)
	}
}
