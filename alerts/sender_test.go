package alerts

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/slack-go/slack"
	"go.uber.org/goleak"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorder is a channel that keeps what it got, and answers as it is told.
type recorder struct {
	mu    sync.Mutex
	got   []Outgoing
	at    []time.Time
	wrong func(n int) error // of the n-th send
}

func (r *recorder) Send(_ context.Context, o Outgoing) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got, r.at = append(r.got, o), append(r.at, time.Now())
	if r.wrong != nil {
		if err := r.wrong(len(r.got)); err != nil {
			return "", err
		}
	}
	return "root", nil
}

func testMachine(rules ...string) *Machine {
	m := &Machine{Rules: map[string]Rule{}, Timing: DefaultTiming(), Edits: map[string]bool{"chat": true}}
	for _, r := range rules {
		m.Rules[r] = Rule{Name: r, To: []string{"chat"}, ResolveAfter: time.Minute}
	}
	return m
}

// process is one replica's inbox and sender.
func process(ctx context.Context, wait *sync.WaitGroup, st Store, m *Machine, ch Channel, name string, more ...func(*Sender)) *Inbox {
	in := &Inbox{Store: st, Machine: func() *Machine { return m }, Log: zerolog.Nop()}
	s := &Sender{Store: st, Machine: in.Machine, Channels: func() map[string]Channel { return map[string]Channel{"chat": ch} }, Holder: name, Log: zerolog.Nop()}
	for _, f := range more {
		f(s)
	}
	wait.Go(func() { _ = in.Run(ctx) })
	wait.Go(func() { _ = s.Run(ctx) })
	return in
}

func TestStormOverThreeProcesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var wait sync.WaitGroup
		st, ch, m := newMemory(), &recorder{}, testMachine("budget", "errors", "latency")
		var replicas []*Inbox
		for i := range 3 {
			replicas = append(replicas, process(ctx, &wait, st, m, ch, fmt.Sprint("p", i)))
		}
		opened := map[string]bool{}
		for n := range 10_000 {
			rule := []string{"budget", "errors", "latency"}[n%3]
			e := Event{Rule: rule, Scope: fmt.Sprintf("service/s%03d", n%500), Firing: n/500%2 == 0, Title: "over", At: time.Now()}
			replicas[n%3].Report(e)
			opened[sentinel.IncidentID(rule, e.Scope, "")] = opened[sentinel.IncidentID(rule, e.Scope, "")] || e.Firing
			time.Sleep(6 * time.Millisecond)
		}
		time.Sleep(20 * time.Minute)
		cancel()
		wait.Wait()
		seen := map[string]bool{}
		all := st.resolved
		for _, g := range st.groups {
			all = append(all, g.Incidents...)
		}
		for _, i := range all {
			seen[i.ID] = true
			if i.Notified.IsZero() {
				t.Errorf("nobody was told of %s %s", i.Rule, i.Scope)
			}
		}
		for id, was := range opened {
			if was && !seen[id] {
				t.Errorf("incident %s was missed", id)
			}
		}
		last := map[string]time.Time{}
		for i, o := range ch.got {
			if i > 0 && ch.at[i].Sub(ch.at[i-1]) < time.Second {
				t.Errorf("two sends within %s", ch.at[i].Sub(ch.at[i-1]))
			}
			if o.Kind == sentinel.DeliverMessage {
				if was, ok := last[o.Group]; ok && o.At.Sub(was) < 5*time.Minute {
					t.Errorf("two messages of %s within %s", o.Group, o.At.Sub(was))
				}
				last[o.Group] = o.At
			}
		}
	})
}

func TestFirstMessageWithinFiveSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var wait sync.WaitGroup
		st, ch := newMemory(), &recorder{}
		in := process(ctx, &wait, st, testMachine("budget"), ch, "p")
		time.Sleep(10 * time.Second)
		start := time.Now()
		in.Report(Event{Rule: "budget", Scope: "team/growth", Firing: true, Title: "80 %", At: start})
		time.Sleep(10 * time.Second)
		cancel()
		wait.Wait()
		if len(ch.at) != 1 || ch.at[0].Sub(start) > 3*time.Second {
			t.Errorf("sends at %v, want one within 3 s of %s", ch.at, start)
		}
	})
}

