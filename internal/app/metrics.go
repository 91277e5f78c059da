package app

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/admin"
	"github.com/saas-sentinel/saas-sentinel/extproc"
	"github.com/saas-sentinel/saas-sentinel/ratelimit"
	"github.com/saas-sentinel/saas-sentinel/spool"
)

// metrics are the process's counters. Labels are bounded sets: never a user, a URL or a call.
type metrics struct {
	registry      *prometheus.Registry
	calls         *prometheus.CounterVec
	attempts      *prometheus.CounterVec
	pauses        *prometheus.CounterVec
	decision      prometheus.Histogram
	limiter       *prometheus.HistogramVec
	cost          *prometheus.CounterVec
	tokens        *prometheus.CounterVec
	tunnelled     *prometheus.CounterVec
	estimated     prometheus.Counter
	reloads       *prometheus.CounterVec
	reconciled    *prometheus.CounterVec
	compared      prometheus.Counter
	drift         prometheus.Counter
	drainFailures prometheus.Counter
	warnings      prometheus.Counter
	shadows       *prometheus.CounterVec
	raised        prometheus.Counter
	alertSends    *prometheus.CounterVec
	serving       atomic.Bool
	priced        pricedShare
	wrote         atomic.Int64 // records in the database
}

func newMetrics(a *App) *metrics {
	m := &metrics{registry: prometheus.NewRegistry()}
	m.calls = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sentinel_calls_total", Help: "Calls by decision.",
	}, []string{"provider", "action", "reason"})
	m.attempts = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sentinel_attempts_total", Help: "Attempts that reached a provider or tried to, by what it answered. A call that failed over has two.",
	}, []string{"provider", "attempt", "answer"})
	m.pauses = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sentinel_provider_pauses_total", Help: "Answers of a provider that asked for a pause (Retry-After, x-ratelimit-*), which calls are given.",
	}, []string{"provider"})
	m.decision = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "sentinel_decision_seconds", Help: "Time from a request's headers to its verdict.",
		Buckets: []float64{.00025, .0005, .001, .0025, .005, .01, .025, .03, .05, .1, .5},
	})
	m.limiter = limiterSeconds()
	m.cost = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sentinel_cost_usd_total", Help: "Cost booked, in US dollars; the ledger has it exactly.",
	}, []string{"provider", "team"})
	m.tokens = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sentinel_tokens_total", Help: "Tokens booked.",
	}, []string{"provider", "direction"})
	m.tunnelled = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sentinel_tunnel_bytes_total", Help: "Bytes of ended tunnels to hosts that are no provider's; the ledger has them by host.",
	}, []string{"service", "direction"})
	m.estimated = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "sentinel_estimated_calls_total", Help: "Calls whose usage is an estimate.",
	})
	m.reloads = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sentinel_policy_reloads_total", Help: "Policy reloads by result.",
	}, []string{"result"})
	m.reconciled = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sentinel_reconciled_calls_total", Help: "Calls booked by the reconciler because nobody metered the answer, by whether Envoy's access log has them.",
	}, []string{"seen_by_envoy"})
	m.compared = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "sentinel_witness_calls_total", Help: "Calls of Envoy's access log that were found on the ledger.",
	})
	m.drift = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "sentinel_witness_drift_calls_total", Help: "Calls that Envoy carried to a provider and that are not on the ledger after 10 minutes.",
	})
	m.drainFailures = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "sentinel_ledger_write_failures_total", Help: "Failed writes to the database; the records stay in the spool.",
	})
	m.raised = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "sentinel_limits_raised_total", Help: "Counters in Redis that were lower than the ledger and were raised to it.",
	})
	m.alertSends = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sentinel_alert_sends_total", Help: "Tries to send an alert, by channel and outcome: taken, taken_in_part, retried, given_up.",
	}, []string{"channel", "outcome"})
	m.warnings = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "sentinel_budget_warnings_total", Help: "Shares of budgets (warn_at) that were reached; over all processes each counts once.",
	})
	m.registry.MustRegister(m.priced.collectors()...)
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "sentinel_policy_untaken", Help: "Above 0 while this process could not take the policy of its file, or the one that was published last: the one before stays.",
	}, func() float64 { return float64(len(a.untakenPolicies())) }))
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "sentinel_envoy_behind", Help: "Connected Envoys without the clusters and routes of the policy in force, at least 1 while calls do not take its new ways: for a moment after a reload, for longer where Envoy refused them.",
	}, func() float64 { return float64(a.behind()) }))
	m.shadows = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sentinel_shadow_calls_total", Help: "Calls that rules in shadow, or the candidate policy, would have made something else of, by the rule that decides.",
	}, []string{"policy", "rule", "verdict"})
	m.registry.MustRegister(m.tunnelled, m.shadows, m.calls, m.attempts, m.pauses, m.decision, m.limiter, m.cost, m.tokens, m.estimated, m.reloads, m.reconciled, m.compared, m.drift, m.drainFailures, m.warnings, m.raised, m.alertSends,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.registry.MustRegister(spoolMetrics(a)...)
	m.registry.MustRegister(limiterMetrics(a)...)
	m.registry.MustRegister(witnessMetrics(a)...)
	m.registry.MustRegister(readMetrics(a)...)
	m.registry.MustRegister(captureMetrics(a)...)
	m.registry.MustRegister(journalMetrics(a)...)
	return m
}

