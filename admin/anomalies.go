package admin

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/ml/detect"
	"github.com/saas-sentinel/saas-sentinel/ml/forecast"
)

// Anomalies is what the detectors found unusual, and what people said of it.
type Anomalies interface {
	UnusualScores(ctx context.Context, since time.Time) ([]sentinel.Score, error)
	Feedback(ctx context.Context, since time.Time) ([]sentinel.Feedback, error)
}

// Anomaly is a time in which a service was unusual: minutes that lie close together.
type Anomaly struct {
	Service  string    `json:"service"`
	Team     string    `json:"team"`
	From     time.Time `json:"from" doc:"Begin of the first unusual minute."`
	To       time.Time `json:"to" doc:"End of the last."`
	Minutes  int       `json:"minutes" doc:"Unusual minutes within it."`
	Score    float64   `json:"score" doc:"Of the most unusual minute: one minus the share of the service's minutes that are as unusual."`
	Feature  string    `json:"feature" doc:"What was most unusual in that minute, as a column of the service's series."`
	Actual   float64   `json:"actual" doc:"Of the feature, in its unit."`
	Expected float64   `json:"expected"`
	Share    float64   `json:"share" doc:"The feature's part of all that was unusual in that minute."`
	Features []Feature `json:"features" nullable:"false" doc:"All that was unusual in that minute, the largest part first."`
	Impact   Money     `json:"impact" doc:"What the minutes cost above what was expected."`
	Why      string    `json:"why" doc:"The same in a sentence."`
	Verdict  string    `json:"verdict" enum:",confirmed,false alarm,planned" doc:"What people said of it last; empty for nothing."`
}

// Feature is a part of what was unusual.
type Feature struct {
	Feature string  `json:"feature"`
	Share   float64 `json:"share"`
}

// AnomalyPage is a part of the anomalies, the latest first.
type AnomalyPage struct {
	Anomalies []Anomaly `json:"anomalies" nullable:"false"`
	Next      string    `json:"next" doc:"Cursor of the next page; empty on the last."`
}

// cursor names an anomaly by its first minute and its service, of whose name it has a hash because names may be long.
func (a Anomaly) cursor() sentinel.Cursor {
	service := sha256.Sum256([]byte(a.Service))
	return sentinel.Cursor{At: a.From.UTC(), Row: string(service[:])}
}

// ExpectedSpend is a service's spend by the hour, beside what was forecast of it from the hours before all of them.
type ExpectedSpend struct {
	Service string         `json:"service"`
	Known   bool           `json:"known"`
	Reason  string         `json:"reason,omitempty" doc:"Why nothing is expected."`
	Hours   []ExpectedHour `json:"hours" nullable:"false"`
}

// ExpectedHour is an hour of it.
type ExpectedHour struct {
	At       time.Time `json:"at"`
	Actual   Money     `json:"actual"`
	Expected Money     `json:"expected"`
	Lo95     Money     `json:"lo95" doc:"Bounds that 95 of 100 hours stay within."`
	Hi95     Money     `json:"hi95"`
}

const (
	// anomalyGap is how long a service may be quiet within one anomaly, as its incident stays open for.
	anomalyGap = 15 * time.Minute
	// anomalySpan is the longest period of a question: scores are kept so long.
	anomalySpan = 92 * 24 * time.Hour
	leastHours  = 3 * dayHours // of history, below which a band would say nothing
)

type anomaliesInput struct {
	Period
	PageQuery
	Service string `query:"service" maxLength:"100" doc:"Of one service alone."`
}

type expectedInput struct {
	Service string `query:"service" required:"true" minLength:"1" maxLength:"100"`
	Hours   int    `query:"hours" minimum:"1" maximum:"336" default:"72" doc:"Until the last whole hour."`
}

func (s *Server) anomalyRoutes() {
	register(s, operation{id: "list-anomalies", method: http.MethodGet, path: "/anomalies", tag: "anomalies", summary: "When services were unusual, the latest first", role: sentinel.RoleViewer}, s.anomalies)
	register(s, operation{id: "get-expected-spend", method: http.MethodGet, path: "/anomalies/expected", tag: "anomalies", summary: "A service's spend by the hour, beside what was expected of it", role: sentinel.RoleViewer}, s.expected)
}

func (s *Server) anomalies(ctx context.Context, in *anomaliesInput) (*answer[AnomalyPage], error) {
	if err := in.resolve(s); err != nil {
		return nil, err
	}
	after, err := in.after()
	if err != nil {
		return nil, err
	}
	if in.To.Sub(in.From) > anomalySpan {
		return nil, huma.Error400BadRequest("from: scores are kept for 90 days")
	}
	scores, err := s.Backend.UnusualScores(ctx, in.From)
	if err != nil {
		return nil, s.fault("anomalies", err)
	}
	said, err := s.Backend.Feedback(ctx, in.From)
	if err != nil {
		return nil, s.fault("anomalies", err)
	}
	scores = slices.DeleteFunc(scores, func(v sentinel.Score) bool {
		return !v.At.Before(in.To) || in.Service != "" && v.Service != in.Service
	})
	list := anomaliesAfter(anomaliesOf(scores, said), after)
	list = list[:min(len(list), in.Limit)]
	return &answer[AnomalyPage]{AnomalyPage{list, next(list, in.Limit, Anomaly.cursor)}}, nil
}