func TestNothingIsLostWhateverTheChannelSays(t *testing.T) {
	hour := func(n int, start time.Time) error {
		if time.Since(start) < time.Hour {
			return fmt.Errorf("answered 500")
		}
		return nil
	}
	for name, tt := range map[string]struct {
		wrong func(start time.Time) func(int) error
		sends func(n int) bool
	}{
		"taken, and the answer lost": {func(time.Time) func(int) error {
			return func(n int) error {
				if n == 1 {
					return context.DeadlineExceeded
				}
				return nil
			}
		}, func(n int) bool { return n == 2 }},
		"429 with Retry-After": {func(time.Time) func(int) error {
			return func(n int) error {
				if n == 1 {
					return &Limited{After: 90 * time.Second, Err: errors.New("429")}
				}
				return nil
			}
		}, func(n int) bool { return n == 2 }},
		"500 for an hour": {func(start time.Time) func(int) error { return func(n int) error { return hour(n, start) } }, func(n int) bool { return n > 50 && n < 100 }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				var wait sync.WaitGroup
				st, ch := newMemory(), &recorder{wrong: tt.wrong(time.Now())}
				in := process(ctx, &wait, st, testMachine("budget"), ch, "p")
				in.Report(Event{Rule: "budget", Scope: "team/growth", Firing: true, Title: "80 %", At: time.Now()})
				time.Sleep(2 * time.Hour)
				cancel()
				wait.Wait()
				if !tt.sends(len(ch.got)) || !st.outbox[0].done {
					t.Errorf("%d sends, done %v", len(ch.got), st.outbox[0].done)
				}
				for _, o := range ch.got {
					if o.ID != ch.got[0].ID {
						t.Errorf("ids %s and %s of one message", o.ID, ch.got[0].ID)
					}
				}
				if name == "429 with Retry-After" && ch.at[1].Sub(ch.at[0]) < 90*time.Second {
					t.Errorf("asked again after %s", ch.at[1].Sub(ch.at[0]))
				}
			})
		})
	}
}

// A pause is the channel's: what another group has to say waits for it as well.
func TestRetryAfterHoldsTheWholeChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var wait sync.WaitGroup
		st, ch := newMemory(), &recorder{wrong: func(n int) error {
			if n == 1 {
				return &Limited{After: 90 * time.Second, Err: errors.New("429")}
			}
			return nil
		}}
		in := process(ctx, &wait, st, testMachine("budget", "errors"), ch, "p")
		in.Report(Event{Rule: "budget", Scope: "team/growth", Firing: true, Title: "80 %", At: time.Now()})
		time.Sleep(10 * time.Second)
		in.Report(Event{Rule: "errors", Scope: "provider/openai", Firing: true, Title: "they fail", At: time.Now()})
		time.Sleep(5 * time.Minute)
		cancel()
		wait.Wait()
		if len(ch.at) != 3 || ch.at[1].Sub(ch.at[0]) < 90*time.Second {
			t.Errorf("sends at %v: want three, none within 90 s after the first", ch.at)
		}
	})
}

// What a full group or inbox does not keep is counted.
func TestWhatIsNotKeptIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var wait sync.WaitGroup
		st, ch := newMemory(), &recorder{}
		in := process(ctx, &wait, st, testMachine("budget"), ch, "p")
		for n := range maxIncidents + 7 {
			in.Report(Event{Rule: "budget", Scope: fmt.Sprint("service/s", n), Firing: true, Title: "over", At: time.Now()})
		}
		time.Sleep(time.Second)
		cancel()
		wait.Wait()
		if in.Dropped() != 7 || len(st.groups["budget"].Incidents) != maxIncidents {
			t.Errorf("%d dropped, %d incidents", in.Dropped(), len(st.groups["budget"].Incidents))
		}
	})
}

func TestStoreAwayKeepsReports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var wait sync.WaitGroup
		st, ch := newMemory(), &recorder{}
		st.away = errors.New("gone")
		in := process(ctx, &wait, st, testMachine("budget"), ch, "p")
		in.Report(Event{Rule: "budget", Scope: "team/growth", Firing: true, Title: "80 %", At: time.Now()})
		time.Sleep(time.Minute)
		st.mu.Lock()
		st.away = nil
		st.mu.Unlock()
		time.Sleep(10 * time.Second)
		cancel()
		wait.Wait()
		if len(ch.got) != 1 {
			t.Errorf("%d sends after the store came back, want 1", len(ch.got))
		}
	})
}

// The absence of the database is the one message that cannot wait in it. One process tells it, once an absence.
func TestTheStoresOwnAbsenceIsToldByOneProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var wait sync.WaitGroup
		st, ch, m := newMemory(), &recorder{}, testMachine("dependency")
		var away []func() time.Duration
		for i := range 3 {
			process(ctx, &wait, st, m, ch, fmt.Sprint("p", i), func(s *Sender) {
				s.Outage = func() (Message, []string) {
					return Message{Rule: "dependency", Title: "gone"}, []string{"chat", "none such"}
				}
				away = append(away, s.Away)
			})
		}
		absent := func(d time.Duration, want int) {
			t.Helper()
			st.mu.Lock()
			st.away = errors.New("gone")
			st.mu.Unlock()
			time.Sleep(d)
			ch.mu.Lock()
			sent := len(ch.got)
			ch.mu.Unlock()
			if sent != want || away[1]() == 0 {
				t.Errorf("%d sends after an absence of %s, which the second process says lasts %s; want %d", sent, d, away[1](), want)
			}
			st.mu.Lock()
			st.away = nil
			st.mu.Unlock()
			time.Sleep(5 * time.Second)
			if away[1]() != 0 {
				t.Errorf("the store is back, and is said to be away for %s", away[1]())
			}
		}
		time.Sleep(5 * time.Second)
		absent(blindAfter/2, 0)
		absent(3*blindAfter, 1)
		absent(3*blindAfter, 2)
		cancel()
		wait.Wait()
		if a, b := ch.got[0], ch.got[1]; a.Title != "gone" || a.ID == b.ID || a.ID == "" {
			t.Errorf("told: %+v and %+v", a.Message, b.Message)
		}
	})
}

