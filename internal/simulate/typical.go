package simulate

import (
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// typical is what calls of one service to one model used of their bounds so far.
type typical struct {
	bound, actual [sentinel.MeasureCount]float64
	calls         int64
	took          time.Duration
}

// kind is what calls are alike in.
type kind struct{ service, provider, endpoint, model string }

// maxTypical bounds the kinds of calls that are remembered; past it others share one.
const maxTypical = 100_000

func (s *Simulator) like(e *sentinel.Entry, model string) *typical {
	key := kind{e.Caller.Service, e.Provider, e.Endpoint, model}
	t := s.typical[key]
	if t == nil {
		if len(s.typical) >= maxTypical {
			key = kind{}
		}
		if t = s.typical[key]; t == nil {
			t = &typical{}
			s.typical[key] = t
		}
	}
	return t
}

// see takes a call that ran.
func (t *typical) see(bound, actual sentinel.Amounts, took time.Duration) {
	for m := range bound {
		t.bound[m] += float64(bound[m])
		t.actual[m] += float64(actual[m])
	}
	t.calls++
	t.took += max(took, 0)
}

// of estimates what a call with a bound uses: the same share of it as its like. Where there is none, it uses all.
func (t *typical) of(bound sentinel.Amounts) sentinel.Amounts {
	out := bound
	for m := range out {
		if t.bound[m] > 0 {
			out[m] = int64(float64(bound[m]) * min(1, t.actual[m]/t.bound[m]))
		}
	}
	out[sentinel.MeasureRequests], out[sentinel.MeasureConcurrent] = bound[sentinel.MeasureRequests], bound[sentinel.MeasureConcurrent]
	return out
}

func (t *typical) duration() time.Duration {
	if t.calls == 0 {
		return unknownTakes
	}
	return t.took / time.Duration(t.calls)
}
