package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// refreshMinutes bounds the minutes that one transaction of RefreshUsage sums again.
const refreshMinutes = 720

// RefreshUsage brings usage_1m, usage_1h and usage_1d up to date with the ledger, late rows included, and tells how
// many minutes had changed. Replicas may call it at once. TimescaleDB does this itself, by its policies:
// then it does nothing.
func (s *Store) RefreshUsage(ctx context.Context) (minutes int64, err error) {
	const ask = `SELECT to_regproc('refresh_usage') IS NOT NULL`
	var ours bool
	if err := s.db(ctx).QueryRow(ctx, ask).Scan(&ours); err != nil || !ours {
		return 0, explain("refresh usage", err)
	}
	for {
		var n int64
		if err := s.db(ctx).QueryRow(ctx, `SELECT refresh_usage($1)`, refreshMinutes).Scan(&n); err != nil {
			return minutes, explain("refresh usage", err)
		}
		if minutes += n; n < refreshMinutes {
			return minutes, nil
		}
	}
}

// Keeping says how long the ledger's rows live, and when they are compressed.
type Keeping struct {
	// Retention is the age at which entries are deleted, whole days or months of them at once; 0 keeps them. The sums by
	// minute, hour and day stay.
	Retention time.Duration
	// CompressAfter is the age at which TimescaleDB compresses entries; 0 is its default, 7 days. PostgreSQL does not compress.
	CompressAfter time.Duration
}

// Bounds of Keeping. A retention shorter than the window in which sums are made again would empty them.
const (
	MinRetention    = 90 * 24 * time.Hour
	minCompress     = 24 * time.Hour
	defaultCompress = 7 * 24 * time.Hour
)

// Validate refuses what would delete rows that sums still need.
func (k Keeping) Validate() error {
	var faults []error
	if k.Retention != 0 && k.Retention < MinRetention {
		faults = append(faults, fmt.Errorf("retention: %s is below %s; 0 keeps everything", k.Retention, MinRetention))
	}
	if k.CompressAfter != 0 && k.CompressAfter < minCompress {
		faults = append(faults, fmt.Errorf("compress_after: %s is below %s", k.CompressAfter, minCompress))
	}
	return errors.Join(faults...)
}

// Keep applies the setting. With TimescaleDB it sets policies, without it it deletes partitions whose youngest row is
// past the retention. Call it daily.
func (s *Store) Keep(ctx context.Context, k Keeping) error {
	if err := k.Validate(); err != nil {
		return err
	}
	if err := s.forgetNames(ctx); err != nil {
		return explain("keep the ledger", err)
	}
	if s.Timescale() {
		return explain("keep the ledger", s.keepChunks(ctx, k))
	}
	if k.Retention == 0 {
		return nil
	}
	return explain("keep the ledger", s.dropPartitions(ctx, entriesByMonth, time.Now().Add(-k.Retention)))
}

// keepChunks replaces policies only when they differ: a new job would begin its interval anew at every start.
func (s *Store) keepChunks(ctx context.Context, k Keeping) error {
	if k.CompressAfter == 0 {
		k.CompressAfter = defaultCompress
	}
	for _, p := range []struct {
		job, setting, add, remove string
		after                     time.Duration
	}{
		{"policy_retention", "drop_after", "add_retention_policy", "remove_retention_policy", k.Retention},
		{"policy_compression", "compress_after", "add_compression_policy", "remove_compression_policy", k.CompressAfter},
	} {
		var same bool
		hours := int64(p.after / time.Hour)
		err := s.db(ctx).QueryRow(ctx, `SELECT coalesce((SELECT (config ->> $2)::interval = make_interval(hours => $3)
			FROM timescaledb_information.jobs WHERE hypertable_name = 'entries' AND proc_name = $1), $3 = 0)`,
			p.job, p.setting, int32(hours)).Scan(&same)
		if err != nil {
			return err
		}
		if same {
			continue
		}
		if _, err := s.db(ctx).Exec(ctx, `SELECT `+p.remove+`('entries', if_exists => true)`); err != nil {
			return err
		}
		if p.after == 0 {
			continue
		}
		if _, err := s.db(ctx).Exec(ctx, `SELECT `+p.add+`('entries', make_interval(hours => $1))`, int32(hours)); err != nil {
			return err
		}
	}
	return nil
}