func limiterSeconds() *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "sentinel_limiter_seconds", Help: "Time of the limiter for a call: to reserve before it, and to settle after it. Each is a round trip to Redis but for a remembered denial.",
		Buckets: []float64{.00005, .0001, .00015, .0002, .00025, .0003, .0004, .0005, .00075, .001, .0015, .0025, .005, .01, .03, .1, .5},
	}, []string{"step"})
}

// readMetrics ask the rooms, which are built after the metrics, at each scrape.
func readMetrics(a *App) []prometheus.Collector {
	return []prometheus.Collector{
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "sentinel_vault_age_seconds", Help: "Time since the source of the oldest credential last confirmed it.",
		}, func() float64 {
			if a.secrets == nil {
				return 0
			}
			return a.secrets.Age().Seconds()
		}),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "sentinel_alerts_dropped_total", Help: "Reports for alerts that were not kept: 20,000 waited for the database already, or the group had 2,000 incidents.",
		}, func() float64 {
			if a.alerting == nil || a.alerting.inbox == nil {
				return 0
			}
			return float64(a.alerting.inbox.Dropped())
		}),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "sentinel_ledger_folded_names_total", Help: "Models, services and tags of entries that the sums call other: a day had database.max_series before.",
		}, func() float64 {
			if a.store == nil {
				return 0
			}
			return float64(a.store.Folded())
		}),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "sentinel_audit_verdicts_lost_total", Help: "Chosen verdicts that came faster than the audit chain could take them.",
		}, func() float64 {
			if a.verdicts == nil {
				return 0
			}
			return float64(a.verdicts.missed.Load())
		}),
	}
}

// limiterMetrics show what this process's limiter could not do as it was meant to.
func limiterMetrics(a *App) (list []prometheus.Collector) {
	for _, c := range []struct {
		name, help string
		count      func(*ratelimit.Redis) int64
	}{
		{"under_reserved_calls", "Calls that used more than was held for them: their provider did not keep the maximum that it was asked for.", (*ratelimit.Redis).UnderReserved},
		{"undecided_scripts", "Reservations and settlements whose outcome Redis never told.", (*ratelimit.Redis).Undecided},
	} {
		list = append(list, prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "sentinel_limiter_" + c.name + "_total", Help: c.help}, func() float64 {
			if a.limiter == nil {
				return 0
			}
			return float64(c.count(a.limiter))
		}))
	}
	return append(list, fills{a})
}

