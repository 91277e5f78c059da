// Package app is where the rooms meet: Options → New → Run. It alone, with cmd, reads files and the environment.
package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"

	"github.com/saas-sentinel/saas-sentinel/admin"
	"github.com/saas-sentinel/saas-sentinel/audit"
	"github.com/saas-sentinel/saas-sentinel/capture"
	"github.com/saas-sentinel/saas-sentinel/credential"
	"github.com/saas-sentinel/saas-sentinel/envoy"
	"github.com/saas-sentinel/saas-sentinel/extproc"
	"github.com/saas-sentinel/saas-sentinel/governor"
	"github.com/saas-sentinel/saas-sentinel/internal/telemetry"
	"github.com/saas-sentinel/saas-sentinel/policy"
	"github.com/saas-sentinel/saas-sentinel/ratelimit"
	"github.com/saas-sentinel/saas-sentinel/spool"
	"github.com/saas-sentinel/saas-sentinel/store"
)

// holdTTL is the life of a hold that nobody settles. It outlives Envoy's longest silence, after
// which the call has certainly ended.
const holdTTL = 15 * time.Minute

// App is one process of the gateway.
type App struct {
	config    Config
	log       zerolog.Logger
	instance  string
	secrets   *credential.Secrets
	tokens    *credential.Tokens // nil without SENTINEL_TOKEN_KEY
	workloads *credential.Workloads
	limiter   *ratelimit.Redis
	spool     *spool.Spool
	journal   *journal
	store     *store.Store
	audit     *audit.Log
	recorder  *capture.Recorder // nil without a key to seal with
	verdicts  *verdicts
	governor  *governor.Governor
	extproc   *extproc.Server
	envoy     *envoy.Server
	witness   *envoy.Witness // nil where this process cannot read Envoy's access log
	metrics   *metrics
	grpc      *grpc.Server
	health    *health.Server
	control   net.Listener
	probes    net.Listener
	profiles  net.Listener        // nil for none
	telemetry *telemetry.Exporter // nil without a collector
	callbacks net.Listener        // of Slack and Twilio; nil where they cannot reach this process
	alerting  *alerting
	egress    *egress // the proxy; nil for none
	shown     *leaves[policy.Certificate]
	telling   sync.Mutex   // held while Envoy is told of a policy and its certificates
	people    net.Listener // of the admin API and the dashboard; nil for none
	admin     *admin.Server
	asked     chan askedRotation // by the admin API
	follower  follower
	ahead     *governor.State // whose ways every Envoy had at the last look
	untook    untook
	started   []policy.File // with which this process started
	recount   recount
	absent    absent
	loops     loops
	served    chan struct{} // closed when the control port has ended, and every answer has settled
	closers   []func()
}

// startTimeout bounds the whole start: what cannot be reached by then is reported.
const startTimeout = 20 * time.Second

// New opens everything that Run needs, or nothing: after an error all is closed again.
func New(ctx context.Context, c Config, log zerolog.Logger) (*App, error) {
	a := &App{config: c, log: log, instance: uuid.NewString(), served: make(chan struct{}), asked: make(chan askedRotation)}
	a.recount.App = a
	a.loops.name(c)
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for _, step := range []func(context.Context) error{a.listen, a.openPolicy, a.openLedger, a.openCapture, a.catchUp, a.openLimiter, a.openSecrets, a.openShown, a.openProxy, a.openCallers, a.openAudit, a.openAlerts, a.openAdmin, a.openTelemetry, a.serve, a.recall} {
		if err := step(ctx); err != nil {
			a.Close()
			return nil, err
		}
	}
	return a, nil
}

// Close releases everything, the last opened first.
func (a *App) Close() {
	for i := len(a.closers) - 1; i >= 0; i-- {
		a.closers[i]()
	}
	a.closers = nil
}

// now is Redis' clock: windows of limits, and the calls that are counted in them, are dated by no other.
func (a *App) now() time.Time {
	if a.limiter == nil { // before it is open
		return time.Now().UTC()
	}
	return a.limiter.Time()
}

func (a *App) onClose(f func()) { a.closers = append(a.closers, f) }

// listen takes the ports first: a second process must fail before it touches anything.
func (a *App) listen(context.Context) (err error) {
	if a.control, err = port("control.listen", a.config.Control.Listen); err != nil {
		return err
	}
	a.onClose(func() { _ = a.control.Close() })
	if at := a.config.Alerts.Listen; at != "" {
		if a.callbacks, err = port("alerts.listen", at); err != nil {
			return err
		}
		a.onClose(func() { _ = a.callbacks.Close() })
	}
	if at := a.config.Admin.Listen; at != "" {
		if a.people, err = port("admin.listen", at); err != nil {
			return err
		}
		a.onClose(func() { _ = a.people.Close() })
	}
	if at := a.config.Debug.Listen; at != "" {
		if a.profiles, err = port("debug.listen", at); err != nil {
			return err
		}
		a.onClose(func() { _ = a.profiles.Close() })
	}
	if a.config.Metrics.Listen == "" {
		return nil
	}
	if a.probes, err = port("metrics.listen", a.config.Metrics.Listen); err != nil {
		return err
	}
	a.onClose(func() { _ = a.probes.Close() })
	return nil
}

