package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/saas-sentinel/saas-sentinel/governor"
	"github.com/saas-sentinel/saas-sentinel/internal/app"
	"github.com/saas-sentinel/saas-sentinel/ratelimit"
	"github.com/saas-sentinel/saas-sentinel/store"
)

// load reads a configuration, and compiles the policy that it names.
func load(config string) (app.Config, *governor.State, error) {
	cfg, err := app.LoadConfig(config)
	if err != nil {
		return cfg, nil, refused(err)
	}
	state, err := app.LoadState(cfg.Policies)
	return cfg, state, refused(err)
}

// openStore opens the ledger of a configuration.
func openStore(c *cobra.Command, config string) (*store.Store, error) {
	cfg, err := app.LoadConfig(config)
	if err != nil {
		return nil, refused(err)
	}
	return storeOf(c.Context(), cfg)
}

// storeOf is openStore of a configuration that was read.
func storeOf(ctx context.Context, cfg app.Config) (*store.Store, error) {
	st, err := store.Open(ctx, store.Options{DSN: cfg.Database.URL, MaxConns: int32(cfg.Database.MaxConns), MaxSeries: cfg.Database.MaxSeries})
	if err != nil {
		return nil, refused(fmt.Errorf("SENTINEL_DATABASE_URL: %w", err))
	}
	return st, nil
}

// openLimiter connects to the counters; nobody's call waits for a command, so it has a second.
func openLimiter(ctx context.Context, cfg app.Config) (*ratelimit.Redis, error) {
	cfg.Redis.Timeout = time.Second
	limiter, err := app.OpenLimiter(ctx, cfg.Redis)
	return limiter, refused(err)
}
