package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheckWarnsAndStrictRefuses(t *testing.T) {
	name := filepath.Join(t.TempDir(), "policies.yaml")
	text := pricedPolicy + "policies:\n  - {name: dear, match: {model: gpt-unheard-of, endpoint: chat.completion}, limits: {requests: 5/minute}}\n"
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := command(t, "policy", "check", name)
	if err != nil {
		t.Fatalf("warnings are no faults: %v", err)
	}
	for _, want := range []string{
		"warning: " + name + ":6:33: policies[0].match.model[0]: no price is known for model gpt-unheard-of at openai: its calls are denied (defaults.unpriced)\n",
		"policies[0].match.endpoint[0]: no provider of the rule offers an endpoint chat.completion: known are ", "is in order: version ",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	out, err = command(t, "policy", "check", "--strict", name)
	if f := (failure{}); !errors.As(err, &f) || f.code != exitUsage || !strings.Contains(out, "2 warnings") {
		t.Errorf("--strict: %v\n%s", err, out)
	}
	for _, example := range []string{"policies.yaml", "contract.yaml"} {
		if out, err := command(t, "policy", "check", "--strict", "../../examples/"+example); err != nil {
			t.Errorf("the example %s: %v\n%s", example, err, out)
		}
	}
}
