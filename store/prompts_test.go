package store

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Only a reported prompt of text alone, whose weight is known, says what a weight comes to.
func TestPromptsAreThoseThatCalibrate(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		var rs []sentinel.Record
		var at time.Time
		add := func(n int, change func(*sentinel.Entry)) {
			e := entry(n, 0, sentinel.SourceMeter)
			e.Demand, e.Method = sentinel.Wanted{Choices: 1, Weight: 400}.Demand(), ""
			e.Usage = sentinel.Usage{sentinel.InputTokens: 70, sentinel.CachedInputTokens: 20, sentinel.CacheWriteTokens: 7, sentinel.CacheWriteLongTokens: 3}
			change(&e)
			rs = append(rs, ofEntry(e))
			at = e.At
		}
		add(0, func(*sentinel.Entry) {})
		older := at
		add(1, func(e *sentinel.Entry) { e.Method = "clamped" })
		add(2, func(e *sentinel.Entry) { e.Source = sentinel.SourcePartial })
		add(3, func(e *sentinel.Entry) { e.Usage[sentinel.ImageInputTokens] = 1 })
		add(4, func(e *sentinel.Entry) { e.Demand = "1:2s;1" })
		add(5, func(e *sentinel.Entry) { e.Usage = sentinel.Usage{sentinel.Requests: 1} })
		add(6, func(*sentinel.Entry) {})
		if err := s.Write(t.Context(), rs); err != nil {
			t.Fatal(err)
		}
		newest := Prompt{at.Truncate(time.Microsecond), rs[6].Entry.Model, 400, 100}
		oldest := Prompt{older.Truncate(time.Microsecond), rs[0].Entry.Model, 400, 100}
		for _, tt := range []struct {
			after time.Time
			limit int
			want  []Prompt
		}{{time.Time{}, 10, []Prompt{newest, oldest}}, {time.Time{}, 1, []Prompt{newest}}, {oldest.At, 10, []Prompt{newest}}, {newest.At, 10, nil}} {
			got, err := s.Prompts(t.Context(), tt.after, tt.limit)
			if err != nil || !cmp.Equal(got, tt.want) && len(got)+len(tt.want) > 0 {
				t.Errorf("after %s, at most %d: %v, %v, want %v", tt.after, tt.limit, got, err, tt.want)
			}
		}
	})
}
