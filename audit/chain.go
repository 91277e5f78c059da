// Package audit proves what operators changed: rows in a hash chain, checkpoints of the chain that are signed and kept in a second
// place, and a verification that names the first row that is not as it was written.
package audit

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// domain separates these hashes from all others, and names the form of the bytes.
const domain = "saas-sentinel audit row 1\x00"

// Canonical is the row as bytes, without its own hash: the domain, sequence number and Unix microseconds as 8 bytes (big-endian),
// each text after its length in 8 bytes, the hash of the row before. No two rows have the same bytes.
func Canonical(r sentinel.AuditRow) []byte {
	b := []byte(domain)
	b = binary.BigEndian.AppendUint64(b, uint64(r.Seq))
	b = binary.BigEndian.AppendUint64(b, uint64(r.At.UnixMicro()))
	for _, s := range []string{r.Actor, r.Action, r.Object, r.Before, r.After} {
		b = binary.BigEndian.AppendUint64(b, uint64(len(s)))
		b = append(b, s...)
	}
	return append(b, r.Prev[:]...)
}

// Link makes r the row after prev; the zero prev is before the first.
func Link(prev, r sentinel.AuditRow) sentinel.AuditRow {
	r.Seq, r.Prev, r.At = prev.Seq+1, prev.Hash, r.At.UTC().Truncate(time.Microsecond)
	r.Hash = sha256.Sum256(Canonical(r))
	return r
}
