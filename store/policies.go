package store

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// PolicyFile is one file of a policy.
type PolicyFile struct {
	Name string `json:"name"` // without its folder
	Text string `json:"text"`
}

// PolicyChange is a version that took the place of another one.
type PolicyChange struct {
	Seq     int64
	At      time.Time
	Version string
	Author  string
	Reason  string
}

// maxPolicyChanges bounds one read.
const maxPolicyChanges = 1000

// KeepPolicy keeps a version's text, and that it is in force from now on. Where it is already, because another process has said so,
// nothing is added, unless the author has a reason.
func (s *Store) KeepPolicy(ctx context.Context, c PolicyChange, files []PolicyFile) error {
	return explain("keep the policy "+c.Version, s.changingPolicy(ctx, func(tx pgx.Tx) error {
		if err := keepText(ctx, tx, c.Version, files); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO policy_changes (at, version, author, reason) SELECT $1, $2, $3, $4
			WHERE $4 <> '' OR $2 IS DISTINCT FROM `+policyInForce, c.At, c.Version, clean(c.Author), clean(c.Reason))
		return err
	}))
}

// changingPolicy makes a change of the policy while no other one is made.
func (s *Store) changingPolicy(ctx context.Context, change func(pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, s.db(ctx), func(tx pgx.Tx) error {
		if err := execIn(ctx, tx, `LOCK TABLE policy_changes IN EXCLUSIVE MODE`); err != nil { // readers go on
			return err
		}
		return change(tx)
	})
}

// keepText keeps the text of a version once.
func keepText(ctx context.Context, tx pgx.Tx, version string, files []PolicyFile) error {
	h, kept := sha256.New(), make([]PolicyFile, len(files))
	for i, f := range files {
		kept[i] = PolicyFile{clean(f.Name), clean(f.Text)}
		_, _ = fmt.Fprintf(h, "%s\x00%d\x00%s", kept[i].Name, len(kept[i].Text), kept[i].Text)
	}
	text, err := json.Marshal(kept)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO policy_versions (version, hash, files) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, version, h.Sum(nil), text)
	return err
}

// PolicyChanges gives what was in force, the latest first: changes before one's number, 0 for all.
func (s *Store) PolicyChanges(ctx context.Context, before int64, limit int) ([]PolicyChange, error) {
	rows, err := s.db(ctx).Query(ctx, `SELECT seq, at, version, author, reason FROM policy_changes WHERE $1 = 0 OR seq < $1 ORDER BY seq DESC LIMIT $2`, before, min(limit, maxPolicyChanges))
	if err != nil {
		return nil, explain("policy versions", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[PolicyChange])
	for i := range list {
		list[i].At = list[i].At.UTC()
	}
	return list, explain("policy versions", err)
}

// PolicyText gives the files of a version. The error is sentinel.ErrNoPolicyVersion where it is not kept.
func (s *Store) PolicyText(ctx context.Context, version string) (files []PolicyFile, err error) {
	var text []byte
	err = s.db(ctx).QueryRow(ctx, `SELECT files FROM policy_versions WHERE version = $1`, clean(version)).Scan(&text)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, sentinel.ErrNoPolicyVersion
	}
	if err != nil {
		return nil, explain("policy "+version, err)
	}
	return files, json.Unmarshal(text, &files)
}

// PolicyWasInForce tells whether a version was in force once, or is.
func (s *Store) PolicyWasInForce(ctx context.Context, version string) (ok bool, err error) {
	err = s.db(ctx).QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM policy_changes WHERE version = $1)`, clean(version)).Scan(&ok)
	return ok, explain("policy "+version, err)
}