// anomaliesAfter leaves out what pages before had. Where the last one of them is gone, because a late score has joined it to the one before, it goes on
// with what began earlier.
func anomaliesAfter(list []Anomaly, last sentinel.Cursor) []Anomaly {
	if last == (sentinel.Cursor{}) {
		return list
	}
	for i, a := range list {
		switch {
		case a.cursor() == last:
			return list[i+1:]
		case a.From.Before(last.At):
			return list[i:]
		}
	}
	return []Anomaly{}
}

// anomaliesOf joins unusual minutes into anomalies, the latest first, each with the last verdict that was given after its begin and
// before the service's next one.
func anomaliesOf(scores []sentinel.Score, said []sentinel.Feedback) []Anomaly {
	slices.SortFunc(scores, func(a, b sentinel.Score) int {
		return cmp.Or(strings.Compare(a.Service, b.Service), a.At.Compare(b.At), strings.Compare(a.Instance, b.Instance))
	})
	out := []Anomaly{}
	for _, v := range scores {
		end := v.At.Add(time.Minute)
		n := len(out) - 1
		if n < 0 || out[n].Service != v.Service || v.At.Sub(out[n].To) > anomalyGap {
			out = append(out, Anomaly{Service: v.Service, Team: v.Team, From: v.At})
			n++
		}
		a := &out[n]
		if end.After(a.To) { // another instance's view of a minute is no minute more
			a.To = end
			a.Minutes++
		}
		a.Impact += Money(v.Impact)
		if v.Score > a.Score {
			a.Score, a.Feature, a.Actual, a.Expected, a.Share = v.Score, v.Feature, v.Actual, v.Expected, v.Share
			a.Features = featuresOf(v)
		}
	}
	for i := range out {
		a := &out[i]
		a.Why = a.sentence()
		for _, f := range said {
			next := i+1 < len(out) && out[i+1].Service == a.Service && !f.At.Before(out[i+1].From)
			if f.Service == a.Service && !f.At.Before(a.From) && !next {
				a.Verdict = f.Verdict
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Anomaly) int { return b.From.Compare(a.From) })
	return out
}

// featuresOf gives all features of a minute; of one that an earlier release scored, the leading one.
func featuresOf(v sentinel.Score) []Feature {
	if len(v.Features) == 0 {
		return []Feature{{v.Feature, v.Share}}
	}
	out := make([]Feature, min(len(v.Features), len(v.Shares)))
	for i := range out {
		out[i] = Feature{v.Features[i], v.Shares[i]}
	}
	return out
}

// sentence says what was most unusual, and what else was.
func (a *Anomaly) sentence() string {
	value := func(v float64) string {
		if a.Feature == "error_rate" {
			return fmt.Sprintf("%.0f %%", 100*v)
		}
		return strconv.FormatFloat(v, 'f', decimals(v), 64) + detect.Unit(a.Feature)
	}
	out := fmt.Sprintf("%s %s, where %s was expected", detect.Noun(a.Feature, "minute"), value(a.Actual), value(a.Expected))
	if a.Expected > 0 && a.Feature != "error_rate" {
		out += fmt.Sprintf(" (%.1f times)", a.Actual/a.Expected)
	}
	out += fmt.Sprintf(": %.0f %% of what was unusual", 100*a.Share)
	var others []string
	for _, f := range a.Features {
		if f.Feature != a.Feature {
			others = append(others, fmt.Sprintf("%s %.0f %%", strings.TrimSuffix(detect.Noun(f.Feature, "minute"), ","), 100*f.Share))
		}
	}
	if len(others) > 0 {
		out += "; besides " + strings.Join(others, ", ")
	}
	return out
}

// decimals are the decimal places with which a number has about three significant digits, none of them an exponent.
func decimals(v float64) int {
	if v == 0 {
		return 0
	}
	return max(0, min(9, 2-int(math.Floor(math.Log10(math.Abs(v))))))
}

// expected forecasts the hours that were asked for from those before them, so that what is judged has no part in what judges it.
func (s *Server) expected(ctx context.Context, in *expectedInput) (*answer[ExpectedSpend], error) {
	end := s.Now().UTC().Truncate(time.Hour)
	from := end.Add(-time.Duration(in.Hours) * time.Hour)
	spent, first, err := s.hourly(ctx, from.Add(-historyHours*time.Hour), end, map[string]string{"service": in.Service})
	if err != nil {
		return nil, s.fault("expected spend", err)
	}
	out := ExpectedSpend{Service: in.Service, Hours: make([]ExpectedHour, in.Hours)}
	for i := range out.Hours {
		at := from.Add(time.Duration(i) * time.Hour)
		out.Hours[i] = ExpectedHour{At: at, Actual: Money(spent[at])}
	}
	y := series(spent, first, from)
	if len(y) < leastHours {
		out.Reason = "there is not enough history before these hours yet: three days are needed"
		return &answer[ExpectedSpend]{out}, nil
	}
	calendar, err := s.calendar(ctx, first, map[string]string{"service": in.Service})
	if err != nil {
		return nil, s.fault("expected spend", err)
	}
	f, err := forecast.Run(y, forecast.Options{H: in.Hours, Season: dayHours, Season2: weekHours, Calendar: calendar})
	if errors.Is(err, forecast.ErrShort) {
		out.Reason = err.Error()
		return &answer[ExpectedSpend]{out}, nil
	}
	if err != nil {
		return nil, s.fault("expected spend", err)
	}
	out.Known = true
	for i := range out.Hours {
		h := &out.Hours[i]
		h.Expected, h.Lo95, h.Hi95 = max(money(f.Mean[i]), 0), max(money(f.Lo95[i]), 0), max(money(f.Hi95[i]), 0)
	}
	return &answer[ExpectedSpend]{out}, nil
}
