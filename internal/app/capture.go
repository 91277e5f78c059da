package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/capture"
	"github.com/saas-sentinel/saas-sentinel/policy"
)

// CaptureConfig is the key that seals the bodies which a policy captures.
type CaptureConfig struct {
	KeyFile string `yaml:"key_file" doc:"File of the key-encryption key, such as a mounted Secret; sentinel capture keygen makes one. A new first line replaces a key, and the lines below it still open what they have sealed. Every process has the same."`
	Transit string `yaml:"transit" doc:"MOUNT/KEY of Vault's transit engine, such as transit/sentinel, in the place of a file. The gateway may update MOUNT/encrypt/KEY, and who reads bodies MOUNT/decrypt/KEY."`
}

func (c CaptureConfig) set() bool { return c.KeyFile != "" || c.Transit != "" }

// expireEvery is how late a body can be deleted; it is never read after its time.
const expireEvery = time.Minute

// OpenCapture makes the box of a configuration: it opens and seals captured bodies.
func OpenCapture(c Config) (*capture.Box, error) {
	switch {
	case c.Capture.KeyFile != "":
		text, err := readFile("capture.key_file", c.Capture.KeyFile)
		if err != nil {
			return nil, err
		}
		keys, err := capture.ParseKeyFile(text)
		if err != nil {
			return nil, fmt.Errorf("capture.key_file %s: %w", c.Capture.KeyFile, err)
		}
		return &capture.Box{Keys: keys}, nil
	case c.Capture.Transit != "":
		v, err := openVault(c, func(error) {})
		if err != nil {
			return nil, err
		}
		keys, err := v.Transit(c.Capture.Transit)
		if err != nil {
			return nil, fmt.Errorf("capture.transit: %w", err)
		}
		return &capture.Box{Keys: keys}, nil
	}
	return nil, errNoCaptureKey
}

var errNoCaptureKey = errors.New("the policy captures bodies, and no key is configured to seal them: set capture.key_file or capture.transit in sentinel.yaml")

// checkCapture holds that bodies can be sealed where a policy wants them.
func (c Config) checkCapture(set *policy.Set) error {
	if set.Captures() && !c.Capture.set() {
		return errNoCaptureKey
	}
	return nil
}

// openCapture makes what stores bodies. Without a key nothing does.
func (a *App) openCapture(context.Context) error {
	if !a.config.Capture.set() {
		return nil
	}
	box, err := OpenCapture(a.config)
	if err != nil {
		return err
	}
	a.recorder = capture.NewRecorder(box, a.store, func(err error) { a.log.Warn().Err(err).Msg("captured bodies not stored yet") })
	return nil
}

// captured hands a body to the recorder.
func (a *App) captured() func(sentinel.Body) {
	if a.recorder == nil {
		return nil
	}
	return a.recorder.Add
}

// record stores captured bodies.
func (a *App) record(ctx context.Context) error {
	if a.recorder == nil {
		return nil
	}
	return a.recorder.Run(ctx, a.served)
}

// expire deletes captured bodies whose time is over, whether or not this process captures any.
func (a *App) expire(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := a.store.ExpireBodies(ctx); err != nil && ctx.Err() == nil {
			a.log.Error().Err(err).Msg("expired bodies not deleted yet")
		}
		sleep(ctx, expireEvery)
	}
	return nil
}

// captureMetrics show what became of captured bodies.
func captureMetrics(a *App) []prometheus.Collector {
	count := func(field func(stored, dropped int64) int64) func() float64 {
		return func() float64 {
			if a.recorder == nil {
				return 0
			}
			return float64(field(a.recorder.Counts()))
		}
	}
	return []prometheus.Collector{
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "sentinel_captured_bodies_total", Help: "Bodies that a policy had stored, sealed."},
			count(func(stored, _ int64) int64 { return stored })),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "sentinel_captured_bodies_dropped_total", Help: "Bodies that a policy wanted and that were not stored: 32 MiB waited, or the key or the database was away for half a minute."},
			count(func(_, dropped int64) int64 { return dropped })),
	}
}
