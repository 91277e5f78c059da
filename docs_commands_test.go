package sentinel_test

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

var (
	shellBlock = regexp.MustCompile("(?ms)^```sh\n(.*?)^```")
	anyBlock   = regexp.MustCompile("(?ms)^```.*?^```$")
	unfenced   = regexp.MustCompile(`(?m)^    (sentinel|go|make|kubectl|helm|docker|curl|vault|tofu) .*$`)
	testFunc   = regexp.MustCompile(`(?m)^func (Test[A-Z]\w*)\(`)
)

// runs says who runs each command that a document shows: a test by its name, a make target, or nobody, with the reason. The first that fits counts.
var runs = []struct{ page, begins, by string }{
	{"README.md", "make demo", "TestDayOfTrafficIsExactOnTheLedger"},
	{"README.md", "make test", "make test"},
	{"SECURITY.md", "make hostile", "make hostile"},
	{"SECURITY.md", "make mutate-security", "make mutate-security"},
	{"deploy/compose/README.md", "cp deploy/compose/example.env", "make deploy-check"},
	{"deploy/compose/README.md", "docker compose -f deploy/compose/compose.yaml up", "needs Docker's daemon; make deploy-check loads the file as docker compose does"},
	{"deploy/compose/README.md", "docker compose -f deploy/compose/compose.yaml exec", "TestTheManualsWriteToVault"},
	{"deploy/k8s/README.md", "kubectl", "needs a cluster; make charts checks what is applied against three releases of Kubernetes"},
	{"deploy/terraform/README.md", "cd deploy/terraform/examples/eks", "leads to where tofu runs"},
	{"deploy/terraform/README.md", "tofu init", "make deploy-check"},
	{"deploy/terraform/README.md", "tofu apply", "needs a cloud; make deploy-check validates the example and tests its modules with mocks"},
	{"docs/alerts.md", "sentinel ", "TestTheAlertsManualRuns"},
	{"docs/dashboard.md", "curl", "TestTheOperatorsManualRuns"},
	{"docs/deployment.md", "kubectl", "needs a cluster"},
	{"docs/deployment.md", "helm install", "make charts"},
	{"docs/deployment.md", "sentinel ", "TestTheOperatorsManualRuns"},
	{"docs/egress.md", "HTTPS_PROXY=http://checkout:TOKEN@gateway:3128 SSL_CERT_FILE=bundle.pem python app.py", "TestUnchangedClientsAreGovernedThroughTheProxy"},
	{"docs/egress.md", "HTTPS_PROXY=", "TestTheEgressManualRuns"},
	{"docs/egress.md", "sentinel ", "TestTheEgressManualRuns"},
	{"docs/egress.md", "vault ", "TestTheManualsWriteToVault"},
	{"docs/ledger.md", "sentinel ", "TestTheLedgersManualRuns"},
	{"docs/operations.md", "sentinel ", "TestTheOperatorsManualRuns"},
	{"docs/operations.md", "go tool pprof", "TestTheOperatorsManualRuns"},
	{"docs/policy.md", "sentinel ", "TestThePolicyManualRuns"},
	{"docs/providers.md", "vault ", "TestTheManualsWriteToVault"},
	{"docs/quickstart.md", "make tools build", "make tools"},
	{"docs/quickstart.md", "", "TestTheQuickStartRuns"},
	{"docs/scale.md", "go run ./e2e/scalemodel", "TestTheOperatorsManualRuns"},
	{"docs/upgrade.md", "pg_dump", "TestBackupAndRestoreOfTheManual"},
	{"docs/upgrade.md", "createdb", "TestBackupAndRestoreOfTheManual"},
	{"docs/upgrade.md", "pg_restore", "TestBackupAndRestoreOfTheManual"},
	{"docs/upgrade.md", "sentinel ", "TestBackupAndRestoreOfTheManual"},
}

// tests are the names of the project's tests.
func tests(t *testing.T) map[string]bool {
	t.Helper()
	out, err := exec.Command("git", "grep", "-hE", "--untracked", `^func Test[A-Z]`, "--", "*_test.go").Output()
	if err != nil {
		t.Skipf("git grep: %v: this looks at the files of a checkout", err)
	}
	found := map[string]bool{}
	for _, m := range testFunc.FindAllStringSubmatch(string(out), -1) {
		found[m[1]] = true
	}
	return found
}

func TestEveryCommandOfTheDocumentsIsRun(t *testing.T) {
	known, makefile, used := tests(t), text(t, "Makefile"), make([]bool, len(runs))
	for _, page := range tracked(t, ".md") {
		for _, block := range shellBlock.FindAllStringSubmatch(text(t, page), -1) {
			for line := range strings.Lines(block[1]) {
				if strings.TrimSpace(line) != "" && !mark(used, page, line) {
					t.Errorf("%s shows a command that nobody runs: %s", page, line)
				}
			}
		}
		other := anyBlock.ReplaceAllStringFunc(text(t, page), func(block string) string {
			if strings.HasPrefix(block, "```sh\n") {
				return ""
			}
			return strings.ReplaceAll(block, "\n", "\n    ")
		})
		if line := unfenced.FindString(other); line != "" {
			t.Errorf("%s shows a command outside of a block of sh: %s", page, strings.TrimSpace(line))
		}
	}
	for i, r := range runs {
		target, isTarget := strings.CutPrefix(r.by, "make ")
		switch {
		case !used[i]:
			t.Errorf("%s shows no command any longer that begins with %q", r.page, r.begins)
		case strings.HasPrefix(r.by, "Test") && !known[r.by]:
			t.Errorf("%s: %s is to be run by %s, which is no test", r.page, r.begins, r.by)
		case isTarget && !regexp.MustCompile(`(?m)^`+regexp.QuoteMeta(target)+`:`).MatchString(makefile):
			t.Errorf("%s: %s is to be run by %s, which is no target", r.page, r.begins, r.by)
		}
	}
}

// mark notes who runs a line of a page.
func mark(used []bool, page, line string) bool {
	for i, r := range runs {
		if r.page == page && strings.HasPrefix(line, r.begins) {
			used[i] = true
			return true
		}
	}
	return false
}
