package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// maxScoresRead bounds one read.
const maxScoresRead = 100_000

var scoresQuestion, feedbackQuestion = question("scores"), question("feedback")

// PutScores writes scores; those that are there already stay.
func (s *Store) PutScores(ctx context.Context, list []sentinel.Score) error {
	batch := &pgx.Batch{}
	for _, v := range list {
		batch.Queue(`INSERT INTO scores (ts, service, instance, team, score, strength, feature, share, actual, expected, impact, features, shares)
			VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13) ON CONFLICT DO NOTHING`,
			v.At, v.Service, v.Instance, v.Team, v.Score, v.Strength, v.Feature, v.Share, v.Actual, v.Expected, int64(v.Impact), v.Features, v.Shares)
	}
	return explain("scores", s.db(ctx).SendBatch(ctx, batch).Close())
}

// UnusualScores gives the scores of at least sentinel.LeastScore since a time, of every process, the latest first.
func (s *Store) UnusualScores(ctx context.Context, since time.Time) ([]sentinel.Score, error) {
	rows, err := s.db(ctx).Query(ctx, scoresQuestion, since, maxScoresRead)
	if err != nil {
		return nil, explain("scores", err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowToStructByPos[sentinel.Score])
	return out, explain("scores", err)
}

// DropScores deletes scores before a time, where the database does not do it by itself.
func (s *Store) DropScores(ctx context.Context, before time.Time) error {
	if !s.Timescale() {
		if err := s.dropPartitions(ctx, scoresByMonth, before); err != nil {
			return explain("scores", err)
		}
	}
	_, err := s.db(ctx).Exec(ctx, `DELETE FROM scores WHERE ts < $1`, before)
	return explain("scores", err)
}

// Feedback gives what people said of services' anomalies since a time, the oldest first.
func (s *Store) Feedback(ctx context.Context, since time.Time) ([]sentinel.Feedback, error) {
	rows, err := s.db(ctx).Query(ctx, feedbackQuestion, since, []string{sentinel.FeedbackTrue, sentinel.FeedbackFalse, sentinel.FeedbackPlanned}, maxScoresRead)
	if err != nil {
		return nil, explain("feedback", err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowToStructByPos[sentinel.Feedback])
	return out, explain("feedback", err)
}
