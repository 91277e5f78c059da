package alerts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

const appToken = "xapp-apptokenapptoken"

// pressedAt is a press as Slack brings it over a socket.
func pressedAt(r *rig, act Act, value string, at time.Time) string {
	return fmt.Sprintf(`{"type":"block_actions","user":{"id":"U1"},"response_url":%q,"actions":[{"action_id":%q,"block_id":"sentinel","value":%q,"type":"button","action_ts":"%d.000100"}]}`,
		r.http.URL+"/slack/api/response/1", act, value, at.Unix())
}

// listen has a door listen to the rig's Slack until the test ends.
func (d door) listen(t *testing.T, r *rig, token func() sentinel.Secret) *lockedBuffer {
	t.Helper()
	log := &lockedBuffer{}
	d.Log, d.Client, d.Replies = zerolog.New(log), r.client, func() []string { return []string{r.http.URL + "/slack/api/"} }
	ctx, cancel := context.WithCancel(context.Background())
	var wait sync.WaitGroup
	wait.Go(func() { d.Socket(ctx, SocketConfig{Token: token, API: r.http.URL + "/slack/api"}) })
	t.Cleanup(func() { cancel(); wait.Wait() })
	return log
}

// lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func soon(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 600 {
		if ok() {
			return
		}
		select {
		case <-t.Context().Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
	t.Fatalf("after 30 s it is still not so that %s", what)
}

func TestButtonsOverASocket(t *testing.T) {
	r, d := newRig(t), newDoor(t)
	d.listen(t, r, held(appToken))
	soon(t, "the gateway is connected", r.mock.Connected)
	press := func(act Act, at time.Time) {
		t.Helper()
		if err := r.mock.Interact(pressedAt(r, act, "budget", at)); err != nil {
			t.Fatalf("%s: %v", act, err)
		}
	}
	state := func() sentinel.IncidentState {
		d.st.mu.Lock()
		defer d.st.mu.Unlock()
		return d.state()
	}
	now := time.Now()
	press(Snooze, now.Add(-6*time.Minute))
	if state() != sentinel.IncidentOpen || len(r.mock.Messages("slack")) != 1 || !strings.Contains(r.took("slack"), "press again") {
		t.Errorf("late: %s, the member was told %s", state(), r.took("slack"))
	}
	press(Snooze, now)
	if state() != sentinel.IncidentSnoozed {
		t.Errorf("snoozed: %s", state())
	}
	press(Acknowledge, now)
	press(Snooze, now) // again what was pressed before
	if state() != sentinel.IncidentAcknowledged {
		t.Errorf("a repeated press is done again: %s", state())
	}
	if err := r.mock.Interact(`{"type":"view_submission","user":{"id":"U1"}}`); err != nil {
		t.Errorf("what is not for alerts is not confirmed: %v", err)
	}
	r.mock.Refresh()
	soon(t, "it is connected again", r.mock.Connected)
	press(Plan, now)
	d.st.mu.Lock()
	defer d.st.mu.Unlock()
	if !d.st.groups["budget"].Incidents[0].Planned {
		t.Error("after a new connection a press does nothing")
	}
}

// A store that is away leaves a press unconfirmed: Slack tells the member that it failed.
func TestAPressThatCouldNotBeWrittenIsNotConfirmed(t *testing.T) {
	r, d := newRig(t), newDoor(t)
	d.listen(t, r, held(appToken))
	soon(t, "the gateway is connected", r.mock.Connected)
	d.st.mu.Lock()
	d.st.away = errors.New("gone")
	d.st.mu.Unlock()
	if err := r.mock.Interact(pressedAt(r, Snooze, "budget", time.Now())); err == nil {
		t.Error("a press that was not written is confirmed")
	}
}

func TestARefusedAppTokenIsToldWithoutIt(t *testing.T) {
	r, d := newRig(t), newDoor(t)
	const wrong = "xapp-wrongtokenwrongtoken"
	log := d.listen(t, r, held(wrong))
	soon(t, "the refusal is logged", func() bool { return strings.Contains(log.String(), "invalid_auth") })
	if strings.Contains(log.String(), wrong) || r.mock.Connected() {
		t.Errorf("the log: %s", log)
	}
}
