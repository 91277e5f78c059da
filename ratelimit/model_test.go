package ratelimit

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/ratelimit/limitertest"
)

func TestModel(t *testing.T) {
	limitertest.Run(t, func(*testing.T) limitertest.Bench {
		now := time.Now()
		return limitertest.Bench{Limiter: NewModel(func() time.Time { return now }), Advance: func(d time.Duration) { now = now.Add(d) }}
	})
}

// windowsOfJourneys are so short that a journey comes from one into the next.
const windowsOfJourneys = 40 * time.Minute

// journey makes random asks and settlements over few cells, so that they meet.
type journey struct {
	*rand.Rand
	now  time.Time
	past []taken
}

type taken struct {
	ask  sentinel.Ask
	hold sentinel.Hold
}

func (j *journey) limit() sentinel.Limit {
	n := j.IntN(3)
	l := sentinel.Limit{Cell: fmt.Sprint("cell/", n), Soft: j.IntN(6) == 0}
	switch j.IntN(4) {
	case 0:
		l.Kind, l.Measure, l.Max, l.Period = sentinel.Rate, sentinel.MeasureTokens, int64(1+j.IntN(5000)), []time.Duration{time.Second, time.Minute, time.Hour}[n]
	case 1:
		l.Kind, l.Measure, l.Max = sentinel.Concurrent, sentinel.MeasureConcurrent, int64(1+j.IntN(4))
	default:
		l.Kind, l.Measure, l.Charge = sentinel.Window, sentinel.MeasureCost, n > 0
		l.WarnAt = [][]int64{nil, {5000, 8000, 10000}, {1, 20000}}[j.IntN(3)]
		l.Max = []int64{1000, 1<<53 + 1, 500_000_000_000_000_000}[n]
		l.Start = j.now.UTC().Truncate(windowsOfJourneys)
		l.End = l.Start.Add(windowsOfJourneys)
		if j.IntN(2) == 0 {
			l.Rollover, l.Before = int64(1+j.IntN(sentinel.FullShare)), l.Start.Add(-windowsOfJourneys)
		}
	}
	if j.IntN(4) == 0 {
		l.Spare = int64(j.IntN(sentinel.FullShare))
	}
	return l
}

func (j *journey) ask() sentinel.Ask {
	if len(j.past) > 0 && j.IntN(12) == 0 {
		return j.past[j.IntN(len(j.past))].ask
	}
	a := sentinel.Ask{Org: "acme", Call: sentinel.NewCallID(j.now), TTL: time.Duration(1+j.IntN(300)) * time.Second}
	a.Candidates = j.candidates("")
	if j.IntN(3) == 0 {
		for i := range 1 + j.IntN(sentinel.MaxShadows) {
			a.Shadows = append(a.Shadows, j.candidates(fmt.Sprint("shadow ", i, "/")))
		}
	}
	return a
}

// candidates makes some with limits in cells under a prefix; those of a shadow look at the call's own cells as well.
func (j *journey) candidates(shadow string) (out []sentinel.Candidate) {
	for range 1 + j.IntN(3) {
		c := sentinel.Candidate{Bound: j.amounts()}
		c.Bound[sentinel.MeasureConcurrent] = 1
		if j.IntN(2) == 0 {
			most := int64(1 + j.IntN(2000))
			c.Cut = sentinel.Cut{Least: 1 + j.Int64N(1+most/8), Most: most, Base: c.Bound, Step: sentinel.Amounts{sentinel.MeasureTokens: j.Int64N(3), sentinel.MeasureCost: []int64{0, 1, j.Int64N(1000), j.Int64N(400_000_000_000)}[j.IntN(4)]}}
			c.Bound = c.Cut.At(most)
		}
		for range 1 + j.IntN(4) {
			l := j.limit()
			if l.Look = shadow != "" && j.IntN(3) == 0; !l.Look {
				l.Cell = shadow + l.Cell
			}
			same := func(o sentinel.Limit) bool { return keyOf(o) == keyOf(l) }
			if !slices.ContainsFunc(c.Limits, same) { // a cell stands once in a candidate
				c.Limits = append(c.Limits, l)
			}
		}
		out = append(out, c)
	}
	return out
}

func (j *journey) amounts() sentinel.Amounts {
	cost := []int64{0, int64(j.IntN(1200)), int64(j.Uint64N(1 << 53)), 1<<53 + 1, int64(j.Uint64N(300_000_000_000_000_000))}
	return sentinel.Amounts{sentinel.MeasureRequests: 1, sentinel.MeasureTokens: int64(j.IntN(3000)), sentinel.MeasureCost: cost[j.IntN(len(cost))]}
}

// peek compares what both count. Sums past 64 bits are only known to be large.
func (j *journey) peek(t *testing.T, scripts *Redis, model *Model, limits []sentinel.Limit) {
	t.Helper()
	got, err := scripts.Peek(t.Context(), "acme", limits)
	want, errModel := model.Peek(t.Context(), "acme", limits)
	if err != nil || errModel != nil || len(got) != len(want) {
		t.Fatalf("Peek gave %v, %v and %v, %v", got, err, want, errModel)
	}
	for i := range got {
		if got[i].Posted != math.MaxInt64 && want[i].Posted != math.MaxInt64 && got[i].Used != math.MaxInt64 && !reflect.DeepEqual(got[i], want[i]) {
			t.Fatalf("Peek(%+v) (−model +scripts):\n%s", limits[i], cmp.Diff(want[i], got[i]))
		}
	}
}