func port(key, addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			err = op.Err
		}
		return nil, fmt.Errorf("%s: cannot listen on %s (%w): stop what uses it, or choose another port", key, addr, err)
	}
	return l, nil
}

func (a *App) openPolicy(context.Context) error {
	var err error
	if a.started, err = readPolicies(a.config.Policies); err != nil {
		return err
	}
	state, err := compile(a.started...)
	if err != nil {
		return err
	}
	a.metrics = newMetrics(a)
	a.governor = governor.New(governor.Options{
		Instance: a.instance, HoldTTL: holdTTL, Now: a.now,
	}, state)
	a.beside()
	return nil
}

func (a *App) openLimiter(ctx context.Context) error {
	c := a.config.Redis
	addresses := c.Address
	if len(addresses) == 1 && addresses[0] == embeddedRedis {
		addr, stop, err := ratelimit.Embedded()
		if err != nil {
			return err
		}
		a.onClose(stop)
		addresses = []string{addr}
	}
	limiter, err := dialLimiter(ctx, c, addresses)
	if err != nil {
		return err
	}
	a.onClose(func() { _ = limiter.Close() })
	a.limiter, a.governor.Limiter, a.governor.Pauses, a.governor.Without = limiter, newTimedLimiter(limiter, a.metrics.limiter), limiter, withoutRedis(limiter)
	return nil
}

func (a *App) openLedger(ctx context.Context) error {
	st, err := store.Open(ctx, store.Options{
		DSN: a.config.Database.URL, MaxConns: int32(a.config.Database.MaxConns), SimpleProtocolBatchRows: a.config.Database.BatchRows, MaxSeries: a.config.Database.MaxSeries,
	})
	if err != nil {
		return fmt.Errorf("SENTINEL_DATABASE_URL: %w", err)
	}
	a.onClose(st.Close)
	a.store = st
	current, latest, err := st.Version(ctx)
	if err != nil {
		return err
	}
	if current != latest {
		return fmt.Errorf("the database's schema is at version %d, this release needs %d: run sentinel migrate", current, latest)
	}
	mode := spool.Sync
	if a.config.Spool.Mode == "buffered" {
		mode = spool.Buffered
	}
	if a.spool, err = spool.Open(spool.Options{Dir: a.config.Spool.Dir, Mode: mode, MaxBytes: a.config.Spool.MaxBytes}); err != nil {
		return err
	}
	a.onClose(func() { _ = a.spool.Close() })
	a.journal = &journal{spool: a.spool, unmetered: a.config.Spool.WhenFull == whenFullUnmetered, log: a.log, lost: func() { a.alerting.unmetered() }, broken: make(chan error, 1)}
	a.governor.Journal = a.journal
	return nil
}

// serve registers the services on the control port. Nothing answers before Run.
func (a *App) serve(context.Context) error {
	a.envoy = envoy.NewServer(a.log)
	if file := a.config.witnessed(); file != "" {
		a.witness = envoy.NewWitness(file)
	}
	if a.config.Envoy.Witness != "" {
		a.witness.Shorten(func(err error) {
			a.log.Warn().Err(err).Msg("envoy.witness grows: what was read of it is not given back to the disk")
		})
	}
	if err := a.envoy.Set(a.forEnvoy(a.governor.State())); err != nil {
		return err
	}
	a.extproc = extproc.New(extproc.Options{
		Governor: a.governor, Credentials: credentials{a.secrets, a.tokens, a.workloads, &sync.Map{}}, Log: a.log, Observe: func(o extproc.Observation) {
			a.metrics.observe(o)
			a.trace(o)
			a.alerting.observe(o)
			a.verdicts.observe(o)
		},
		Paused:       a.metrics.paused,
		Capture:      a.captured(),
		Quarantined:  func(provider string) { a.alerting.facts.add(factKey{kind: "quarantine", provider: provider}, true) },
		MaxBodyBytes: a.config.Envoy.MaxBody,
	})
	const window = 1 << 20
	a.grpc = grpc.NewServer(
		grpc.ForceServerCodecV2(extproc.Codec()),
		grpc.MaxRecvMsgSize(int(a.config.Envoy.MaxBody)+window), // Envoy sends a whole buffered body in one message
		grpc.InitialWindowSize(window), grpc.InitialConnWindowSize(8*window),
		grpc.MaxConcurrentStreams(1<<20), // every answer in flight holds one
		grpc.WaitForHandlers(true),       // a stop lets what is being booked reach the spool before that is closed
		// An Envoy whose machine vanished says nothing: without a question it would be connected, and behind, until TCP gives up after minutes.
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 15 * time.Second, Timeout: 5 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: time.Second, PermitWithoutStream: true}),
	)
	a.health = health.NewServer()
	healthv1.RegisterHealthServer(a.grpc, a.health)
	a.extproc.Register(a.grpc)
	a.envoy.Register(a.grpc)
	(&envoy.Tunnels{Ended: a.tunnelled}).Register(a.grpc)
	return nil
}

