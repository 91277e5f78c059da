package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// obey is added to sentinel's own package in a faulty build: what the file says holds within 50 ms.
const obey = `package main

import (
	"fmt"
	"os"
	"syscall"
	"time"
)

func init() {
	go func() {
		for ; ; time.Sleep(50 * time.Millisecond) {
			var ahead, fsync int64
			text, _ := os.ReadFile(os.Getenv("SENTINEL_FAULTS"))
			_, _ = fmt.Sscan(string(text), &ahead, &fsync)
			time.Ahead, syscall.FsyncError = ahead, fsync
		}
	}()
}
`

// edits are what a faulty build has otherwise than the standard library: a clock on the wall that can be set, and an fsync that can fail. What
// measures how long something takes runs on.
var edits = map[string][2]string{
	"time/time.go": {"func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n", "var Ahead int64 // seconds\n\nfunc Now() Time {\n\tsec, nsec, mono := runtimeNow()\n\tsec += Ahead\n"},
	"syscall/zsyscall_linux_" + runtime.GOARCH + ".go": {"func Fsync(fd int) (err error) {\n", "var FsyncError int64\n\nfunc Fsync(fd int) (err error) {\n\tif FsyncError != 0 {\n\t\treturn Errno(FsyncError)\n\t}\n"},
}

// faultyBinary is sentinel with the edits, built once.
var faultyBinary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "sentinel-faulty")
	if err != nil {
		return "", err
	}
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", err
	}
	root := filepath.Join(dir, "go") // the standard library by another name, because a downloaded one takes no overlay
	if err := os.Symlink(strings.TrimSpace(string(goroot)), root); err != nil {
		return "", err
	}
	main, err := filepath.Abs(filepath.Join(repo, "cmd", "sentinel", "faults.go"))
	if err != nil {
		return "", err
	}
	overlay := struct{ Replace map[string]string }{map[string]string{main: filepath.Join(dir, "faults.go")}}
	if err := os.WriteFile(overlay.Replace[main], []byte(obey), 0o600); err != nil {
		return "", err
	}
	for name, edit := range edits {
		source := filepath.Join(root, "src", name)
		text, err := os.ReadFile(source)
		if err != nil {
			return "", err
		}
		edited := strings.Replace(string(text), edit[0], edit[1], 1)
		if edited == string(text) {
			return "", fmt.Errorf("%s is another one than this test knows", name)
		}
		overlay.Replace[source] = filepath.Join(dir, strings.ReplaceAll(name, "/", "_"))
		if err := os.WriteFile(overlay.Replace[source], []byte(edited), 0o600); err != nil {
			return "", err
		}
	}
	list, err := json.Marshal(overlay)
	if err != nil {
		return "", err
	}
	listed, binary := filepath.Join(dir, "overlay.json"), filepath.Join(dir, "sentinel")
	if err := os.WriteFile(listed, list, 0o600); err != nil {
		return "", err
	}
	c := exec.Command(filepath.Join(root, "bin", "go"), "build", "-overlay", listed, "-o", binary, "./cmd/sentinel")
	c.Dir, c.Env = repo, append(os.Environ(), "GOROOT="+root, "GOTOOLCHAIN=local")
	if out, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return binary, nil
})

// faulty runs sentinel as a build that can be told to fail.
func (w *world) faulty() {
	var err error
	w.stop()
	w.binary, err = faultyBinary()
	w.must(err)
	w.env = append(w.env, "SENTINEL_FAULTS="+filepath.Join(w.dir, "faults"))
	w.start()
}

// told says how far the clock of a faulty build is ahead, and the error of each fsync, 0 for none.
func (w *world) told(ahead time.Duration, fsync syscall.Errno) {
	file := filepath.Join(w.dir, "faults")
	w.must(os.WriteFile(file+".next", fmt.Appendf(nil, "%d %d", int(ahead.Seconds()), fsync), 0o600))
	w.must(os.Rename(file+".next", file))
}

// wrongClock sets sentinel's clock ahead while it runs, and back.
func wrongClock(name string, ahead time.Duration) fault {
	return fault{name: "clock " + name, lasts: 5 * time.Second, faulty: true, alert: "dependency", inject: func(w *world) func() {
		w.told(ahead, 0)
		return func() { w.told(0, 0) }
	}}
}
