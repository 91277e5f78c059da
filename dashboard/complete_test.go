package dashboard

import (
	"os"
	"os/exec"
	"testing"
)

// The policy editor offers what the schema has at a place.
func TestTheEditorOffersWhatTheSchemaHas(t *testing.T) {
	if _, err := os.Stat("node_modules/typescript"); err != nil {
		if os.Getenv("E2E") == "must" {
			t.Fatal("the dashboard's packages are missing: run make dashboard")
		}
		t.Skip("the dashboard's packages are missing: run make dashboard")
	}
	if out, err := exec.CommandContext(t.Context(), "node", "test/complete.mjs").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out[max(0, len(out)-2000):])
	}
}