// Run serves until ctx ends, then drains. It returns nil after an orderly end.
func (a *App) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	a.metrics.serving.Store(true)
	group.Go(func() error {
		defer close(a.served)
		return a.grpc.Serve(a.control)
	})
	group.Go(func() error { return a.secrets.Run(ctx) })
	group.Go(func() error { return a.tokens.Run(ctx) })
	group.Go(func() error { return a.workloads.Run(ctx) })
	group.Go(func() error { return a.drain(ctx) })
	group.Go(func() error { return a.endOnFault(ctx) })
	group.Go(func() error { return a.watchEnvoy(ctx) })
	group.Go(func() error { return a.compareWitness(ctx) })
	group.Go(func() error { return a.reconcile(ctx) })
	group.Go(func() error { return a.keep(ctx) })
	group.Go(func() error { return a.sum(ctx) })
	group.Go(func() error { return a.record(ctx) })
	group.Go(func() error { return a.expire(ctx) })
	group.Go(func() error { return a.calibrate(ctx) })
	group.Go(func() error { return a.watch(ctx) })
	group.Go(func() error { return a.remember(ctx) })
	group.Go(func() error { return a.limiter.Resolve(ctx) })
	group.Go(func() error { return a.limiter.Refresh(ctx) })
	group.Go(func() error { return a.limiter.Watch(ctx, func() string { return a.governor.State().Policy.Org }) })
	group.Go(func() error { return a.probe(ctx) })
	group.Go(func() error { return a.profile(ctx) })
	group.Go(func() error { return a.verdicts.run(ctx, a.audit, "sentinel "+a.instance, a.served, a.log) })
	group.Go(func() error { return a.alerting.run(ctx) })
	group.Go(func() error { return a.share(ctx) })
	group.Go(func() error { return a.learn(ctx) })
	group.Go(func() error { return a.manage(ctx) })
	group.Go(func() error { return a.renew(ctx) })
	group.Go(func() error { return a.rotateKeys(ctx) })
	group.Go(func() error { return a.rotateAsked(ctx) })
	group.Go(func() error { return a.slim(ctx) })
	group.Go(func() error {
		<-ctx.Done()
		a.stop()
		return nil
	})
	a.log.Info().Str("control", a.control.Addr().String()).Str("gateway", a.config.Envoy.Listen).
		Str("policy", a.governor.State().Policy.Version).Bool("timescale", a.store.Timescale()).Msg("sentinel runs")
	err := group.Wait()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// drainTime bounds how long answers in flight are metered after the order to stop. Envoy lets
// those that are longer go on; the reconciler books them.
const drainTime = 5 * time.Second

// stop tells Envoy to send new calls elsewhere, lets answers end, and then goes.
func (a *App) stop() {
	a.metrics.serving.Store(false)
	a.health.SetServingStatus("", healthv1.HealthCheckResponse_NOT_SERVING)
	a.envoy.Stop()
	done := make(chan struct{})
	go func() {
		a.grpc.GracefulStop()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(drainTime):
		a.extproc.Stop()
		a.grpc.Stop()
		<-done
	}
}

// serveHTTP serves until ctx ends. Without a port there is nothing to serve.
func serveHTTP(ctx context.Context, port net.Listener, s *http.Server) error {
	if port == nil {
		return nil
	}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	if err := s.Serve(port); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// probe serves metrics and health over HTTP.
func (a *App) probe(ctx context.Context) error {
	s := &http.Server{Handler: a.metrics.handler(&a.loops, a.look, a.gateway), ReadHeaderTimeout: 5 * time.Second, MaxHeaderBytes: 16 << 10}
	return serveHTTP(ctx, a.probes, s)
}

// readFile reads a file that an operator named, and says so when it cannot.
func readFile(what, name string) ([]byte, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", what, name, errors.Unwrap(err))
	}
	return data, nil
}
