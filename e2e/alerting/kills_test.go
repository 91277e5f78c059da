package alerting

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/alerts"
)

// mood is how the services answer: most are slow to say that they took a message, some never do, some want a pause, and for a time all fail.
type mood struct {
	mu       sync.Mutex
	random   *rand.Rand
	out      atomic.Bool // everything is answered with 500
	inflight atomic.Int64
	lost     map[string]int // answers that never came, by service
	said     map[string]int // other faults, by status
	pauses   map[string]time.Time
	early    int // requests before the end of a pause
}

const (
	slowest    = 600 * time.Millisecond
	askedPause = 2 // seconds of Retry-After
)

func (m *mood) wrap(services http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.inflight.Add(1)
		defer m.inflight.Add(-1)
		service, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		pick, wait := m.throw(service)
		switch {
		case m.out.Load():
			m.fail(w, http.StatusInternalServerError)
		case pick < 3: // of a hundred
			m.mu.Lock()
			m.pauses[service] = time.Now().Add(askedPause * time.Second)
			m.mu.Unlock()
			w.Header().Set("Retry-After", strconv.Itoa(askedPause))
			m.fail(w, http.StatusTooManyRequests)
		case pick < 6: // taken, and no answer until the sender gives up
			services.ServeHTTP(httptest.NewRecorder(), r)
			m.mu.Lock()
			m.lost[service]++
			m.mu.Unlock()
			<-r.Context().Done()
		default:
			answer := httptest.NewRecorder()
			services.ServeHTTP(answer, r)
			time.Sleep(wait) // the message is taken, and the sender does not know yet: here a kill makes a repeat
			for k, v := range answer.Header() {
				w.Header()[k] = v
			}
			w.WriteHeader(answer.Code)
			_, _ = w.Write(answer.Body.Bytes())
		}
	})
}

func (m *mood) throw(service string) (pick int, wait time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if time.Now().Before(m.pauses[service]) {
		m.early++
	}
	return m.random.IntN(100), time.Duration(m.random.Int64N(int64(slowest)))
}

func (m *mood) fail(w http.ResponseWriter, status int) {
	m.mu.Lock()
	m.said[strconv.Itoa(status)]++
	m.mu.Unlock()
	w.WriteHeader(status)
}

// unheard forgets the pauses that a killed process may not have written down.
func (m *mood) unheard() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for service, end := range m.pauses {
		if time.Until(end) > (askedPause-1)*time.Second {
			delete(m.pauses, service)
		}
	}
}

// TestSenderKilledAnywhereLosesNothing kills the process that sends, ALERT_KILLS times at random points, while the services lose
// answers, want pauses and fail for an hour.
func TestSenderKilledAnywhereLosesNothing(t *testing.T) {
	kills := number("ALERT_KILLS", 4)
	m := &mood{random: rand.New(rand.NewPCG(9, uint64(kills))), lost: map[string]int{}, said: map[string]int{}, pauses: map[string]time.Time{}}
	f := newField(t, m.wrap)
	f.worker.Timing = alerts.DefaultTiming()
	f.worker.Rules = []alerts.Rule{{Name: "budget", Severity: sentinel.SeverityCritical, ByScope: true, ResolveAfter: time.Minute, To: []string{"chat", "hook"}}}
	machine := f.worker.machine()
	random := rand.New(rand.NewPCG(200, uint64(kills)))
	reported, flying, stalls := 0, 0, 0
	f.spawn(0)
	f.spawn(0)
	for n := range kills {
		if n == kills/2 {
			m.out.Store(true)
		}
		f.eventually("a process sends", time.Minute, func() bool { return f.holder() != "" })
		reported = f.supply(machine, reported)
		f.pause(time.Duration(random.Int64N(int64(1500 * time.Millisecond))))
		if n%2 == 0 { // every second one while a message is on its way
			for begin := time.Now(); m.inflight.Load() == 0 && time.Since(begin) < 10*time.Second; {
				f.pause(5 * time.Millisecond)
			}
			f.pause(time.Duration(random.Int64N(int64(slowest / 3))))
		}
		victim := f.holder()
		if victim == "" {
			f.eventually("a process sends", time.Minute, func() bool { return f.holder() != "" })
			victim = f.holder()
		}
		if m.inflight.Load() > 0 {
			flying++
		}
		if n%10 == 1 {
			stalls++
			f.stall(victim)
		}
		f.kill(victim)
		m.unheard()
		f.spawn(0)
		if n == kills/2+max(1, kills/20) { // the hour is over, as the rows that wait have it
			f.anHourPasses()
			m.out.Store(false)
		}
	}
	m.out.Store(false)
	f.eventually("every message is out", 20*time.Minute, func() bool {
		_, err := f.pool.Exec(t.Context(), `UPDATE alert_deliveries SET not_before = now() WHERE state = 'waiting' AND not_before > now() + INTERVAL '5 seconds'`)
		f.must(err)
		return f.count(`SELECT count(DISTINCT grp) FROM alert_deliveries WHERE state = 'sent'`) >= reported && f.count(waiting) == 0
	})
	f.judge(m, kills, stalls, flying, reported)
}

