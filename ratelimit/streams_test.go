package ratelimit

import (
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/ratelimit/limitertest"
)

// TestStreamsUseABudgetUpWithoutPassingIt sends streams that say no maximum, of which twenty want to run at once, to a hard budget of ten
// dollars: each is held for 128,000 tokens at 10 dollars a million, and takes 500.
func TestStreamsUseABudgetUpWithoutPassingIt(t *testing.T) {
	const longest, takes, token, prompt, wanted = 128_000, 500, 10_000, 1_000_000, 20
	const budget = 10 * int64(sentinel.USD)
	run := func(least int64) (spent int64, served, most, cut int) {
		now := time.Now()
		model := NewModel(func() time.Time { return now })
		var flying []sentinel.Settlement
		land := func() {
			s := flying[0]
			flying = flying[1:]
			if _, err := model.Settle(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			spent += s.Actual[sentinel.MeasureCost]
		}
		for {
			a := askOf([]sentinel.Limit{limitertest.Money(budget)})
			c := &a.Candidates[0]
			c.Bound = sentinel.Amounts{sentinel.MeasureCost: prompt + longest*token}
			if least > 0 {
				c.Cut = sentinel.Cut{Least: least, Most: longest, Base: sentinel.Amounts{sentinel.MeasureCost: prompt}, Step: sentinel.Amounts{sentinel.MeasureCost: token}}
			}
			got, err := model.Reserve(t.Context(), a)
			switch {
			case err != nil:
				t.Fatal(err)
			case got.Chosen < 0 && len(flying) == 0:
				return spent, served, most, cut
			case got.Chosen < 0:
				land()
				continue
			case got.Tokens > 0:
				cut++
			}
			served++
			flying = append(flying, sentinel.Settlement{Org: a.Org, Call: a.Call, Hold: got.Hold, Actual: sentinel.Amounts{sentinel.MeasureCost: prompt + takes*token}})
			if most = max(most, len(flying)); len(flying) == wanted {
				land()
			}
		}
	}
	figures := map[string]any{"what": "streams without a maximum, held whole: 128,000 tokens at 10 dollars a million, of which they take 500, against a hard budget of 10 dollars, 20 at once"}
	for name, least := range map[string]int64{"held_whole": 0, "held_whole_and_clamped_from_1000_tokens": 1000} {
		spent, served, most, cut := run(least)
		figures[name] = map[string]any{"spent_percent": float64(spent*1000/budget) / 10, "served": served, "most_at_once": most, "clamped": cut, "overshoot_nano_usd": max(0, spent-budget)}
		if spent > budget {
			t.Errorf("%s: %d nano-dollars are spent of %d", name, spent, budget)
		}
		if least > 0 && spent < budget*99/100 {
			t.Errorf("%s: a call was refused with %d of %d spent", name, spent, budget)
		}
	}
	publish(t, "streams", figures)
}