// fills tells how full limits are, and in which mode calls are judged while Redis is away. Its labels are names of the policy's limits.
type fills struct{ app *App }

var (
	fillOf     = prometheus.NewDesc("sentinel_limit_used_ratio", "How much of a limit is used, of the fullest of its counters: those that this process' calls have met in the last minutes, at most 500.", []string{"limit"}, nil)
	degradedBy = prometheus.NewDesc("sentinel_limiter_degraded", "1 while Redis does not answer or has lost its counters, by the mode that the policy has for that.", []string{"limits", "mode"}, nil)
)

// Describe names both.
func (fills) Describe(to chan<- *prometheus.Desc) { to <- fillOf; to <- degradedBy }

// Collect reads what is known at the time of the scrape.
func (f fills) Collect(to chan<- prometheus.Metric) {
	if f.app.limiter == nil || f.app.governor == nil {
		return
	}
	for _, l := range f.app.limiter.Fills() {
		to <- prometheus.MustNewConstMetric(fillOf, prometheus.GaugeValue, l.Used, l.Limit)
	}
	away := 0.0
	if f.app.limiter.Away() {
		away = 1
	}
	down := f.app.governor.State().Policy.WhenLimiterDown
	to <- prometheus.MustNewConstMetric(degradedBy, prometheus.GaugeValue, away, "hard_budgets", down.HardBudgets.String())
	to <- prometheus.MustNewConstMetric(degradedBy, prometheus.GaugeValue, away, "rates", down.Rates.String())
}

// spoolMetrics show the spool's state at the time of the scrape.
func spoolMetrics(a *App) (list []prometheus.Collector) {
	read := func(field func(spool.Stats) int64) func() float64 {
		return func() float64 {
			if a.spool == nil {
				return 0
			}
			return float64(field(a.spool.Stats()))
		}
	}
	for _, g := range []struct {
		name, help string
		field      func(spool.Stats) int64
	}{
		{"lag_records", "Records that are not in the database yet.", func(s spool.Stats) int64 { return s.LagRecords }},
		{"lag_bytes", "Bytes that are not in the database yet.", func(s spool.Stats) int64 { return s.LagBytes }},
		{"bytes", "Disk space in use.", func(s spool.Stats) int64 { return s.Bytes }},
		{"max_bytes", "Disk space that may be used; calls are refused shortly before.", func(spool.Stats) int64 { return a.config.Spool.MaxBytes }},
		{"segments", "Files of the log.", func(s spool.Stats) int64 { return int64(s.Segments) }},
	} {
		list = append(list, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "sentinel_spool_" + g.name, Help: g.help}, read(g.field)))
	}
	for _, c := range []struct {
		name, help string
		field      func(spool.Stats) int64
	}{
		{"appended_records", "Records taken.", func(s spool.Stats) int64 { return s.Appended }},
		{"syncs", "Groups of records that were made durable.", func(s spool.Stats) int64 { return s.Synced }},
		{"refused_records", "Records that found the spool full.", func(s spool.Stats) int64 { return s.Refused }},
		{"torn_places", "Places where bytes that are no record were dropped.", func(s spool.Stats) int64 { return s.Torn }},
		{"unreadable_records", "Records of another release, set aside in unreadable.frames.", func(s spool.Stats) int64 { return s.Unreadable }},
	} {
		list = append(list, prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "sentinel_spool_" + c.name + "_total", Help: c.help}, read(c.field)))
	}
	return list
}

