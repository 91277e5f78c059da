package e2e

import (
	"sync"
	"time"
)

// repeat has so many workers call again and again until the function that it gives is called, which waits for the calls under way. Every is the time from one
// call of a worker to its next; a tick that is missed while a call runs is made up for once. 0 is without a pause.
func repeat(workers int, every time.Duration, call func(worker int)) (stop func()) {
	done := make(chan struct{})
	always := make(chan time.Time)
	close(always)
	var group sync.WaitGroup
	for worker := range workers {
		group.Go(func() {
			due := (<-chan time.Time)(always)
			if every > 0 {
				pace := time.NewTicker(every)
				defer pace.Stop()
				due = pace.C
			}
			for {
				select {
				case <-done:
					return
				case <-due:
				}
				select {
				case <-done: // of two that are ready either is taken
					return
				default:
				}
				call(worker)
			}
		})
	}
	return func() { close(done); group.Wait() }
}
