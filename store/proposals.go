package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// A proposal that waits is outdated as soon as something else is in force than it was made from.
const (
	policyInForce   = `(SELECT version FROM policy_changes ORDER BY seq DESC LIMIT 1)`
	proposalColumns = `id, at, version, was, author, reason, CASE WHEN state = 'waiting' AND was <> coalesce(` + policyInForce + `, was) THEN 'outdated' ELSE state END,
		by, coalesce(decided, 'epoch'), note, coalesce(seq, 0)`
)

func scanProposal(row pgx.CollectableRow) (p sentinel.PolicyProposal, err error) {
	err = row.Scan(&p.ID, &p.At, &p.Version, &p.Was, &p.Author, &p.Reason, &p.State, &p.By, &p.Decided, &p.Note, &p.Seq)
	p.At, p.Decided = p.At.UTC(), p.Decided.UTC()
	if p.Decided.Unix() == 0 {
		p.Decided = time.Time{}
	}
	return p, err
}

func oneProposal(ctx context.Context, db queries, id int64) (p sentinel.PolicyProposal, err error) {
	rows, err := db.Query(ctx, `SELECT `+proposalColumns+` FROM policy_proposals WHERE id = $1`, id)
	if err != nil {
		return p, err
	}
	p, err = pgx.CollectExactlyOneRow(rows, scanProposal)
	if errors.Is(err, pgx.ErrNoRows) {
		return p, sentinel.ErrNoProposal
	}
	return p, err
}

