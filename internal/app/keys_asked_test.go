package app

import (
	"errors"
	"strings"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/admin"
	"github.com/saas-sentinel/saas-sentinel/credential"
	"github.com/saas-sentinel/saas-sentinel/governor"
	"github.com/saas-sentinel/saas-sentinel/policy"
	"github.com/saas-sentinel/saas-sentinel/store"
)

func TestARotationWithoutAnEndIsLostAfterItsTime(t *testing.T) {
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	begun := func(ago time.Duration) store.Rotation { return store.Rotation{By: "ada", Begun: now.Add(-ago)} }
	ended := func(fault string) store.Rotation {
		return store.Rotation{By: "ada", Begun: now.Add(-time.Hour), Ended: now.Add(-59 * time.Minute), Fault: fault}
	}
	for name, tt := range map[string]struct {
		last store.Rotation
		want string
	}{
		"none": {store.Rotation{}, admin.RotationNever}, "just begun": {begun(0), admin.RotationRunning}, "a moment before its time is over": {begun(rotationTaken - 1), admin.RotationRunning},
		"its time is over": {begun(rotationTaken), admin.RotationLost}, "done": {ended(""), admin.RotationDone}, "failed": {ended("no Vault"), admin.RotationFailed},
	} {
		if got := rotationState(tt.last, now); got != tt.want {
			t.Errorf("%s: %+v is %s, want %s", name, tt.last, got, tt.want)
		}
	}
	if rotationTaken <= rotationTime {
		t.Errorf("a rotation may take %s, and after %s another process begins the next", rotationTime, rotationTaken)
	}
}

func TestWhatARotationHasToBeGiven(t *testing.T) {
	for want, c := range map[string]policy.Credential{
		admin.TakesKey: {Path: "secret/openai", Field: "api_key"}, admin.TakesAWSKey: {Path: "secret/aws"},
		admin.TakesNothing: {Path: "secret/openai", Field: "api_key", Rotate: policy.Rotate{Make: policy.MakeOpenAI}}, admin.TakesElsewhere: {Path: "file:/run/keys/openai", Field: "api_key"},
	} {
		if got := takes(c); got != want {
			t.Errorf("%+v takes %s, want %s", c, got, want)
		}
	}
}

// A key that cannot be sent touches nothing: it is refused before there is a rotation that could fail.
func TestAKeyThatCannotBeSentBeginsNoRotation(t *testing.T) {
	for name, at := range map[string]struct {
		field, id, key string
		want           error
	}{
		"good": {"api_key", "", "sk-1", nil}, "a blank at its end": {"api_key", "", "sk-1 ", credential.ErrKeyText}, "a line break within": {"api_key", "", "sk\n-1", credential.ErrKeyText},
		"of AWS": {"", "AKIA1", "secret", nil}, "of AWS, with a blank": {"", "AKIA1", "secret ", credential.ErrKeyText}, "of AWS, with a blank in its id": {"", " AKIA1", "secret", credential.ErrKeyText},
	} {
		k := keyAt(governor.Route{Provider: policy.Provider{Credential: policy.Credential{Path: "secret/one", Field: at.field}}}, 0)
		if err := k.given(KeyRotation{Next: sentinel.NewSecret(at.key), NextID: at.id}); !errors.Is(err, at.want) {
			t.Errorf("%s: %v, want %v", name, err, at.want)
		}
	}
}

// A rotation that worked is none that was broken off because people could not be told.
func TestARotationThatNobodyWasToldOfIsNoFailure(t *testing.T) {
	refused, silent := errors.New("refused"), errors.New("no database")
	a := &App{}
	for name, tt := range map[string]struct {
		rotated, told error
		untold        bool
		left          error
	}{
		"worked, told": {nil, nil, false, nil}, "worked, not told": {nil, silent, true, nil}, "failed, told": {refused, nil, false, refused}, "failed, not told": {refused, silent, false, refused},
	} {
		err := andTold(tt.rotated, tt.told)
		if left := a.untold(err, "openai", 0); errors.Is(err, errUntold) != tt.untold || !errors.Is(left, tt.left) || tt.told != nil && !errors.Is(err, silent) {
			t.Errorf("%s: %v, of which %v is left", name, err, left)
		}
	}
}

// A process tests its own lease by what the policy says: a path that somebody sends along would be forgotten, and the lease never replaced.
func TestALeaseIsTestedByThePolicyAlone(t *testing.T) {
	state := func(preset, test string) *governor.State {
		p := policy.Provider{Name: "own", Preset: preset, Host: "api.example.com", Credential: policy.Credential{Path: "lent/one", Field: "api_key", Rotate: policy.Rotate{Make: policy.MakeVault, Test: test}}}
		return &governor.State{Ordered: []governor.Route{{Provider: p}}}
	}
	for name, tt := range map[string]struct {
		preset, test string
		refused      bool
	}{"no test": {"", "", true}, "a preset's": {"openai", "", false}, "the policy's": {"", "/v1/me", false}} {
		k, err := keyOf(state(tt.preset, tt.test), Config{}, KeyRotation{Provider: "own", TestPath: "/v1/asked"})
		k.close()
		if refused := errors.Is(err, errRotationInput) && strings.Contains(err.Error(), "set rotate.test in the policy"); refused != tt.refused || err != nil && !refused {
			t.Errorf("%s: %v, want it refused: %t", name, err, tt.refused)
		}
	}
}

func TestATimeIsWrittenAsPeopleDo(t *testing.T) {
	for d, want := range map[time.Duration]string{
		15 * time.Minute: "15 minutes", time.Minute: "1 minute", 24 * time.Hour: "24 hours", time.Hour: "1 hour", 25 * time.Second: "25 seconds", 90 * time.Second: "90 seconds", 200 * time.Millisecond: "200ms", 0: "0s",
	} {
		if got := spell(d); got != want {
			t.Errorf("%d ns is %q, want %q", d, got, want)
		}
	}
}