// A button that is pressed after the end is no lost word: what an anomaly was counts for the last incident. That somebody has it in hand does not.
func TestWhatIsSaidAfterTheEndIsKept(t *testing.T) {
	m, st := testMachine("odd"), newMemory()
	press := func(a Act) {
		t.Helper()
		if err := Answer(t.Context(), st, m, "odd", Press{Act: a, By: "ana"}); err != nil {
			t.Fatalf("%s: %v", a, err)
		}
	}
	if err := Record(t.Context(), st, m, Event{Rule: "odd", Scope: "service/app/any", Firing: true, At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	press(Confirm)
	press(Resolve)
	for _, a := range []Act{Acknowledge, Snooze, Resolve} {
		if err := Answer(t.Context(), st, m, "odd", Press{Act: a, By: "ana"}); !errors.Is(err, sentinel.ErrIncidentOver) {
			t.Errorf("%s of nothing that is open: %v", a, err)
		}
	}
	press(Dismiss)
	var said []string
	for _, h := range st.history {
		if h.By == "ana" {
			said = append(said, h.What)
		}
	}
	if want := []string{sentinel.FeedbackTrue, "resolved", sentinel.FeedbackFalse}; !slices.Equal(said, want) {
		t.Errorf("the history has %q, want %q", said, want)
	}
	ended := Press{Act: Dismiss, By: "ana", Ended: true}
	if err := Answer(t.Context(), st, m, "odd", ended); err != nil || st.history[len(st.history)-1].What != sentinel.FeedbackFalse {
		t.Errorf("pressed where the end is told: %v", err)
	}
	st.resolved[0].Resolved = time.Now().Add(-31 * 24 * time.Hour)
	for _, p := range []Press{{Act: Dismiss, By: "ana"}, {Act: Plan, By: "ana"}, ended} {
		if err := Answer(t.Context(), st, m, "odd", p); !errors.Is(err, sentinel.ErrIncidentOver) {
			t.Errorf("%s after a month: %v", p.Act, err)
		}
	}
	if err := Record(t.Context(), st, m, Event{Rule: "odd", Scope: "service/app/any", Firing: true, At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if err := Answer(t.Context(), st, m, "odd", ended); !errors.Is(err, sentinel.ErrIncidentOver) || st.groups["odd"].Incidents[0].State != sentinel.IncidentOpen {
		t.Errorf("a false alarm of before silences an incident that opened since: %v", err)
	}
}

// What an anomaly was can be said in every state; other incidents are answered while they wait.
func TestButtonsFollowTheState(t *testing.T) {
	for _, tt := range []struct {
		scope string
		state sentinel.IncidentState
		want  []Act
		value string
	}{
		{"service/app/any", sentinel.IncidentOpen, []Act{Acknowledge, Snooze, Plan, Confirm, Dismiss}, "odd"},
		{"service/app/any", sentinel.IncidentAcknowledged, []Act{Plan, Confirm, Dismiss}, "odd"},
		{"service/app/any", sentinel.IncidentResolved, []Act{Plan, Confirm, Dismiss}, "odd" + afterEnd},
		{"provider/openai", sentinel.IncidentSnoozed, []Act{Acknowledge, Snooze, Plan}, "odd"},
		{"provider/openai", sentinel.IncidentAcknowledged, nil, ""},
		{"provider/openai", sentinel.IncidentResolved, nil, ""},
	} {
		var got []Act
		for _, b := range NewSlack(SlackConfig{Buttons: true}, nil).buttons(Message{Group: "odd", Scope: tt.scope, State: tt.state.String()}) {
			button := b.(*slack.ButtonBlockElement)
			if got = append(got, Act(button.ActionID)); button.Value != tt.value {
				t.Errorf("%s, %s: the button %s has %q, want %q", tt.scope, tt.state, button.ActionID, button.Value, tt.value)
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s, %s: buttons %q, want %q", tt.scope, tt.state, got, tt.want)
		}
	}
}
