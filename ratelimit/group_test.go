package ratelimit

import (
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/ratelimit/limitertest"
)

// TestOrganisationsOfAGroupShareALimit has two organisations with a budget of their own each and one together.
func TestOrganisationsOfAGroupShareALimit(t *testing.T) {
	m := miniredis.RunT(t)
	open := func(group string) *Redis {
		r, err := Dial(t.Context(), Options{Addresses: []string{m.Addr()}, Group: group})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = r.Close() })
		return r
	}
	one, other, apart := open("holding"), open("holding"), open("")
	own, shared := limitertest.Money(100), limitertest.Money(150)
	shared.Cell = sentinel.AcrossCells + "rule/key/cost/day"
	reserve := func(r *Redis, org string, amount int64) sentinel.Reservation {
		a := askOf([]sentinel.Limit{own, shared})
		a.Org, a.Candidates[0].Bound[sentinel.MeasureCost] = org, amount
		got, err := r.Reserve(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		if got.Chosen == 0 {
			if _, err := r.Settle(t.Context(), sentinel.Settlement{Org: org, Call: a.Call, Hold: got.Hold, Actual: a.Candidates[0].Bound}); err != nil {
				t.Fatal(err)
			}
		}
		return got
	}
	if got := reserve(one, "acme", 100); got.Chosen != 0 {
		t.Fatalf("%+v", got)
	}
	if got := reserve(other, "umbrella", 51); got.Chosen != -1 || got.Denials[0].Limit.Cell != shared.Cell || got.Denials[0].Remaining != 50 {
		t.Errorf("past the shared budget the other organisation got %+v", got)
	}
	if got := reserve(other, "umbrella", 50); got.Chosen != 0 {
		t.Errorf("the rest of the shared budget was refused: %+v", got.Denials)
	}
	if got := reserve(one, "acme", 1); got.Chosen != -1 || got.Denials[0].Limit.Cell != own.Cell {
		t.Errorf("past its own budget the organisation got %+v", got)
	}
	if got := reserve(apart, "initech", 100); got.Chosen != 0 {
		t.Errorf("an organisation of no group met %+v", got.Denials)
	}
	uses, err := other.Peek(t.Context(), "umbrella", []sentinel.Limit{own, shared})
	if err != nil || uses[0].Posted != 50 || uses[1].Posted != 150 {
		t.Errorf("it counts %+v, %v", uses, err)
	}
	for _, k := range m.Keys() {
		if !strings.HasPrefix(k, "{g:holding}:") && !strings.HasPrefix(k, "{o:initech}:") {
			t.Errorf("key %q is not in the group's slot", k)
		}
	}
}
