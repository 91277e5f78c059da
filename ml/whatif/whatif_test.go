package whatif

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

var begin = time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)

// price is 10 nano-dollars a token in, 1 from the cache, 40 out; a tenth of it for the mini.
func price(e sentinel.Entry) (sentinel.NanoUSD, error) {
	factor, ok := map[string]int64{"gpt-5": 10, "gpt-5-mini": 1, "gpt-5-pro": 100}[e.Model]
	if !ok {
		return 0, errors.New("no price")
	}
	u := e.Usage
	return sentinel.NanoUSD(factor * (10*u[sentinel.InputTokens] + u[sentinel.CachedInputTokens] + 40*u[sentinel.OutputTokens])), nil
}

func entry(at time.Duration, service, model string, in, cached, out int64) sentinel.Entry {
	var e sentinel.Entry
	e.At, e.Caller.Service, e.Provider, e.Endpoint, e.Model = begin.Add(at), service, "openai", "chat.completions", model
	e.Usage[sentinel.InputTokens], e.Usage[sentinel.CachedInputTokens], e.Usage[sentinel.OutputTokens] = in, cached, out
	e.Cost, _ = price(e)
	return e
}

func find(t *testing.T, days int, entries []sentinel.Entry) []Saving {
	t.Helper()
	f, err := New(begin, begin.AddDate(0, 0, days), Options{Reprice: price, MaxInput: UsualInput, MaxOutput: UsualOutput,
		Models: func(string, string) []string { return []string{"gpt-5", "gpt-5-mini", "gpt-5-pro", "gpt-4"} }})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		f.Add(e)
	}
	return f.Savings()
}

func TestShortCallsAreCheaperAtASmallerModel(t *testing.T) {
	var list []sentinel.Entry
	for day := range 10 {
		at := time.Duration(day) * 24 * time.Hour
		list = append(list, entry(at, "triage", "gpt-5", 100, 0, 10), entry(at+time.Hour, "triage", "gpt-5", 9000, 0, 10), entry(at+2*time.Hour, "mini", "gpt-5-mini", 100, 0, 10))
	}
	refused := entry(time.Hour, "triage", "gpt-5", 100, 0, 10)
	refused.Action = sentinel.Deny
	got := find(t, 10, append(list, refused))
	if len(got) != 1 {
		t.Fatalf("%+v, want one saving", got)
	}
	s := got[0]
	// A short call costs 10·(100·10 + 10·40) = 14,000 there and 1,400 at the mini.
	if s.Kind != CheaperModel || s.Service != "triage" || s.To != "gpt-5-mini" || s.Calls != 10 || s.OfCalls != 20 || s.Saved != 10*12_600 {
		t.Errorf("%+v", s)
	}
	if mean := float64(s.Month.Mean); math.Abs(mean-30*12_600) > 0.01*30*12_600 {
		t.Errorf("a month saves %.0f, want about %d", mean, 30*12_600)
	}
	m := s.Month
	if m.Lo95 >= m.Lo80 || m.Lo80 >= m.Mean || m.Mean >= m.Hi80 || m.Hi80 >= m.Hi95 {
		t.Errorf("bounds out of order: %+v", m)
	}
}

func TestPromptsThatBeginAlikeAreCheaperFromTheCache(t *testing.T) {
	var often, rare, known []sentinel.Entry
	for i := range 100 {
		often = append(often, entry(time.Duration(i)*time.Minute, "agent", "gpt-5", 5000+int64(i), 0, 2000))
		rare = append(rare, entry(time.Duration(i)*time.Hour, "agent", "gpt-5", 5000, 0, 2000))
		known = append(known, entry(time.Duration(i)*time.Minute, "agent", "gpt-5", 0, 5000, 2000))
	}
	got := find(t, 5, often)
	if len(got) != 1 || got[0].Kind != PromptCache || got[0].Calls != 99 {
		t.Fatalf("%+v, want a prompt cache for 99 calls", got)
	}
	// All 99 of at least 5,005 tokens read from the cache save 90 a token; half of it is told.
	if want := 99 * 5005 * 90.0 / 2; math.Abs(float64(got[0].Saved)-want) > 0.01*want {
		t.Errorf("saved %d, want about %.0f", got[0].Saved, want)
	}
	if m := got[0].Month; m.Lo95 < 0 || m.Lo95 > m.Mean/4 || m.Hi95 < m.Mean {
		t.Errorf("%+v: from about none to about all", m)
	}
	for name, list := range map[string][]sentinel.Entry{"an hour apart": rare, "from the cache already": known} {
		if got := find(t, 5, list); len(got) != 0 {
			t.Errorf("%s: %+v, want nothing", name, got)
		}
	}
}

