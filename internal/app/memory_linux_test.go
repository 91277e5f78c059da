package app

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMappingsWithPagesOfTheirOwnAreKnown(t *testing.T) {
	const smaps = `00400000-02554000 r-xp 00000000 fe:00 247741                     /usr/bin/sentinel
Size:              34128 kB
Anonymous:             0 kB
Swap:                  0 kB
VmFlags: rd ex mr mw me
02554000-055f6000 r--p 02154000 fe:00 247741                     /usr/bin/sentinel
Anonymous:             4 kB
Swap:                  0 kB
055f6000-05c44000 r--p 051f6000 fe:00 247741                     /opt/with blank
Anonymous:             0 kB
Swap:                  8 kB
7f0000000000-7f0000001000 rw-p 00000000 00:00 0
Anonymous:             4 kB
`
	want := []mapping{
		{0x400000, 0x2554000, "r-xp", "/usr/bin/sentinel", false},
		{0x2554000, 0x55f6000, "r--p", "/usr/bin/sentinel", true},
		{0x55f6000, 0x5c44000, "r--p", "/opt/with blank", true},
		{0x7f0000000000, 0x7f0000001000, "", "", true},
	}
	if diff := cmp.Diff(want, mappings(smaps), cmp.AllowUnexported(mapping{})); diff != "" {
		t.Errorf("mappings (-want +got):\n%s", diff)
	}
}

func TestTheProgramsPagesAreGivenBack(t *testing.T) {
	before := residentFile(t)
	if err := dropProgram(); err != nil {
		t.Fatal(err)
	}
	after := residentFile(t)
	t.Logf("%s of the program's file were resident, %s are", before, after)
	if len(after) > len(before) || len(after) == len(before) && after >= before {
		t.Errorf("RssFile was %s, and is %s", before, after)
	}
}

// residentFile is RssFile of this process.
func residentFile(t *testing.T) string {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "RssFile:")
	line, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(line)
}
