package app

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/ca"
	"github.com/saas-sentinel/saas-sentinel/credential"
	"github.com/saas-sentinel/saas-sentinel/envoy"
	"github.com/saas-sentinel/saas-sentinel/internal/strictyaml"
)

// check reports every value that cannot work.
func (c *Config) check(doc *strictyaml.Doc) {
	for key, addr := range map[string]string{"control.listen": c.Control.Listen, "metrics.listen": c.Metrics.Listen, "admin.listen": c.Admin.Listen, "control.advertise": c.Control.Advertise} {
		if _, _, err := net.SplitHostPort(addr); err != nil && (addr != "" || key == "control.listen") {
			doc.Fault(key, "%q is not host:port", addr)
		}
	}
	for key, d := range map[string]struct{ got, min, max time.Duration }{
		"redis.timeout":      {c.Redis.Timeout, time.Millisecond, time.Second},
		"redis.recount_wait": {c.Redis.RecountWait, time.Second, 24 * time.Hour},
		"reconcile.after":    {c.Reconcile.After, time.Second, 24 * time.Hour},
		"reconcile.every":    {c.Reconcile.Every, 100 * time.Millisecond, time.Hour},
		"vault.refresh":      {c.Vault.Refresh, 100 * time.Millisecond, time.Hour},
		"vault.max_stale":    {c.Vault.MaxStale, c.Vault.Refresh, 30 * 24 * time.Hour},
		"envoy.stream_idle":  {c.Envoy.StreamIdle, time.Second, time.Hour},

		"envoy.access_log_flush": {c.Envoy.LogFlush, time.Millisecond, time.Hour},

		"proxy.certificate_life": {c.Proxy.Life, time.Second, ca.MaxLeafLife},
	} {
		if d.got < d.min || d.got > d.max {
			doc.Fault(key, "%s is outside %s to %s", d.got, d.min, d.max)
		}
	}
	if c.witnessed() != "" && c.Reconcile.After <= c.Envoy.LogFlush {
		doc.Fault("reconcile.after", "%s is not above envoy.access_log_flush, %s: calls would be booked before Envoy's access log can say what became of them", c.Reconcile.After, c.Envoy.LogFlush)
	}
	if c.Proxy.InVault() {
		if _, _, err := credential.ParsePKI(strings.TrimPrefix(c.Proxy.CA, vaultPrefix)); err != nil {
			doc.Fault("proxy.ca", "%s", err)
		}
	}
	if len(c.Redis.Address) == 0 {
		doc.Fault("redis.address", "an address is required: host:port, or embedded")
	}
	if c.Envoy.MaxBody < 1024 || c.Envoy.MaxBody > 64<<20 {
		doc.Fault("envoy.max_body_bytes", "%d is outside 1024 to %d", c.Envoy.MaxBody, 64<<20)
	}
	if c.Envoy.MaxHeap < envoy.MinHeapBytes || c.Envoy.MaxHeap > envoy.MaxHeapBytes {
		doc.Fault("envoy.max_heap_bytes", "%d is outside %d to %d", c.Envoy.MaxHeap, int64(envoy.MinHeapBytes), int64(envoy.MaxHeapBytes))
	}
	if c.Database.MaxSeries < 10 || c.Database.MaxSeries > 100_000 {
		doc.Fault("database.max_series", "%d is outside 10 to 100000", c.Database.MaxSeries)
	}
	c.checkWords(doc)
	if c.Telemetry.Sample < 0 || c.Telemetry.Sample > 100 {
		doc.Fault("telemetry.sample_percent", "%d is outside 0 to 100", c.Telemetry.Sample)
	}
	if _, _, err := net.SplitHostPort(c.Control.Listen); err == nil && !c.Control.Private && !loopback(c.Control.Listen) {
		doc.Fault("control.listen", "%q can be reached from other machines, and whoever reaches it is taken for an Envoy: use 127.0.0.1, or set control.private_network where your Envoys alone reach it", c.Control.Listen)
	}
	if _, _, err := net.SplitHostPort(c.Envoy.Admin); err == nil && !loopback(c.Envoy.Admin) {
		doc.Fault("envoy.admin", "%q is not of loopback, such as 127.0.0.1:9901: the page has no sign-in, and can end Envoy", c.Envoy.Admin)
	}
	if c.Debug.Listen != "" && !loopback(c.Debug.Listen) {
		doc.Fault("debug.listen", "%q is not host:port of loopback, such as 127.0.0.1:18006: profiles show what is in memory", c.Debug.Listen)
	}
	if err := c.keeping().Validate(); err != nil {
		doc.Fault("database", "%s", err)
	}
	if c.Capture.KeyFile != "" && c.Capture.Transit != "" {
		doc.Fault("capture", "key_file and transit are two places of one key: set one")
	}
	if (c.Audit.Key == "") != (c.Audit.Checkpoints == "") {
		doc.Fault("audit", "key and checkpoints belong together: set both or none")
	}
	if c.Database.URL.IsZero() {
		doc.Fault("database", "set SENTINEL_DATABASE_URL in the environment, such as postgres://user:password@host:5432/sentinel")
	}
	c.checkSources(doc)
	c.checkSignOn(doc)
}