// Propose keeps a policy that is to be the next one, made from the one that is in force. With publish it is published at once; without,
// it waits for Decide.
func (s *Store) Propose(ctx context.Context, p sentinel.PolicyProposal, files []PolicyFile, publish bool) (sentinel.PolicyProposal, error) {
	err := s.proposing(ctx, func(tx pgx.Tx) error {
		if err := fresh(ctx, tx, p.Was); err != nil {
			return err
		}
		if p.Version == p.Was {
			return sentinel.ErrPolicySame
		}
		if err := keepText(ctx, tx, p.Version, files); err != nil {
			return err
		}
		var waiting int
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM policy_proposals WHERE state = 'waiting' AND was = $1`, p.Was).Scan(&waiting); err != nil {
			return err
		}
		if waiting >= sentinel.MaxWaitingProposals && !publish {
			return sentinel.ErrManyProposals
		}
		if err := tx.QueryRow(ctx, `INSERT INTO policy_proposals (at, version, was, author, reason, state) VALUES ($1, $2, $3, $4, $5, 'waiting') RETURNING id`,
			p.At, p.Version, p.Was, clean(p.Author), clean(p.Reason)).Scan(&p.ID); err != nil {
			return err
		}
		if publish {
			return published(ctx, tx, &p, p.Author, "")
		}
		var err error
		p, err = oneProposal(ctx, tx, p.ID)
		return err
	})
	return p, err
}

// Decide publishes a proposal that waits, or rejects it. Who made it may take it back, and does not approve it.
func (s *Store) Decide(ctx context.Context, id int64, by, note string, approve bool) (p sentinel.PolicyProposal, err error) {
	err = s.proposing(ctx, func(tx pgx.Tx) error {
		if p, err = oneProposal(ctx, tx, id); err != nil {
			return err
		}
		switch {
		case p.State == sentinel.ProposalOutdated && approve:
			return fresh(ctx, tx, p.Was)
		case p.State != sentinel.ProposalWaiting && p.State != sentinel.ProposalOutdated:
			return sentinel.ErrProposalDecided
		case approve && sentinel.SamePerson(p.Author, by):
			return sentinel.ErrOwnProposal
		case approve:
			return published(ctx, tx, &p, by, note)
		}
		if _, err := tx.Exec(ctx, `UPDATE policy_proposals SET state = 'rejected', by = $2, decided = now(), note = $3 WHERE id = $1`, id, clean(by), clean(note)); err != nil {
			return err
		}
		p, err = oneProposal(ctx, tx, id)
		return err
	})
	return p, err
}

// proposing is changingPolicy by a person. What is the caller's to correct is given as it is.
func (s *Store) proposing(ctx context.Context, change func(pgx.Tx) error) error {
	err := s.changingPolicy(ctx, change)
	for _, known := range []error{sentinel.ErrPolicyOutdated, sentinel.ErrPolicySame, sentinel.ErrManyProposals, sentinel.ErrNoProposal, sentinel.ErrProposalDecided, sentinel.ErrOwnProposal} {
		if errors.Is(err, known) {
			return err
		}
	}
	return explain("change the policy", err)
}

// fresh says so where another version is in force than was.
func fresh(ctx context.Context, tx pgx.Tx, was string) error {
	var now string
	err := tx.QueryRow(ctx, `SELECT coalesce(`+policyInForce+`, $1)`, was).Scan(&now)
	if err == nil && now != was {
		return fmt.Errorf("%w: version %s is in force, and not %s", sentinel.ErrPolicyOutdated, now, was)
	}
	return err
}

// published gives a proposal the next number, with which it is in force.
func published(ctx context.Context, tx pgx.Tx, p *sentinel.PolicyProposal, by, note string) error {
	if _, err := tx.Exec(ctx, `UPDATE policy_proposals SET state = 'published', by = $2, decided = now(), note = $3,
		seq = (SELECT coalesce(max(seq), 0) + 1 FROM policy_proposals) WHERE id = $1`, p.ID, clean(by), clean(note)); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `INSERT INTO policy_changes (at, version, author, reason) VALUES (now(), $1, $2, $3)`, p.Version, clean(p.Author), clean(p.Reason)); err != nil {
		return err
	}
	var err error
	*p, err = oneProposal(ctx, tx, p.ID)
	return err
}

// Publication gives the newest publication after a number, with its text. It is not ok where there is none.
func (s *Store) Publication(ctx context.Context, after int64) (p sentinel.PolicyProposal, files []PolicyFile, ok bool, err error) {
	var text []byte
	err = s.db(ctx).QueryRow(ctx, `SELECT p.id, p.at, p.version, p.author, p.reason, p.seq, v.files FROM policy_proposals p JOIN policy_versions v USING (version)
		WHERE p.seq > $1 ORDER BY p.seq DESC LIMIT 1`, after).Scan(&p.ID, &p.At, &p.Version, &p.Author, &p.Reason, &p.Seq, &text)
	if errors.Is(err, pgx.ErrNoRows) {
		return p, nil, false, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &files)
	}
	return p, files, err == nil, explain("published policy", err)
}

// Proposal gives one; the error is sentinel.ErrNoProposal where there is none.
func (s *Store) Proposal(ctx context.Context, id int64) (p sentinel.PolicyProposal, err error) {
	p, err = oneProposal(ctx, s.db(ctx), id)
	if err != nil && !errors.Is(err, sentinel.ErrNoProposal) {
		err = explain("proposal", err)
	}
	return p, err
}

// Proposals gives proposals, the latest first: those below a number, 0 for all.
func (s *Store) Proposals(ctx context.Context, before int64, limit int) ([]sentinel.PolicyProposal, error) {
	rows, err := s.db(ctx).Query(ctx, `SELECT `+proposalColumns+` FROM policy_proposals WHERE $1 = 0 OR id < $1 ORDER BY id DESC LIMIT $2`, before, min(limit, maxPolicyChanges))
	if err != nil {
		return nil, explain("proposals", err)
	}
	list, err := pgx.CollectRows(rows, scanProposal)
	return list, explain("proposals", err)
}

// PutPolicyProcess notes what a process has in force, and forgets processes that were silent for a day.
func (s *Store) PutPolicyProcess(ctx context.Context, p sentinel.PolicyProcess) error {
	_, err := s.db(ctx).Exec(ctx, `WITH old AS (DELETE FROM policy_processes WHERE at < now() - interval '1 day' AND instance <> $1)
		INSERT INTO policy_processes (instance, host, version, seq, managed, fault, at) VALUES ($1, $2, $3, $4, $5, $6, now())
		ON CONFLICT (instance) DO UPDATE SET host = $2, version = $3, seq = $4, managed = $5, fault = $6, at = now()`,
		p.Instance, clean(p.Host), p.Version, p.Seq, p.Managed, clean(p.Fault))
	return explain("note the process's policy", err)
}

// RemovePolicyProcess forgets a process that stops.
func (s *Store) RemovePolicyProcess(ctx context.Context, instance string) error {
	_, err := s.db(ctx).Exec(ctx, `DELETE FROM policy_processes WHERE instance = $1`, instance)
	return explain("forget the process's policy", err)
}

// PolicyProcesses lists the processes that were heard of in the last so long, by host.
func (s *Store) PolicyProcesses(ctx context.Context, last time.Duration) ([]sentinel.PolicyProcess, error) {
	rows, err := s.db(ctx).Query(ctx, `SELECT instance, host, version, seq, managed, fault, at FROM policy_processes WHERE at > now() - $1::interval ORDER BY host, instance LIMIT 1000`, last)
	if err != nil {
		return nil, explain("processes", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[sentinel.PolicyProcess])
	for i := range list {
		list[i].At = list[i].At.UTC()
	}
	return list, explain("processes", err)
}