// judge checks what the services took, and keeps the figures.
func (f *field) judge(m *mood, kills, stalls, flying, reported int) {
	f.t.Helper()
	out := Figures{Title: "The sender killed at random points, on PostgreSQL", By: "make alert-kills"}
	out.Add("kill -9 of the process that sends", "200", "%d, %d of them with a message on its way; %d more had stood still and woke when another was sending", kills, flying, stalls)
	out.Add("faults of the services", "", "%d answers lost after a message was taken, %d times 429, %d times 500 within an hour of the rows' clock", m.lost["slack"]+m.lost["webhook"], m.said["429"], m.said["500"])
	for _, channel := range []string{"chat", "hook"} {
		lost := m.lost[map[string]string{"chat": "slack", "hook": "webhook"}[channel]]
		told, repeats := f.repeated(channel, reported)
		if repeats > kills+stalls+lost {
			f.t.Errorf("%s: %d repeats in %d kills, %d stalls and %d lost answers", channel, repeats, kills, stalls, lost)
		}
		out.Add(channel+": incidents told", "all", "%d of %d", told, reported)
		out.Add(channel+": repeats, all with the same id", "at most one a crash or lost answer", "%d for %d", repeats, kills+stalls+lost)
	}
	out.Add("requests before the end of a pause that a service had asked for", "0", "%d", m.early)
	if m.early > 0 {
		f.t.Errorf("%d requests came before the end of a pause", m.early)
	}
	for _, r := range out.Rows {
		f.t.Logf("%s: %s", r.What, r.Figure)
	}
	f.must(out.Write(os.Getenv("BENCH_ALERTS"), "kills"))
}

// stall has a process stand still until another has taken over, and wakes it.
func (f *field) stall(name string) {
	f.t.Helper()
	c := f.children[name]
	f.must(c.Process.Signal(syscall.SIGSTOP))
	f.eventually("another process sends", time.Minute, func() bool { h := f.holder(); return h != "" && h != name })
	f.must(c.Process.Signal(syscall.SIGCONT))
	f.pause(500 * time.Millisecond)
}

// supply reports incidents until enough waits to be sent, or nobody sends any longer.
func (f *field) supply(machine *alerts.Machine, reported int) int {
	f.t.Helper()
	for f.count(waiting) < 8 && f.holder() != "" {
		for range 4 {
			e := alerts.Event{Rule: "budget", Scope: fmt.Sprintf("service/s%05d", reported), Firing: true, Title: "over", At: time.Now().UTC()}
			f.must(alerts.Record(f.t.Context(), f.store, machine, e))
			reported++
		}
		f.pause(1500 * time.Millisecond) // they become deliveries after a second, by whichever process sends
	}
	return reported
}

// anHourPasses for what waits: its clock is moved a minute at a time, and the sender tries what is due.
func (f *field) anHourPasses() {
	f.t.Helper()
	for range 60 {
		_, err := f.pool.Exec(f.t.Context(), `UPDATE alert_deliveries SET not_before = not_before - INTERVAL '1 minute', created = created - INTERVAL '1 minute', pause = NULL WHERE state = 'waiting'`)
		f.must(err)
		f.pause(300 * time.Millisecond)
	}
}

// repeated checks that every incident was told under one id, and counts what came again.
func (f *field) repeated(channel string, reported int) (told, repeats int) {
	f.t.Helper()
	ids, times := map[string]string{}, map[string]int{}
	for _, m := range f.took(channel) {
		if id, ok := ids[m.scope]; ok && id != m.id {
			f.t.Errorf("%s: %s was told as %s and as %s", channel, m.scope, id, m.id)
		}
		ids[m.scope] = m.id
		if times[m.id]++; times[m.id] > 1 {
			repeats++
		}
	}
	for n := range reported {
		if scope := fmt.Sprintf("service/s%05d", n); ids[scope] == "" {
			f.t.Errorf("%s: %s was never told", channel, scope)
		} else {
			told++
		}
	}
	return told, repeats
}
