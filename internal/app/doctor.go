package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"github.com/saas-sentinel/saas-sentinel/envoy"
	"github.com/saas-sentinel/saas-sentinel/governor"
	"github.com/saas-sentinel/saas-sentinel/store"
)

// The results of a check.
const (
	CheckOK   = "ok"
	CheckWarn = "warn"
	CheckFail = "fail"
)

// Finding is what one check found, and what to do.
type Finding struct {
	Check  string `json:"check"`
	Result string `json:"result"`
	Found  string `json:"found"`
	Remedy string `json:"remedy,omitempty"`
}

// findings collects what checks found.
type findings struct{ list []Finding }

func (d *findings) add(check, result, remedy, format string, args ...any) {
	if result == CheckOK {
		remedy = ""
	}
	d.list = append(d.list, Finding{check, result, fmt.Sprintf(format, args...), remedy})
}

// doctor looks at what a gateway needs.
type doctor struct {
	findings
	config Config
	state  *governor.State
}

// checkTimeout bounds each look at a part.
const checkTimeout = 5 * time.Second

// Examine looks at everything that a gateway with this configuration file needs, and changes nothing that stays.
func Examine(ctx context.Context, file string) []Finding {
	c, err := LoadConfig(file)
	d := &doctor{config: c}
	if err != nil {
		d.add("configuration", CheckFail, "correct the file or the environment; schemas/sentinel.schema.json helps editors", "%s", err)
		return d.list
	}
	d.add("configuration", CheckOK, "", "%s is in order", file)
	if d.state, err = LoadState(c.Policies); err != nil {
		d.add("policy", CheckFail, "correct the policy file: sentinel policy check "+c.Policies, "%s", err)
		return d.list
	}
	d.add("policy", CheckOK, "", "version %s: %d providers, %d routes, %d services", d.state.Policy.Version, len(d.state.Policy.Providers), len(d.state.Routes), len(d.state.Policy.Callers()))
	for _, check := range []func(context.Context){d.database, d.redis, d.vault, d.spool, d.envoy, d.providers, d.collector, d.certificates, d.prices} {
		part, cancel := context.WithTimeout(ctx, checkTimeout)
		check(part)
		cancel()
	}
	return d.list
}

// mostSkew is how far clocks may be apart before windows of budgets are noticed to differ.
const mostSkew = 2 * time.Second

func (d *doctor) clock(part string, there time.Time) {
	if skew := time.Since(there).Abs(); skew > mostSkew {
		d.add(part+" clock", CheckWarn, "run NTP on both machines", "it is %s apart from this machine's", skew.Round(time.Millisecond))
	}
}

func (d *doctor) database(ctx context.Context) {
	st, err := store.Open(ctx, store.Options{DSN: d.config.Database.URL, MaxConns: 1})
	if err != nil {
		d.add("database", CheckFail, "check SENTINEL_DATABASE_URL, the network and the server", "%s", err)
		return
	}
	defer st.Close()
	current, latest, err := st.Version(ctx)
	kind := "PostgreSQL"
	if st.Timescale() {
		kind = "TimescaleDB"
	}
	switch {
	case err != nil:
		d.add("database", CheckFail, "run sentinel migrate", "%s", err)
	case current != latest:
		d.add("database", CheckFail, "run sentinel migrate", "the schema is at version %d, this release needs %d", current, latest)
	default:
		d.add("database", CheckOK, "", "%s, schema %d", kind, current)
	}
	if now, err := st.Now(ctx); err == nil {
		d.clock("database", now)
	}
}

func (d *doctor) redis(ctx context.Context) {
	c := d.config.Redis
	if len(c.Address) == 1 && c.Address[0] == embeddedRedis {
		d.add("redis", CheckWarn, "name a Redis server for more than one process: counters in a process end with it", "the counters are inside the process")
		return
	}
	c.Timeout = time.Second
	began := time.Now()
	l, err := dialLimiter(ctx, c, c.Address)
	if err != nil {
		d.add("redis", CheckFail, "check redis.address, SENTINEL_REDIS_PASSWORD and the server", "%s", err)
		return
	}
	defer func() { _ = l.Close() }()
	d.add("redis", CheckOK, "", "%s answers, nothing is evicted (%s to connect and load the scripts)", strings.Join(c.Address, ", "), time.Since(began).Round(time.Millisecond))
	if now, err := l.Now(ctx, ""); err == nil {
		d.clock("redis", now)
	}
}

func (d *doctor) vault(ctx context.Context) {
	d.vaultItself(ctx)
	a := &App{config: d.config, log: zerolog.Nop()}
	a.governor = governor.New(governor.Options{Now: time.Now}, d.state)
	if err := a.openSecrets(ctx); err != nil {
		d.add("vault", CheckFail, "check the login, and that each secret of the policy is there", "%s", err)
		return
	}
	d.add("vault", CheckOK, "", "%d secrets can be read", len(refsOf(d.state)))
}

