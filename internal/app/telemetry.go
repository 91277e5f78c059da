package app

import (
	"context"
	"net/http"
	"net/http/pprof"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/extproc"
	"github.com/saas-sentinel/saas-sentinel/internal/telemetry"
)

// telemetryFlush bounds the sending of the last spans at the end.
const telemetryFlush = 3 * time.Second

// openTelemetry starts the exporter, if there is a collector.
func (a *App) openTelemetry(ctx context.Context) (err error) {
	t := a.config.Telemetry
	if t.OTLP == "" {
		return nil
	}
	if a.telemetry, err = telemetry.New(ctx, telemetry.Options{
		URL: t.OTLP, Headers: t.Headers, Sample: float64(t.Sample) / 100, Version: (*adminBackend).Version(nil), Instance: a.instance, Log: a.log,
	}); err != nil {
		return err
	}
	a.onClose(func() {
		ctx, cancel := context.WithTimeout(context.Background(), telemetryFlush)
		defer cancel()
		if err := a.telemetry.Close(ctx); err != nil {
			a.log.Warn().Err(err).Msg("the last spans were not delivered")
		}
	})
	return nil
}

// trace reports what was settled or refused.
func (a *App) trace(o extproc.Observation) {
	if a.telemetry == nil || o.Entry == nil && !o.Action.Refused() {
		return
	}
	c := telemetry.Call{Parent: o.Trace}
	if c.Entry = (sentinel.Entry{Call: o.Call, Action: o.Action, Reason: o.Reason, Duration: o.Duration}); o.Entry != nil {
		c.Entry = *o.Entry
	}
	route := a.governor.State().Routes[c.Provider+"/"+c.Endpoint]
	c.Preset, c.Host = route.Provider.Preset, route.Provider.Host
	a.telemetry.Ended(c)
}

// profile serves the profiles of net/http/pprof. The port is one of loopback.
func (a *App) profile(ctx context.Context) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, MaxHeaderBytes: 16 << 10}
	return serveHTTP(ctx, a.profiles, s)
}
