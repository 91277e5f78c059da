package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// Commands stand in the middle of a sentence, and at the beginning of a line of a block.
var (
	inSentence = regexp.MustCompile("`sentinel ([^`\n]+)`")
	inBlock    = regexp.MustCompile(`(?m)^(?:[A-Z_]+=\S+ )*sentinel (.+)$`)
)

// Whoever reads of a command or a flag finds it.
func TestCommandsThatDocumentsNameExist(t *testing.T) {
	repo, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	list := exec.Command("git", "ls-files", "-co", "--exclude-standard", "*.md")
	list.Dir = repo
	out, err := list.Output()
	if err != nil {
		t.Skipf("git ls-files: %v: this looks at the files of a checkout", err)
	}
	seen := 0
	for _, page := range strings.Fields(string(out)) {
		text, err := os.ReadFile(filepath.Join(repo, page))
		if err != nil {
			t.Fatal(err)
		}
		for i, part := range strings.Split(string(text), "```") {
			pattern := inSentence
			if i%2 == 1 {
				pattern = inBlock
			}
			for _, m := range pattern.FindAllStringSubmatch(part, -1) {
				seen++
				if fault := unknown(fields(m[1])); fault != "" {
					t.Errorf("%s: sentinel %s: %s", page, m[1], fault)
				}
			}
		}
	}
	if seen < 100 {
		t.Errorf("only %d commands were seen", seen)
	}
	for line, want := range map[string]string{"limits show --config x": "", "limits shew": "shew", "limits show --colour": "--colour", "usage -x": "-x", "usages": "usages"} {
		if got := unknown(fields(line)); (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

// unknown says which word of a command nobody knows, empty for none. Words in capitals stand for what a reader puts in.
func unknown(words []string) string {
	c, rest, err := root().Find(words)
	if err != nil {
		return err.Error()
	}
	for i, word := range rest {
		flag, _, _ := strings.Cut(strings.TrimRight(word, ",;"), "=")
		switch {
		case strings.ContainsAny(word, "|>#<"):
			return ""
		case strings.HasPrefix(flag, "--") && len(flag) > 2 && flag != "--help" && c.Flag(flag[2:]) == nil,
			!strings.HasPrefix(flag, "--") && strings.HasPrefix(flag, "-") && len(flag) == 2 && shorthand(c, flag[1:]) == "":
			return "no flag " + flag
		case i == 0 && c.HasSubCommands() && c.ValidateArgs([]string{word}) != nil && regexp.MustCompile(`^[a-z]`).MatchString(word):
			return "no command " + word
		}
	}
	return ""
}

func shorthand(c *cobra.Command, letter string) string {
	if f := c.Flags().ShorthandLookup(letter); f != nil {
		return f.Name
	}
	return ""
}
