package spool

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// BenchmarkAppend measures what a call waits for, with 1 and with 16 calls at once.
func BenchmarkAppend(b *testing.B) {
	for name, mode := range modes {
		for _, writers := range []int{1, 16} {
			b.Run(fmt.Sprintf("%s/%d", name, writers), func(b *testing.B) {
				s := open(b, Options{Dir: b.TempDir(), Mode: mode, MaxBytes: 1 << 40})
				r := record(0)
				waits := make([][]time.Duration, writers)
				var left atomic.Int64
				left.Store(int64(b.N))
				b.ReportAllocs()
				b.ResetTimer()
				var all sync.WaitGroup
				for w := range writers {
					all.Go(func() {
						for left.Add(-1) >= 0 {
							start := time.Now()
							if err := s.Append(context.Background(), r); err != nil {
								b.Error(err)
								return
							}
							waits[w] = append(waits[w], time.Since(start))
						}
					})
				}
				all.Wait()
				b.StopTimer()
				sorted := slices.Sorted(slices.Values(slices.Concat(waits...)))
				b.ReportMetric(float64(sorted[len(sorted)*99/100].Nanoseconds())/1000, "p99-µs")
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
			})
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	r := record(0)
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf, _ = appendFrame(buf[:0], r)
	}
	b.SetBytes(int64(len(buf)))
}

func BenchmarkDecode(b *testing.B) {
	frame, err := appendFrame(nil, record(0))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decodeRecord(frame[frameHead:]); err != nil {
			b.Fatal(err)
		}
	}
}
