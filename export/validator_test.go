package export

import (
	"bytes"
	"encoding/xml"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// excused are failures of the validator's own release 1.0.0, which is the last one for Python 3.11 and knows FOCUS 1.0.
var excused = map[string]string{
	"BillingCurrency_IsCurrencyCode": "its package lacks its list of currencies",
	"ConsumedQuantity_IsDecimal":     "a column of whole numbers is an integer to it, and no decimal",
	"PricingQuantity_IsDecimal":      "likewise",
}

// versions are those that the validator may be asked for, the best first.
var versions = []string{"1.2", "1.1", "1.0"}

// TestTheFOCUSValidatorFindsNothing has FOCUS's own validator judge an export, by the rules about columns that it has in common with FOCUS 1.2;
// the others are checked by TestFOCUSColumnsTypesNullsAndValues. A file that is wrong must be found, so that the silence says something.
func TestTheFOCUSValidatorFindsNothing(t *testing.T) {
	validator := os.Getenv("FOCUS_VALIDATOR")
	if validator == "" {
		validator = filepath.Join("..", ".tools", "focus", "bin", "focus-validator")
	}
	if _, err := os.Stat(validator); err != nil {
		if os.Getenv("E2E") == "must" {
			t.Fatalf("the FOCUS validator is not installed: run make focus: %v", err)
		}
		t.Skipf("the FOCUS validator is not installed (make focus does it, with a network): %v", err)
	}
	version := newest(t, validator)
	var file bytes.Buffer
	w, err := NewFOCUSCSV(&file)
	if err != nil {
		t.Fatal(err)
	}
	written(t, w)
	columns, _ := focusCSV(t)
	passed, failed := judged(t, validator, version, columns, file.Bytes())
	if len(failed) > 0 || len(passed) < 40 {
		t.Errorf("by FOCUS %s %d rules hold, want at least 40; these do not: %v", version, len(passed), failed)
	}
	t.Logf("by FOCUS %s %d rules about our columns hold, and these are excused: %v", version, len(passed), excused)
	wrong := bytes.ReplaceAll(file.Bytes(), []byte(",AI and Machine Learning,"), []byte(",Nonsense,"))
	if _, failed := judged(t, validator, version, columns, wrong); !slices.ContainsFunc(failed, func(rule string) bool { return strings.HasPrefix(rule, "ServiceCategory") }) {
		t.Errorf("a wrong ServiceCategory is not found: %v", failed)
	}
}

// newest is the best version of FOCUS that a validator knows.
func newest(t *testing.T, validator string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), validator, "--data-file", os.DevNull, "--supported-versions").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	known := strings.Fields(string(out))
	for _, v := range versions {
		if slices.Contains(known, v) {
			return v
		}
	}
	t.Fatalf("the validator knows FOCUS %v alone", known)
	return ""
}

// judged gives the rules about columns that hold and that do not.
func judged(t *testing.T, validator, version string, columns []string, file []byte) (passed, failed []string) {
	t.Helper()
	dir := t.TempDir()
	data, report := filepath.Join(dir, "focus.csv"), filepath.Join(dir, "report.xml")
	if err := os.WriteFile(data, file, 0o600); err != nil {
		t.Fatal(err)
	}
	out, fault := exec.CommandContext(t.Context(), validator, "--data-file", data, "--validate-version", version,
		"--output-type", "unittest", "--output-destination", report).CombinedOutput() // it ends with 1 where a rule does not hold
	text, err := os.ReadFile(report)
	if err != nil {
		t.Fatalf("%v, %v: %s", err, fault, out)
	}
	var suites struct {
		Cases []struct {
			Name    string    `xml:"name,attr"`
			Failure *struct{} `xml:"failure"`
		} `xml:"testsuite>testcase"`
	}
	if err := xml.Unmarshal(text, &suites); err != nil {
		t.Fatal(err)
	}
	for _, c := range suites.Cases {
		rule, _, _ := strings.Cut(c.Name, " ")
		column, _, _ := strings.Cut(rule, "_")
		switch {
		case !slices.Contains(columns, column):
		case c.Failure == nil:
			passed = append(passed, rule)
		case excused[rule] == "":
			failed = append(failed, rule)
		}
	}
	return passed, failed
}
