package audit

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Fault is the first place where the chain is not as it was written.
type Fault struct {
	Seq int64 // the row
	Why string
}

// Error names the row.
func (f *Fault) Error() string { return fmt.Sprintf("audit row %d %s", f.Seq, f.Why) }

// Report is what an intact chain held.
type Report struct {
	Rows        int64
	Checkpoints int
	Head        sentinel.AuditRow // the last row
}

// Verify reads rows in the order of Seq and compares them with each other and with the checkpoints (nil when there are none: then
// a chain that was built anew, or cut at its end, cannot be told from a true one). A *Fault names the first bad row.
func Verify(rows iter.Seq2[sentinel.AuditRow, error], checkpoints io.Reader, key ed25519.PublicKey) (Report, error) {
	var report Report
	var signed map[int64]checkpoint
	if checkpoints != nil {
		var err error
		if signed, err = readCheckpoints(checkpoints, key); err != nil {
			return report, err
		}
	}
	report.Checkpoints = len(signed)
	for r, err := range rows {
		if err != nil {
			return report, err
		}
		if why := broken(report.Head, r, signed); why != "" {
			return report, &Fault{report.Head.Seq + 1, why}
		}
		report.Rows++
		report.Head = r
	}
	for _, seq := range slices.Sorted(maps.Keys(signed)) {
		if seq > report.Head.Seq {
			return report, &Fault{report.Head.Seq + 1, fmt.Sprintf("is missing: the chain was cut, a checkpoint of row %d is signed", seq)}
		}
	}
	return report, nil
}

// broken says what is wrong with the row after prev.
func broken(prev, r sentinel.AuditRow, signed map[int64]checkpoint) string {
	switch {
	case r.Seq != prev.Seq+1:
		return fmt.Sprintf("is missing: row %d follows row %d", r.Seq, prev.Seq)
	case sha256.Sum256(Canonical(r)) != r.Hash:
		return "was changed: its hash is not that of its content"
	case r.Prev != prev.Hash:
		return "does not follow the row before it: that row was replaced"
	}
	if c, ok := signed[r.Seq]; ok && c.Hash != hex.EncodeToString(r.Hash[:]) {
		return "was written anew: its signed checkpoint has another hash"
	}
	return ""
}
