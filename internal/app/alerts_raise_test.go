package app

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/alerts"
	"github.com/saas-sentinel/saas-sentinel/audit"
	"github.com/saas-sentinel/saas-sentinel/governor"
	"github.com/saas-sentinel/saas-sentinel/policy"
	"github.com/saas-sentinel/saas-sentinel/ratelimit"
)

// heldRows keeps actions, and holds the first ones back until so many have come: by then each press has read the budget.
type heldRows struct {
	mu      sync.Mutex
	actions []string
	first   int
	come    sync.WaitGroup
}

func (h *heldRows) AppendAudit(ctx context.Context, link func(sentinel.AuditRow) []sentinel.AuditRow, change func(context.Context) error) error {
	h.mu.Lock()
	hold := h.first > 0
	h.first--
	for _, r := range link(sentinel.AuditRow{}) {
		h.actions = append(h.actions, r.Action)
	}
	h.mu.Unlock()
	if hold {
		h.come.Done()
		h.come.Wait()
	}
	return change(ctx)
}

// TestOfTwoPressesAtOnceOneRaisesABudget presses the button of one alert twice at the same time, then once more.
func TestOfTwoPressesAtOnceOneRaisesABudget(t *testing.T) {
	state := compiled(t, "org: acme\nteams: {growth: {budget: {usd: 100/month, mode: hard}}}\n")
	limiter, err := ratelimit.Dial(t.Context(), ratelimit.Options{Addresses: []string{miniredis.RunT(t).Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = limiter.Close() }()
	const presses = 2
	rows := &heldRows{first: presses}
	rows.come.Add(presses)
	al := &alerting{app: &App{governor: governor.New(governor.Options{}, state), limiter: limiter, audit: &audit.Log{Rows: rows, Now: time.Now}}}
	al.book.Store(&book{members: map[string]policy.Person{"U1": {Name: "ada", Role: sentinel.RoleOperator}}})

	const cell = "team/growth/cost/month"
	faults := make(chan error, presses)
	for range presses {
		go func() {
			_, err := al.raise(t.Context(), "U1", cell)
			faults <- err
		}()
	}
	raised := 0
	for range presses {
		switch err := <-faults; {
		case err == nil:
			raised++
		case !errors.Is(err, alerts.ErrNotAllowed) || !errors.Is(err, errRaisedMeanwhile):
			t.Error(err)
		}
	}
	amount := func() sentinel.NanoUSD {
		overrides, err := limiter.Overrides(t.Context(), "acme")
		if err != nil {
			t.Fatal(err)
		}
		return sentinel.NanoUSD(overrides[cell].Max)
	}
	if got := amount(); raised != 1 || got != 120*sentinel.USD {
		t.Errorf("%d presses of %d at once raised the budget, to %s; want one, to $120", raised, presses, got)
	}
	slices.Sort(rows.actions)
	if want := []string{"limit.override", "limit.override", "limit.override.done", "limit.override.failed"}; !slices.Equal(rows.actions, want) {
		t.Errorf("audited: %v, want %v", rows.actions, want)
	}
	if _, err := al.raise(t.Context(), "U1", cell); err != nil || amount() != 144*sentinel.USD {
		t.Errorf("a press after them: %s, %v, want $144", amount(), err)
	}
}
