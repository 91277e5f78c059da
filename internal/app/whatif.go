package app

import (
	"context"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/governor"
	"github.com/saas-sentinel/saas-sentinel/ml/whatif"
)

// WhatIf reads the entries of a period, and ranks what they could have saved by the rules and prices of a state.
func WhatIf(ctx context.Context, each func(context.Context, time.Time, time.Time, func(sentinel.Entry) error) error, state *governor.State,
	from, to time.Time, maxInput, maxOutput int64,
) ([]whatif.Saving, error) {
	f, err := whatif.New(from, to, whatif.Options{
		Reprice:  func(e sentinel.Entry) (sentinel.NanoUSD, error) { return state.At(e, e.Model) },
		Models:   func(provider, endpoint string) []string { return state.Models(provider, endpoint, to) },
		MaxInput: maxInput, MaxOutput: maxOutput,
	})
	if err != nil {
		return nil, err
	}
	if err := each(ctx, from, to, func(e sentinel.Entry) error { f.Add(e); return nil }); err != nil {
		return nil, err
	}
	return f.Savings(), nil
}