// checkWords checks what is one of a few words.
func (c *Config) checkWords(doc *strictyaml.Doc) {
	if c.Spool.Mode != "sync" && c.Spool.Mode != "buffered" {
		doc.Fault("spool.mode", "%q is not a mode: use sync or buffered", c.Spool.Mode)
	}
	if c.Spool.WhenFull != whenFullRefuse && c.Spool.WhenFull != whenFullUnmetered {
		doc.Fault("spool.when_full", "%q is not a behaviour: use refuse or unmetered", c.Spool.WhenFull)
	}
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, c.Log.Level) {
		doc.Fault("log.level", "%q is not a level: use debug, info, warn or error", c.Log.Level)
	}
	if !slices.Contains([]string{sourceAuto, sourceGateway, sourceFiles}, c.Publish.Source) {
		doc.Fault("publishing.source", "%q is not a source: use auto, gateway or files", c.Publish.Source)
	}
	if c.Publish.Source == sourceGateway && isFolder(c.Policies) {
		doc.Fault("publishing.source", "%s is a folder, which has a source of its own: use files, or name one file", c.Policies)
	}
	if c.Publish.Review != reviewNone && c.Publish.Review != reviewRequired {
		doc.Fault("publishing.review", "%q is not a review: use none or required", c.Publish.Review)
	}
	if c.Log.Format != "json" && c.Log.Format != "console" {
		doc.Fault("log.format", "%q is not a format: use json or console", c.Log.Format)
	}
	for _, name := range c.Audit.Verdicts {
		if _, ok := sentinel.ActionByName(name); !ok {
			doc.Fault("audit.verdicts", "%q is not a verdict: use deny, throttle, clamp, downgrade, fallback, delay or allow", name)
		}
	}
}

// checkSignOn checks the provider of single sign-on. In plain HTTP, anybody on the way could answer in its place.
func (c *Config) checkSignOn(doc *strictyaml.Doc) {
	o := c.Admin.OIDC
	if o.Issuer == "" {
		return
	}
	u, err := url.Parse(o.Issuer)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Host)) {
		doc.Fault("admin.oidc.issuer", "it has to be an https URL without a user")
	}
	if c.Admin.URL == "" {
		doc.Fault("admin.url", "single sign-on sends people back to it: set it, such as https://sentinel.example")
	}
	if o.Client == "" {
		doc.Fault("admin.oidc.client_id", "name what the gateway is called at the provider")
	}
	if len(o.Roles) == 0 {
		doc.Fault("admin.oidc.roles", "nobody could sign in: give a group a role")
	}
	for i, r := range o.Roles {
		if (r.Role == sentinel.RoleTeamAdmin.String()) != (r.Team != "") {
			doc.Fault(fmt.Sprintf("admin.oidc.roles[%d].team", i), "a team-admin has one, nobody else does")
		}
	}
}

// checkSources reports where no credential could come from.
func (c *Config) checkSources(doc *strictyaml.Doc) {
	elsewhere := c.AWS.Region != "" || c.Files.Dir != ""
	if c.Vault.Address == "" && !elsewhere {
		doc.Fault("vault.address", "set it here or as VAULT_ADDR in the environment, such as https://vault.example:8200; or name aws.region or files.dir")
	}
	byRole := c.Vault.Login.Method == "" || c.Vault.Login.Method == credential.LoginAppRole
	if c.Vault.Token.IsZero() && byRole && (c.Vault.RoleID == "" || c.Vault.SecretID.IsZero()) && (c.Vault.Address != "" || !elsewhere) {
		doc.Fault("vault", "set VAULT_TOKEN, or VAULT_ROLE_ID and VAULT_SECRET_ID, in the environment, or vault.login")
	}
	if !byRole && !c.Vault.Token.IsZero() {
		doc.Fault("vault.login", "VAULT_TOKEN is in the environment as well: give one of the two")
	}
	if c.AWS.Region == "" && c.AWS.Endpoint != "" {
		doc.Fault("aws.endpoint", "name aws.region as well: signatures name it")
	}
}

func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	return err == nil && (host == "localhost" || net.ParseIP(host).IsLoopback())
}
