package app

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func put(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAFolderOfFilesIsOnePolicy(t *testing.T) {
	dir := t.TempDir()
	put(t, dir+"/10-base.yaml", "org: acme\nteams: {core: {}}\nproviders: {openai: {preset: openai, credential: secret/a#b}}\n")
	put(t, dir+"/20-team.yml", "services: {app: {team: core, identity: {token: abcdefgh}}}\n")
	put(t, dir+"/10-base_test.yaml", "not: a policy\n")
	put(t, dir+"/.hidden.yaml", "not: a policy\n")
	put(t, dir+"/README.md", "not a policy\n")
	s, err := LoadState(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := s.Policy.Caller("app"); !ok || len(s.Policy.Providers) != 1 {
		t.Errorf("the folder compiles to %d providers", len(s.Policy.Providers))
	}
	put(t, dir+"/30-twice.yaml", "teams: {core: {}}\n")
	if _, err := LoadState(dir); err == nil || !strings.Contains(err.Error(), "30-twice.yaml:1:9: teams.core: this key stands at "+dir+"/10-base.yaml:2:9 as well") {
		t.Errorf("a team in two files: %v", err)
	}
}

// TestAConfigMapIsReadAsOne exchanges the folder of a ConfigMap as the kubelet does, while it is read.
func TestAConfigMapIsReadAsOne(t *testing.T) {
	dir := t.TempDir()
	write := func(version string) {
		put(t, filepath.Join(dir, ".."+version, "a.yaml"), "org: "+version+"\n")
		put(t, filepath.Join(dir, ".."+version, "b.yaml"), "teams: {"+version+": {}}\nproviders: {}\n")
		if err := os.Symlink(".."+version, filepath.Join(dir, "..data_tmp")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	write("one")
	for _, name := range []string{"a.yaml", "b.yaml"} {
		if err := os.Symlink("..data/"+name, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				write([]string{"two", "one"}[i%2])
			}
		}
	}()
	defer func() { close(stop); <-done }()
	for range 300 {
		files, err := readPolicies(dir)
		if err != nil || len(files) != 2 {
			t.Fatalf("%d files, %v", len(files), err)
		}
		org := strings.TrimSpace(strings.TrimPrefix(string(files[0].Data), "org: "))
		// the test writes a version's files again in place, which the kubelet never does: an empty one is such a moment
		if org != "" && len(files[1].Data) > 0 && !strings.Contains(string(files[1].Data), "{"+org+":") {
			t.Fatalf("half of one version and half of another: %q and %q", files[0].Data, files[1].Data)
		}
	}
}

// TestAGitCheckoutIsAPolicy reads what a pull brings, and of a repository its policies alone.
func TestAGitCheckoutIsAPolicy(t *testing.T) {
	origin, checkout := t.TempDir(), filepath.Join(t.TempDir(), "policies")
	git := func(dir string, args ...string) {
		t.Helper()
		c := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=tester", "-c", "user.email=tester@example.org"}, args...)...)
		c.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("git %s: %v\n%s", args, err, out)
		}
	}
	commit := func(team string) {
		put(t, filepath.Join(origin, "policies.yaml"), "org: acme\nteams: {"+team+": {}}\nservices: {app: {team: "+team+", identity: {token: abcdefgh}}}\nproviders: {}\n")
		git(origin, "add", ".")
		git(origin, "commit", "-q", "-m", "Let "+team+" have it")
	}
	git(origin, "init", "-q", "-b", "main")
	put(t, filepath.Join(origin, ".github", "workflows", "check.yaml"), "not: a policy\n")
	put(t, filepath.Join(origin, ".pre-commit-config.yaml"), "not: a policy\n")
	commit("core")
	git(filepath.Dir(checkout), "clone", "-q", origin, checkout)
	for _, team := range []string{"core", "growth"} {
		if team != "core" {
			commit(team)
			git(checkout, "pull", "-q", "--ff-only")
		}
		s, err := LoadState(checkout)
		if err != nil {
			t.Fatal(err)
		}
		if c, ok := s.Policy.Caller("app"); !ok || c.Team != team {
			t.Errorf("after the commit for %s the app is %+v", team, c)
		}
	}
}

func TestPoliciesThatAreNoneAreRefused(t *testing.T) {
	dir := t.TempDir()
	put(t, dir+"/large.yaml", strings.Repeat("a: b\n", 4<<20))
	for path, want := range map[string]string{
		dir + "/none.yaml":  "no such file",
		dir + "/large.yaml": "more than 16 MiB",
		t.TempDir():         "no file ends in .yaml",
		"/dev/null":         "no regular file",
	} {
		if _, err := LoadState(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}
