package audit

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"strings"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Rows is what the log needs of a database: it makes a change and adds the rows that link makes of the last one, in one
// transaction that no other writer of the chain overlaps. What change does with its context is part of the transaction.
type Rows interface {
	AppendAudit(ctx context.Context, link func(prev sentinel.AuditRow) []sentinel.AuditRow, change func(context.Context) error) error
}

// Log writes the chain. A change that it does not take must not happen.
type Log struct {
	Rows        Rows
	Checkpoints *Checkpoints // nil for none
	Now         func() time.Time
	// Lacking is told what could not be written although its change has happened: a checkpoint in the second place, or how a
	// change outside the database ended.
	Lacking func(error)
}

const (
	outcomeTime = 5 * time.Second // for the row that says how a change ended, whatever became of who asked for it
	maxOutcome  = 500             // bytes of a fault in it
)

// Record adds rows that belong together; their numbers, times and hashes are made here.
func (l *Log) Record(ctx context.Context, rows ...sentinel.AuditRow) error {
	return l.append(ctx, rows, func(context.Context) error { return nil })
}

// Do is Record for a change of the database: it is made in the transaction that adds the row. Both happen, or neither. An
// error of the change itself is given as it is.
func (l *Log) Do(ctx context.Context, r sentinel.AuditRow, change func(context.Context) error) error {
	return l.append(ctx, []sentinel.AuditRow{r}, change)
}

// Around is Record for a change elsewhere: what is meant is a row before it, and how it ended a row after it, whose action
// ends in .done or .failed. A row without the second says that nobody knows.
func (l *Log) Around(ctx context.Context, r sentinel.AuditRow, change func(context.Context) error) error {
	if err := l.Record(ctx, r); err != nil {
		return err
	}
	fault := change(ctx)
	outcome := sentinel.AuditRow{Actor: r.Actor, Action: r.Action + ".done", Object: r.Object}
	if fault != nil {
		outcome.Action, outcome.After = r.Action+".failed", fault.Error()[:min(len(fault.Error()), maxOutcome)]
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), outcomeTime)
	defer cancel()
	if err := l.Record(ctx, outcome); err != nil {
		l.Lacking(err)
	}
	return fault
}

func (l *Log) append(ctx context.Context, rows []sentinel.AuditRow, change func(context.Context) error) error {
	for i := range rows {
		r := &rows[i]
		r.At = l.Now()
		for _, text := range []*string{&r.Actor, &r.Action, &r.Object, &r.Before, &r.After} { // a database returns other bytes than it cannot hold
			*text = strings.ToValidUTF8(strings.ReplaceAll(*text, "\x00", ""), "\uFFFD")
		}
	}
	var fault error
	var last sentinel.AuditRow
	err := l.Rows.AppendAudit(ctx, func(prev sentinel.AuditRow) []sentinel.AuditRow {
		for i := range rows {
			rows[i] = Link(prev, rows[i])
			prev = rows[i]
		}
		last = prev
		return rows
	}, func(ctx context.Context) error {
		fault = change(ctx)
		return fault
	})
	switch {
	case fault != nil:
		return fault
	case err != nil:
		return fmt.Errorf("record %s of %s by %s: %w", rows[0].Action, rows[0].Object, rows[0].Actor, err)
	case l.Checkpoints == nil:
		return nil
	}
	if err := l.Checkpoints.Add(last); err != nil { // it covers those before
		l.Lacking(err)
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
