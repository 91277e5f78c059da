package app

import (
	"context"
	"os"
	"runtime/debug"
	"time"
)

const (
	// collectAt is GOGC where the environment sets none: the heap is collected when it has grown by half. What lives long is some 20 MB, and
	// a call costs 4 % more CPU at most (ADR 113).
	collectAt = 50
	// begunAfter is when the work of the start is done: policies compiled, schemas made, the first tables read.
	begunAfter = 5 * time.Second
)

// Collect sets how far the heap may grow between two collections, unless the operator has set it.
func Collect() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectAt)
	}
}

// slim gives back what only the start needed: its heap, and the pages of the program that it ran through. Code that runs again comes
// from the kernel's cache again.
func (a *App) slim(ctx context.Context) error {
	if sleep(ctx, begunAfter); ctx.Err() != nil {
		return nil //nolint:nilerr // it ends with the process
	}
	debug.FreeOSMemory()
	if err := dropProgram(); err != nil {
		a.log.Debug().Err(err).Msg("the program's pages stay resident")
	}
	return nil
}
