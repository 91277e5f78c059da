package app

import (
	"testing"
	"time"

	"github.com/saas-sentinel/saas-sentinel/admin"
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