// carried counts the windows of an ask that have taken something over.
func (j *journey) carried(t *testing.T, model *Model, a sentinel.Ask) (n int) {
	t.Helper()
	uses, err := model.Peek(t.Context(), a.Org, a.Candidates[0].Limits)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range uses {
		if u.Carried > 0 {
			n++
		}
	}
	return n
}

func TestModelAndScriptsAgreeOnRandomJourneys(t *testing.T) {
	steps, seeds := 12_000, 12
	if os.Getenv("E2E") == "must" || full() {
		steps = 120_000
	}
	t.Cleanup(func() {
		if !t.Failed() {
			publish(t, "differential", map[string]any{"what": "random steps on which the scripts and the pure Go model agree", "steps": steps, "seeds": seeds, "different": 0})
		}
	})
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			m := miniredis.RunT(t)
			travel(t, uint64(seed), steps/seeds, dial(t, m.Addr()), func(now time.Time, d time.Duration) {
				m.SetTime(now)
				m.FastForward(d)
			})
		})
	}
}

func TestModelAndScriptsAgreeOnRealRedis(t *testing.T) {
	addr := realRedis(t)
	r := dialAt(t, addr)
	clock := redisClock(t, r, journeysStart)
	travel(t, 99, 4000, r, func(_ time.Time, d time.Duration) { clock(d) })
}

var journeysStart = time.UnixMicro(1_790_000_000_123_457)

func travel(t *testing.T, seed uint64, steps int, scripts *Redis, advance func(now time.Time, d time.Duration)) {
	j := &journey{Rand: rand.New(rand.NewPCG(seed, 2026)), now: journeysStart}
	advance(j.now, 0)
	model := NewModel(func() time.Time { return j.now })
	seen := map[string]int{}
	for step := range steps {
		switch n := j.IntN(10); {
		case n < 3:
			d := []time.Duration{time.Microsecond, 700 * time.Millisecond, 9 * time.Second, 2 * time.Minute, 40 * time.Minute, 49 * time.Hour}[min(j.IntN(9), j.IntN(6))]
			if j.IntN(3) > 0 {
				d = min(d, time.Second)
			}
			j.now = j.now.Add(d)
			advance(j.now, d)
		case n < 7 || len(j.past) == 0:
			a := j.ask()
			j.peek(t, scripts, model, a.Candidates[0].Limits)
			tried, errTry := scripts.Try(t.Context(), a)
			got, err := scripts.Reserve(t.Context(), a)
			want, errModel := model.Reserve(t.Context(), a)
			if (err != nil) != (errModel != nil) || !reflect.DeepEqual(got, want) {
				t.Fatalf("step %d: Reserve(%+v) gave %v, %v (−model +scripts):\n%s", step, a, err, errModel, cmp.Diff(want, got))
			}
			same := got
			same.Hold, same.Crossed = "", nil
			if (err != nil) != (errTry != nil) || err == nil && !reflect.DeepEqual(tried, same) {
				t.Fatalf("step %d: Try(%+v) said %v (−reserved +tried):\n%s", step, a, errTry, cmp.Diff(same, tried))
			}
			if got.Chosen >= 0 {
				j.past = append(j.past, taken{a, got.Hold})
				j.past = j.past[max(0, len(j.past)-40):]
			}
			seen[fmt.Sprint("chosen ", min(got.Chosen, 1))]++
			if got.Tokens > 0 {
				seen["cut"]++
			}
			seen["carried over"] += j.carried(t, model, a)
			seen["crossed by a refusal"] += len(got.Crossed)
			for _, shadow := range got.Shadows {
				seen[fmt.Sprint("shadow ", min(shadow.Chosen, 1))]++
			}
		default:
			p := j.past[j.IntN(len(j.past))]
			s := sentinel.Settlement{Org: p.ask.Org, Call: p.ask.Call, Hold: p.hold, Actual: j.amounts()}
			for range j.IntN(len(p.ask.Shadows) + 1) {
				s.Shadows = append(s.Shadows, j.amounts())
			}
			got, err := scripts.Settle(t.Context(), s)
			want, errModel := model.Settle(t.Context(), s)
			if err != nil || errModel != nil || !reflect.DeepEqual(got, want) {
				t.Fatalf("step %d: Settle(%+v) = %+v, %v; the model says %+v, %v", step, s, got, err, want, errModel)
			}
			seen[fmt.Sprint("duplicate ", got.Duplicate)]++
			seen["crossed by a settlement"] += len(got.Crossed)
		}
	}
	for _, k := range []string{"chosen -1", "chosen 0", "chosen 1", "shadow -1", "shadow 0", "shadow 1", "duplicate true", "duplicate false", "crossed by a refusal", "crossed by a settlement", "cut", "carried over"} {
		if seen[k] == 0 {
			t.Errorf("the journey never saw %q: %v", k, seen)
		}
	}
}
