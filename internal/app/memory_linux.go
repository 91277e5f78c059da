package app

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// mapping is a part of a process' memory, as /proc/PID/smaps has it (proc_pid_smaps(5)).
type mapping struct {
	from, to     uintptr
	rights, file string
	own          bool // it holds pages that were written to, as relocations are: no file has them
}

// dropProgram takes the pages of the program's file out of this process' tables.
func dropProgram() error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	if program, err = filepath.EvalSymlinks(program); err != nil {
		return err
	}
	text, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return err
	}
	for _, m := range mappings(string(text)) {
		if m.file != program || m.own || strings.Contains(m.rights, "w") {
			continue
		}
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, m.from, m.to-m.from, unix.MADV_DONTNEED); errno != 0 {
			return fmt.Errorf("give back %s: %w", m.file, errno)
		}
	}
	return nil
}

// mappings reads smaps. What it cannot read it takes for a process' own.
func mappings(smaps string) (out []mapping) {
	for line := range strings.Lines(smaps) {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		if name, ok := strings.CutSuffix(f[0], ":"); ok {
			if (name == "Anonymous" || name == "Swap") && len(out) > 0 && (len(f) < 2 || f[1] != "0") {
				out[len(out)-1].own = true
			}
			continue
		}
		from, to, _ := strings.Cut(f[0], "-")
		start, err := strconv.ParseUint(from, 16, 64)
		end, err1 := strconv.ParseUint(to, 16, 64)
		m := mapping{from: uintptr(start), to: uintptr(end), own: err != nil || err1 != nil || len(f) < 6}
		if len(f) >= 6 {
			m.rights, m.file = f[1], strings.Join(f[5:], " ")
		}
		out = append(out, m)
	}
	return out
}
