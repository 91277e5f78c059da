package load

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"
)

// Use is what a process used. From Sample, CPU is since its start; in a Result, of the measured part.
type Use struct {
	CPU     time.Duration // user and system, in steps of 10 ms
	RSS     int64         // resident bytes now
	PeakRSS int64         // the most that was resident since the start; in a Result, while it was measured, where the kernel lets that be asked
}

// tick is the unit of CPU time in /proc: USER_HZ is 100 on every Linux architecture that Go runs on.
const tick = 10 * time.Millisecond

// Sample reads /proc for one process.
func Sample(pid int) (Use, error) {
	dir := "/proc/" + strconv.Itoa(pid)
	stat, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return Use{}, fmt.Errorf("sample process %d: %w", pid, err)
	}
	status, err := os.ReadFile(dir + "/status")
	if err != nil {
		return Use{}, fmt.Errorf("sample process %d: %w", pid, err)
	}
	u, err := parseUse(stat, status)
	if err != nil {
		return Use{}, fmt.Errorf("sample process %d: %w", pid, err)
	}
	return u, nil
}

func parseUse(stat, status []byte) (Use, error) {
	// The second field is the command's name in brackets, which may hold blanks and brackets.
	rest := stat[bytes.LastIndexByte(stat, ')')+1:]
	fields := bytes.Fields(rest)
	const utime, stime = 14 - 3, 15 - 3 // counted from the third field
	if len(fields) <= stime {
		return Use{}, errors.New("its stat is too short")
	}
	user, errU := strconv.ParseInt(string(fields[utime]), 10, 64)
	system, errS := strconv.ParseInt(string(fields[stime]), 10, 64)
	if err := errors.Join(errU, errS); err != nil {
		return Use{}, err
	}
	return Use{CPU: time.Duration(user+system) * tick, RSS: kilobytes(status, "VmRSS:"), PeakRSS: kilobytes(status, "VmHWM:")}, nil
}

// kilobytes reads a line of status as bytes; 0 when it is not there, as for a process that has ended.
func kilobytes(status []byte, name string) int64 {
	_, rest, ok := bytes.Cut(status, []byte("\n"+name))
	if !ok {
		return 0
	}
	fields := bytes.Fields(rest[:min(len(rest), 64)])
	if len(fields) == 0 {
		return 0
	}
	n, err := strconv.ParseInt(string(fields[0]), 10, 64)
	if err != nil {
		return 0
	}
	return n << 10
}

// resetPeak lets the peak begin again (proc_pid_clear_refs(5)). It needs the rights of the process' owner; without them the peak is since its start.
func resetPeak(pid int) {
	_ = os.WriteFile("/proc/"+strconv.Itoa(pid)+"/clear_refs", []byte("5"), 0)
}

func sampleAll(processes map[string]int) (map[string]Use, error) {
	out := make(map[string]Use, len(processes))
	for name, pid := range processes {
		u, err := Sample(pid)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out[name] = u
	}
	return out, nil
}

// spent gives the CPU time between two samples, and the memory of the later one.
func spent(before, after map[string]Use) map[string]Use {
	for name, u := range after {
		u.CPU -= before[name].CPU
		after[name] = u
	}
	return after
}