// witnessMetrics show how the reading of Envoy's access log goes.
func witnessMetrics(a *App) []prometheus.Collector {
	stats := func(field func(lines, bad int64, open bool) float64) func() float64 {
		return func() float64 {
			if a.witness == nil {
				return 0
			}
			return field(a.witness.Stats())
		}
	}
	return []prometheus.Collector{
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "sentinel_witness_lines_total", Help: "Lines read of Envoy's access log."},
			stats(func(lines, _ int64, _ bool) float64 { return float64(lines) })),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "sentinel_witness_bad_lines_total", Help: "Lines of Envoy's access log that are not as sentinel configured them."},
			stats(func(_, bad int64, _ bool) float64 { return float64(bad) })),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "sentinel_witness_open", Help: "1 while Envoy's access log can be read."},
			stats(func(_, _ int64, open bool) float64 {
				if open {
					return 1
				}
				return 0
			})),
	}
}

// observe counts a decision or a settlement.
func (m *metrics) observe(o extproc.Observation) {
	c := o.Call
	if o.Entry == nil {
		m.calls.WithLabelValues(c.Provider, o.Action.String(), string(o.Reason)).Inc()
		m.decision.Observe(o.Duration.Seconds())
		m.observeShadows(o.Shadow)
		return
	}
	if !o.Entry.Action.Refused() {
		m.attempts.WithLabelValues(c.Provider, strconv.Itoa(int(o.Entry.Attempt)+1), answerClass(o.Entry.Status)).Inc()
	}
	m.cost.WithLabelValues(c.Provider, c.Caller.Team).Add(float64(o.Entry.Cost) / float64(sentinel.USD))
	m.tokens.WithLabelValues(c.Provider, "input").Add(float64(o.Entry.Usage.InputTokenSum()))
	m.tokens.WithLabelValues(c.Provider, "output").Add(float64(o.Entry.Usage.OutputTokenSum()))
	if o.Entry.Estimated() {
		m.estimated.Inc()
	}
	m.priced.add(*o.Entry)
}

// paused counts a provider's wish for no calls.
func (m *metrics) paused(provider string) { m.pauses.WithLabelValues(provider).Inc() }

// answerClass is a status as a label: 429 and the classes, or "none" where the provider gave no answer.
func answerClass(status int) string {
	switch {
	case status == http.StatusTooManyRequests:
		return "429"
	case status < 100 || status > 599:
		return "none"
	}
	return strconv.Itoa(status/100) + "xx"
}

// observeShadows counts what shadows judge otherwise.
func (m *metrics) observeShadows(list sentinel.Shadows) {
	for _, s := range list.Read() {
		policy := "rules"
		if s.Policy != "" {
			policy = "candidate"
		}
		if !s.Same {
			m.shadows.WithLabelValues(policy, s.Rule(), s.Action.String()).Inc()
		}
	}
}

// handler serves metrics and probes. Both are this process's own: a dependency that is away must neither take every replica out at once nor
// restart it. /livez fails while a loop stands still, and names it. With ?verbose, both tell how each part is, a line each: /livez the loops, and
// /readyz what look finds; with ?gateway, that waits for Envoy's listener too.
func (m *metrics) handler(alive *loops, look func(context.Context) []admin.Component, gateway func(context.Context) error) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, r *http.Request) {
		list := alive.look(time.Now())
		if slices.ContainsFunc(list, func(c admin.Component) bool { return c.State == admin.StateDown }) {
			http.Error(w, "a loop stands still: only a restart helps\n"+strings.TrimSuffix(lines(list), "\n"), http.StatusServiceUnavailable)
			return
		}
		_, _ = fmt.Fprintln(w, "ok")
		if r.URL.Query().Has("verbose") {
			_, _ = fmt.Fprint(w, lines(list))
		}
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if !m.serving.Load() {
			http.Error(w, "stopping: calls in flight are ended, new ones go elsewhere", http.StatusServiceUnavailable)
			return
		}
		if r.URL.Query().Has("gateway") {
			if err := gateway(r.Context()); err != nil {
				http.Error(w, err.Error(), http.StatusServiceUnavailable)
				return
			}
		}
		_, _ = fmt.Fprintln(w, "ok")
		if r.URL.Query().Has("verbose") {
			_, _ = fmt.Fprint(w, lines(look(r.Context())))
		}
	})
	return mux
}