// Where writing the cache costs more than sending a prompt, calls that come in pairs save what the second reads less what the first writes, and where the
// gateway's clients write it already nothing is lost.
func TestWritingTheCacheIsPaidFor(t *testing.T) {
	dear := func(write float64) func(sentinel.Entry) (sentinel.NanoUSD, error) {
		return func(e sentinel.Entry) (sentinel.NanoUSD, error) {
			c, err := price(e)
			return c + sentinel.NanoUSD(write*float64(e.Usage[sentinel.CacheWriteTokens])), err
		}
	}
	for name, tt := range map[string]struct {
		write   float64 // nano-dollars a token; a plain one costs 100, a cached one 10
		written bool    // the first of a pair writes it already
		want    float64 // a pair
	}{
		"no dearer":        {100, false, 2000 * 90},
		"a quarter dearer": {125, false, 2000 * (90 - 25)},
		"written already":  {125, true, 2000 * 90},
		"twice as dear":    {200, false, 0},
	} {
		f, err := New(begin, begin.AddDate(0, 0, 4), Options{Reprice: dear(tt.write), MaxInput: 1, MaxOutput: 1, Models: func(string, string) []string { return nil }})
		if err != nil {
			t.Fatal(err)
		}
		const pairs = 80
		for i := range pairs {
			at := time.Duration(i) * time.Hour
			first := entry(at, "agent", "gpt-5", 2000, 0, 100)
			if tt.written {
				first.Usage[sentinel.InputTokens], first.Usage[sentinel.CacheWriteTokens] = 0, 2000
			}
			f.Add(first)
			f.Add(entry(at+time.Minute, "agent", "gpt-5", 2000, 0, 100))
		}
		got := f.Savings()
		switch {
		case tt.want == 0 && len(got) != 0, tt.want > 0 && len(got) != 1:
			t.Errorf("%s: %+v", name, got)
		case tt.want > 0 && math.Abs(float64(got[0].Saved)-pairs*tt.want/2) > 1:
			t.Errorf("%s: saved %d, want %.0f", name, got[0].Saved, pairs*tt.want/2)
		}
	}
}

func TestWhatSavesMostStandsFirst(t *testing.T) {
	got := find(t, 2, []sentinel.Entry{entry(0, "small", "gpt-5", 10, 0, 1), entry(1, "large", "gpt-5", 1000, 0, 100), entry(2, "middle", "gpt-5", 100, 0, 10)})
	if len(got) != 3 || got[0].Service != "large" || got[1].Service != "middle" || got[2].Service != "small" {
		t.Errorf("%+v", got)
	}
}

func TestFamilies(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"gpt-5", "gpt-5-mini", true},
		{"gpt-5-2025-08-07", "gpt-5-mini", true},
		{"gpt-5", "gpt-5", false},
		{"gpt-5", "gpt-4", false},
		{"gpt-4o", "gpt-4o-audio", false},
		{"gpt-4o", "gpt-4o-mini-tts", false},
		{"claude-opus-4-5", "claude-haiku-4-5", true},
		{"claude-opus-4-5-20251101", "claude-haiku-4-5", true},
		{"claude-opus-4-1", "claude-haiku-4-5", false},
		{"gemini-2.5-pro", "gemini-2.5-flash", true},
		{"gemini-2.5-flash", "gemini-2.5-flash-lite", true},
	} {
		if got := sibling(c.a, c.b); got != c.want {
			t.Errorf("%s and %s: %v, want %v", c.a, c.b, got, c.want)
		}
	}
}

func TestPeriods(t *testing.T) {
	for _, d := range []time.Duration{0, -time.Hour, 401 * 24 * time.Hour} {
		if _, err := New(begin, begin.Add(d), Options{}); !errors.Is(err, ErrPeriod) {
			t.Errorf("%s: %v", d, err)
		}
	}
}

// A group's memory is bounded: what is thinned out still counts.
func TestManyCallsAreThinnedOut(t *testing.T) {
	var p prompts
	for i := range 3*maxPast + 1 {
		p.add(entry(time.Duration(i)*time.Second, "agent", "gpt-5", 5000, 0, 1), 0, price)
	}
	if len(p.past) > maxPast {
		t.Errorf("%d calls are kept, at most %d", len(p.past), maxPast)
	}
	if _, calls, _ := p.savings(1, 24*time.Hour); math.Abs(float64(calls)-3*maxPast) > 0.01*3*maxPast {
		t.Errorf("%d calls, want about %d", calls, 3*maxPast)
	}
	for n := range 20 { // whatever is left over when every second is dropped, there are no more calls than there were
		var p prompts
		made := 2*maxPast + 2*n
		for i := range made {
			p.add(entry(time.Duration(i)*time.Second, "agent", "gpt-5", 5000, 0, 1), 0, price)
		}
		if _, calls, _ := p.savings(1, 24*time.Hour); calls >= int64(made) {
			t.Fatalf("%d of %d calls, of which the first can read no cache", calls, made)
		}
	}
}

