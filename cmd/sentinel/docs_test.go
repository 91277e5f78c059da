package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

var (
	shellBlock = regexp.MustCompile("(?ms)^```sh\n(.*?)^```")
	inlineCode = regexp.MustCompile("`(sentinel [a-z][^`\n]*)`")
	invocation = regexp.MustCompile(`(?:^|[\s(])(?:/)?sentinel ([a-z].*)`)
	longFlag   = regexp.MustCompile(`^--([a-z-]+)`)
)

// invocations are the command lines of a page that begin with sentinel.
func invocations(page string) (lines []string) {
	for _, b := range shellBlock.FindAllStringSubmatch(page, -1) {
		for _, line := range strings.Split(b[1], "\n") {
			line, _, _ = strings.Cut(line, " #")
			if m := invocation.FindStringSubmatch(line); m != nil && !strings.Contains(line, "helm ") && !strings.Contains(line, "kubectl ") {
				lines = append(lines, m[1])
			}
		}
	}
	for _, m := range inlineCode.FindAllStringSubmatch(page, -1) {
		lines = append(lines, strings.TrimPrefix(m[1], "sentinel "))
	}
	return lines
}

// unknownWord gives the first word or flag of a command line that the program does not know, or "".
func unknownWord(c *cobra.Command, line string) string {
	words := strings.Fields(line)
	for len(words) > 0 && c.HasAvailableSubCommands() {
		if first, rest, ok := strings.Cut(words[0], "|"); ok && rest != "" { // issue|list: each of them
			if bad := unknownWord(c, first); bad != "" {
				return bad
			}
			words[0] = rest
			continue
		}
		next, _, _ := c.Find(words[:1])
		if next == c {
			if strings.HasPrefix(words[0], "-") || c.ValidateArgs(words[:1]) == nil {
				break
			}
			return words[0]
		}
		c, words = next, words[1:]
	}
	for _, w := range words {
		if w == "|" || w == "&&" || w == ">" {
			break // another program, or a file
		}
		if m := longFlag.FindStringSubmatch(w); m != nil && c.Flags().Lookup(m[1]) == nil && c.InheritedFlags().Lookup(m[1]) == nil {
			return "--" + m[1]
		}
	}
	return ""
}

func TestCommandsOfTheDocumentsExist(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, page := range append(pages, "../../README.md", "../../CHANGELOG.md", "../../SECURITY.md") {
		data, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range invocations(string(data)) {
			if word := unknownWord(root(), line); word != "" {
				t.Errorf("%s: sentinel %s: there is no %s", page, line, word)
			}
			seen++
		}
	}
	if seen < 60 {
		t.Errorf("%d command lines were seen", seen)
	}
	for line, want := range map[string]string{"policy chekc x": "chekc", "rnu": "rnu", "usage --bye team": "--bye", "usage erase --service app": "",
		"tokens issue|lsit": "lsit"} {
		if got := unknownWord(root(), line); got != want {
			t.Errorf("unknownWord(%q) = %q, want %q", line, got, want)
		}
	}
}