// syncTries is odd: the median is one of them. slowSync is past what a call's latency should have of it.
const (
	syncTries = 21
	slowSync  = 5 * time.Millisecond
)

func (d *doctor) spool(context.Context) {
	const remedy = "give spool.dir a local disk that this user may write to"
	dir := d.config.Spool.Dir
	for _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) && filepath.Dir(dir) != dir; _, err = os.Stat(dir) {
		dir = filepath.Dir(dir) // run makes it: its parent tells
	}
	f, err := os.CreateTemp(dir, ".doctor-*")
	if err != nil {
		d.add("spool", CheckFail, remedy, "%s", err)
		return
	}
	defer func() { _ = os.Remove(f.Name()) }()
	defer func() { _ = f.Close() }()
	var took []time.Duration
	for range syncTries {
		began := time.Now()
		_, err = f.WriteString("doctor\n")
		if err = errors.Join(err, f.Sync()); err != nil {
			d.add("spool", CheckFail, remedy, "%s", err)
			return
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	median, result := took[syncTries/2], CheckOK
	if median > slowSync {
		result = CheckWarn
	}
	d.room(dir)
	d.add("spool", result, "every call waits for it: use a local SSD, or spool.mode buffered where a power loss may cost the last records", "%s: an fsync takes %s", dir, median.Round(10*time.Microsecond))
}

// room warns where the disk ends before spool.max_bytes do.
func (d *doctor) room(dir string) {
	var disk syscall.Statfs_t
	if err := syscall.Statfs(dir, &disk); err != nil {
		return // not on this system
	}
	free, wanted := int64(disk.Bavail*uint64(disk.Bsize)), d.config.Spool.MaxBytes
	if free < wanted {
		d.add("spool's disk", CheckWarn, "give it more room, or lower spool.max_bytes: calls are refused once it is full", "%d MiB are free of the %d MiB that spool.max_bytes allows", free>>20, wanted>>20)
	}
}

func (d *doctor) envoy(ctx context.Context) {
	at := "http://" + d.config.Envoy.Admin + "/ready"
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		d.add("envoy", CheckFail, "correct envoy.admin", "%s", err)
		return
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		d.add("envoy", CheckWarn, "start it: sentinel envoy bootstrap > envoy.yaml && envoy -c envoy.yaml", "its admin page does not answer on %s from here", d.config.Envoy.Admin)
		return
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		d.add("envoy", CheckWarn, "look at Envoy's log: it waits for sentinel, or refused its configuration", "it is not ready: %s", answer.Status)
		return
	}
	d.add("envoy", CheckOK, "", "it is ready on %s", d.config.Envoy.Listen)
}

func (d *doctor) providers(ctx context.Context) {
	var lost []string
	looked := 0
	seen := map[string]bool{}
	for _, r := range d.state.Ordered {
		host := envoy.HostOnly(r.Provider.Host)
		if r.Provider.Address != "" || seen[host] {
			continue
		}
		seen[host] = true
		looked++
		if _, err := net.DefaultResolver.LookupHost(ctx, host); err != nil {
			lost = append(lost, host)
		}
	}
	if len(lost) > 0 {
		d.add("providers", CheckWarn, "check DNS and the egress rules of this network", "no address is found for %s", strings.Join(lost, ", "))
		return
	}
	d.add("providers", CheckOK, "", "an address is found for each of %d hosts", looked)
}

// oldPrices is the age at which a price should be looked at again.
const oldPrices = 120 * 24 * time.Hour

func (d *doctor) prices(context.Context) {
	now := time.Now().UTC()
	var oldest time.Time
	var unpriced []string
	for _, r := range d.state.Ordered {
		n, at := d.state.Priced(r, now)
		if n == 0 && !r.Endpoint.Apart { // as prices check counts them
			unpriced = append(unpriced, r.Name)
		}
		if !at.IsZero() && (oldest.IsZero() || at.Before(oldest)) {
			oldest = at
		}
	}
	switch {
	case len(unpriced) > 0:
		d.add("prices", CheckWarn, "set prices in the policy, or see unpriced: in its defaults", "%d routes have none: %s", len(unpriced), strings.Join(unpriced[:min(len(unpriced), 5)], ", "))
	case !oldest.IsZero() && now.Sub(oldest) > oldPrices:
		d.add("prices", CheckWarn, "update to a newer release, or set prices in the policy", "the oldest was read on %s", oldest.Format(time.DateOnly))
	default:
		d.add("prices", CheckOK, "", "every route has a price")
	}
}