// A period's hours are no days: what an hour saves, 720 hours save 720 times.
func TestAMonthIsThirtyDaysOfAnyPeriod(t *testing.T) {
	for hours, calls := range map[int]int{1: 60, 36: 2160, 240: 14400} {
		f, err := New(begin, begin.Add(time.Duration(hours)*time.Hour), Options{Reprice: price, MaxInput: UsualInput, MaxOutput: UsualOutput,
			Models: func(string, string) []string { return []string{"gpt-5-mini"} }})
		if err != nil {
			t.Fatal(err)
		}
		for i := range calls {
			f.Add(entry(time.Duration(i)*time.Minute, "triage", "gpt-5", 100, 0, 0))
		}
		got := f.Savings()
		if len(got) != 1 {
			t.Fatalf("%+v", got)
		}
		// A call a minute saves 9,000 there.
		if want := 30 * 24 * 60 * 9000.0; math.Abs(float64(got[0].Month.Mean)-want) > 0.03*want {
			t.Errorf("from %d hours a month saves %d, want about %.0f", hours, got[0].Month.Mean, want)
		}
	}
}

// The bounds hold what they say of the month that follows a short record: its days are but some of those that could have come. Days that cost money
// make months that do; records that saved nothing in all are told to nobody.
func TestBoundsHoldTheMonthThatFollows(t *testing.T) {
	const records = 300
	saving := func(deviation float64) func(*rand.Rand) float64 {
		return func(r *rand.Rand) float64 { return 1e9 * math.Exp(deviation*r.NormFloat64()) }
	}
	costing := func(mean float64) func(*rand.Rand) float64 {
		return func(r *rand.Rand) float64 { return mean + 26e9*r.NormFloat64() }
	}
	for name, tt := range map[string]struct {
		kinds []func(*rand.Rand) float64
		off95 float64 // a record without any of its days that cost has too narrow bounds
	}{
		"days that save":          {[]func(*rand.Rand) float64{saving(0.2), saving(0.4), saving(0.7)}, 0.03},
		"days that save and cost": {[]func(*rand.Rand) float64{costing(15e9), costing(25e9), costing(40e9)}, 0.06},
	} {
		for _, days := range []int{3, 7, 30} {
			held80, held95, of := 0.0, 0.0, 0.0
			for _, day := range tt.kinds {
				for seed := range records {
					r := rand.New(rand.NewPCG(uint64(seed), uint64(days)))
					record, sum, month := make([]float64, days), 0.0, 0.0
					for i := range record {
						record[i] = day(r)
						sum += record[i]
					}
					if sum <= 0 {
						continue
					}
					for range monthDays {
						month += day(r)
					}
					got := simulate(record, time.Duration(days)*24*time.Hour, func(float64) float64 { return sum })
					in := func(lo, hi sentinel.NanoUSD) float64 {
						if month >= float64(lo) && month <= float64(hi) {
							return 1
						}
						return 0
					}
					held80, held95, of = held80+in(got.Lo80, got.Hi80), held95+in(got.Lo95, got.Hi95), of+1
				}
			}
			t.Logf("%s: from %d of them the bounds of 80 and 95 hold %.2f and %.2f", name, days, held80/of, held95/of)
			if math.Abs(held80/of-0.8) > 0.07 || math.Abs(held95/of-0.95) > tt.off95 {
				t.Errorf("%s: from %d of them the bounds of 80 and 95 hold %.2f and %.2f", name, days, held80/of, held95/of)
			}
		}
	}
}

// Where gains and costs nearly cancel, the saving told is the month's mean, and a month that costs is as possible as one that saves.
func TestAMonthOfGainsAndCostsMayCost(t *testing.T) {
	const saved = 7 * 2e9
	days := []float64{27e9, -25e9, 27e9, -25e9, 27e9, -25e9, 27e9, -25e9, 27e9, -25e9, 27e9, -25e9, 27e9, -25e9}
	got := simulate(days, 14*24*time.Hour, func(float64) float64 { return saved })
	if want := sentinel.NanoUSD(saved * 30 / 14); got.Mean < want-1 || got.Mean > want+1 || got.Lo80 >= 0 || got.Hi80 < 5*want {
		t.Errorf("months of days of +$27 and -$25 are %+v, want about %d, and bounds on both sides of nothing", got, want)
	}
}
