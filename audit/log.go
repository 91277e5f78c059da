package audit

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"strings"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Rows is what the log needs of a database: link gets the last row and makes the next, in one transaction that no other writer
// of the chain overlaps.
type Rows interface {
	AppendAudit(ctx context.Context, link func(prev sentinel.AuditRow) sentinel.AuditRow) (sentinel.AuditRow, error)
}

// Log writes the chain. A change that it does not take must not happen.
type Log struct {
	Rows        Rows
	Checkpoints *Checkpoints // nil for none
	Now         func() time.Time
	// Unsigned is told that a row is in the chain, and its checkpoint is not in the second place.
	Unsigned func(error)
}

// Linker makes the next row of the chain of the last one.
type Linker = func(prev sentinel.AuditRow) sentinel.AuditRow

// Record adds a row; its number, time and hashes are made here.
func (l *Log) Record(ctx context.Context, r sentinel.AuditRow) error {
	return l.Do(ctx, r, l.Rows.AppendAudit)
}

// Do is Record for a change that the database makes in the transaction that adds the row: both happen, or neither.
func (l *Log) Do(ctx context.Context, r sentinel.AuditRow, change func(context.Context, Linker) (sentinel.AuditRow, error)) error {
	r.At = l.Now()
	for _, text := range []*string{&r.Actor, &r.Action, &r.Object, &r.Before, &r.After} { // a database returns other bytes than it cannot hold
		*text = strings.ToValidUTF8(strings.ReplaceAll(*text, "\x00", ""), "\uFFFD")
	}
	written, err := change(ctx, func(prev sentinel.AuditRow) sentinel.AuditRow { return Link(prev, r) })
	if err != nil {
		return fmt.Errorf("record %s of %s by %s: %w", r.Action, r.Object, r.Actor, err)
	}
	if l.Checkpoints == nil {
		return nil
	}
	if err := l.Checkpoints.Add(written); err != nil {
		l.Unsigned(err)
	}
	return nil
}

// PublicKey verifies the log's checkpoints; nil where there are none.
func (l *Log) PublicKey() ed25519.PublicKey {
	if l.Checkpoints == nil {
		return nil
	}
	key, _ := l.Checkpoints.key.Public().(ed25519.PublicKey)
	return key
}
