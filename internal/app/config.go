package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/credential"
	"github.com/saas-sentinel/saas-sentinel/envoy"
	"github.com/saas-sentinel/saas-sentinel/internal/strictyaml"
	"github.com/saas-sentinel/saas-sentinel/store"
)

// Config is sentinel.yaml: where everything is. What is allowed is in the policy file.
type Config struct {
	Policies  string          `yaml:"policies" doc:"The policy file, or a folder whose .yaml files make up one policy: a Git checkout or a mounted ConfigMap, which is then changed at its source alone. A relative path begins at this file."`
	Candidate string          `yaml:"candidate" doc:"A second policy, file or folder, that judges every call beside the one in force and decides nothing. sentinel policy shadow tells where it differs. A relative path begins at this file."`
	Publish   PublishConfig   `yaml:"publishing" doc:"How another policy comes into force."`
	Control   ControlConfig   `yaml:"control" doc:"The gRPC port that Envoy talks to."`
	Metrics   MetricsConfig   `yaml:"metrics" doc:"Prometheus metrics, /livez and /readyz."`
	Envoy     EnvoyConfig     `yaml:"envoy" doc:"What Envoy is told."`
	Proxy     ProxyConfig     `yaml:"proxy" doc:"For clients that keep their providers' hosts: the proxy (HTTPS_PROXY), and connections that the network redirects."`
	Redis     RedisConfig     `yaml:"redis" doc:"Where limits and budgets are counted."`
	Vault     VaultConfig     `yaml:"vault" doc:"Where the providers' credentials are."`
	AWS       AWSConfig       `yaml:"aws" doc:"AWS Secrets Manager, for credentials that are written as aws:NAME#FIELD. It is asked as the machine's or pod's own role, or as the environment's AWS_ACCESS_KEY_ID says."`
	Files     FilesConfig     `yaml:"files" doc:"A folder of secrets, for credentials that are written as file:FOLDER#FILE."`
	Database  DatabaseConfig  `yaml:"database" doc:"Where the ledger is."`
	Spool     SpoolConfig     `yaml:"spool" doc:"The write-ahead log of usage on local disk."`
	Reconcile ReconcileConfig `yaml:"reconcile" doc:"What happens to calls whose answer nobody metered."`
	Audit     AuditConfig     `yaml:"audit" doc:"The chain of what operators change."`
	Capture   CaptureConfig   `yaml:"capture" doc:"The key that seals bodies, where the policy captures any."`
	Admin     AdminConfig     `yaml:"admin" doc:"The admin API and the dashboard."`
	Alerts    AlertsConfig    `yaml:"alerts" doc:"Where Slack and Twilio bring what people press. Who is told what is in the policy file."`
	Log       LogConfig       `yaml:"log" doc:"Logging to stderr."`
	Telemetry TelemetryConfig `yaml:"telemetry" doc:"Spans and metrics for an OpenTelemetry collector, by the conventions for generative AI."`
	Debug     DebugConfig     `yaml:"debug" doc:"Profiles of the running process."`

	// TokenKey is SENTINEL_TOKEN_KEY: it makes the hashes of issued service tokens. Every process has the same.
	TokenKey sentinel.Secret `yaml:"-"`

	// Dashboard is the static export that the admin port serves; nil where it was not built.
	Dashboard fs.FS `yaml:"-"`
}

// PublishConfig is how another policy comes into force.
type PublishConfig struct {
	Source string `yaml:"source" doc:"gateway: sentinel policy publish, the API and the dashboard change the policy in all processes, and write it into the file that policies names; files: what keeps the files, such as a Git checkout or a ConfigMap, is the source, and nothing else changes them; auto: files where policies is a folder or mounted from a ConfigMap, else gateway. All processes have the same."`
	Review string `yaml:"review" doc:"none, or required: a second person approves what is published. A roll-back needs no second person."`
}

// ControlConfig is the gRPC port.
type ControlConfig struct {
	Listen    string `yaml:"listen" doc:"host:port of loopback: whoever reaches it is taken for an Envoy, is given what Envoys are given, and can ask as one. Another address needs private_network."`
	Private   bool   `yaml:"private_network" doc:"The address is reached by your Envoys alone, such as in a network of containers or behind a network policy."`
	Advertise string `yaml:"advertise" doc:"host:port under which Envoy reaches it. Default: listen."`
}

// MetricsConfig is the port for Prometheus and probes.
type MetricsConfig struct {
	Listen string `yaml:"listen" doc:"host:port; empty for none."`
}

// EnvoyConfig is what Envoy is told.
type EnvoyConfig struct {
	Node       string        `yaml:"node" doc:"Name of the Envoy."`
	Listen     string        `yaml:"listen" doc:"ip:port on which clients reach the gateway."`
	Hosts      []string      `yaml:"hosts" doc:"Host names and IPs, without port, under which clients address the gateway."`
	Admin      string        `yaml:"admin" doc:"ip:port of loopback for Envoy's admin page, which has no sign-in and can end Envoy."`
	AccessLog  string        `yaml:"access_log" doc:"File of Envoy's access log; empty for none."`
	Witness    string        `yaml:"witness" doc:"File that gets the access log once more, where access_log is none that this process can read: Envoy writes it, this process reads it and keeps it short. Under one path for both."`
	LogFlush   time.Duration `yaml:"access_log_flush" doc:"How late Envoy writes these files: its --file-flush-interval-msec. reconcile.after must be above it."`
	MaxBody    int64         `yaml:"max_body_bytes" doc:"Longest request body that is read for its price; longer ones are answered 413."`
	MaxHeap    int64         `yaml:"max_heap_bytes" doc:"Memory of one Envoy, below the limit of its container: from 95 of 100 parts of it on Envoy gives back what it can, from 98 on it answers 503 in place of taking more requests. Write the bootstrap anew after a change."`
	StreamIdle time.Duration `yaml:"stream_idle" doc:"A request or answer that is silent for so long is ended."`
	TLS        *TLSConfig    `yaml:"tls" doc:"Certificate of the gateway's listener. Without it clients speak plain HTTP."`
}

// TLSConfig is the listener's certificate.
type TLSConfig struct {
	Cert              string     `yaml:"cert" doc:"PEM file."`
	Key               string     `yaml:"key" doc:"PEM file."`
	ClientCA          string     `yaml:"client_ca" doc:"PEM file of the authorities that sign clients' certificates (SPIFFE). A bundle that is moved into its folder is used without a restart."`
	SDS               *SDSConfig `yaml:"sds" doc:"Instead of files: a server of Envoy's secret discovery beside each Envoy, such as a SPIRE agent, which renews certificate and bundle. Write the bootstrap anew after a change."`
	RequireClientCert bool       `yaml:"require_client_cert" doc:"Refuse clients without a certificate."`
}

// SDSConfig is a server of secrets.
type SDSConfig struct {
	Socket      string `yaml:"socket,required" doc:"Path of its unix socket, such as /run/spire/sockets/agent.sock."`
	Certificate string `yaml:"certificate,required" doc:"Name of the listener's certificate there; a SPIRE agent calls it by its SPIFFE ID, or default."`
	Bundle      string `yaml:"bundle" doc:"Name of the authorities that sign clients' certificates; a SPIRE agent calls it by its trust domain, such as spiffe://acme, or ROOTCA."`
}

// ProxyConfig is the proxy for unchanged clients.
type ProxyConfig struct {
	Listen     string        `yaml:"listen" doc:"ip:port at which Envoy takes CONNECT; empty for none."`
	Redirected string        `yaml:"redirected" doc:"ip:port to which the network redirects connections to port 443 of clients that have no proxy setting, see sentinel egress rules; empty for none."`
	TLS        *TLSConfig    `yaml:"tls" doc:"Certificate of the proxy's own listener, for HTTPS_PROXY=https://; with client_ca, clients can say by their certificate (SPIFFE) who they are. Without it CONNECT, and the token in it, are in plain HTTP."`
	CA         string        `yaml:"ca" doc:"PEM file of the authority that vouches for the providers' hosts to your clients, with its key; it is made at the first start, and replicas share one. Or vault:MOUNT#ROLE: an authority of Vault's PKI engine, whose key stays there."`
	Life       time.Duration `yaml:"certificate_life" doc:"Of the certificates that it issues; they are renewed after half of it."`
}

// RedisConfig is where the limiter is.
type RedisConfig struct {
	Address  []string      `yaml:"address" doc:"host:port, or the seeds of a cluster, or the Sentinels of a master, or embedded for an in-process Redis on one machine."`
	Master   string        `yaml:"master" doc:"Name of the master that Redis Sentinel watches: address then lists the Sentinels."`
	Username string        `yaml:"username" doc:"ACL user. The password is SENTINEL_REDIS_PASSWORD."`
	DB       int           `yaml:"db" doc:"Database number."`
	Group    string        `yaml:"group" doc:"Name of a group of organisations on one Redis, for rules with across: they share those limits. All counters of a group are in one slot of a Cluster. One that changes begins counters anew, from the ledger."`
	TLS      bool          `yaml:"tls" doc:"Connect with TLS."`
	CAFile   string        `yaml:"ca_file" doc:"PEM file of the authorities that sign Redis' certificate. Default: the system's."`
	Timeout  time.Duration `yaml:"timeout" doc:"Of one round trip on a call's path."`
	// RecountWait is for how long lost counters wait for a process that was killed.
	RecountWait time.Duration   `yaml:"recount_wait" doc:"After a loss of Redis limits are counted again from the ledger. Records of a process that was killed may be missing there: the others wait so long for it to start again with its spool, and count without it then."`
	Password    sentinel.Secret `yaml:"-"`
}

// VaultConfig is where credentials are.
type VaultConfig struct {
	Address   string          `yaml:"address" doc:"URL. Default: VAULT_ADDR. The login is VAULT_TOKEN, or VAULT_ROLE_ID with VAULT_SECRET_ID, or what login says."`
	Namespace string          `yaml:"namespace" doc:"Vault namespace."`
	CAFile    string          `yaml:"ca_file" doc:"PEM file of the authorities that sign Vault's certificate."`
	Login     VaultLogin      `yaml:"login" doc:"How the gateway logs in, without a secret in its environment."`
	Refresh   time.Duration   `yaml:"refresh" doc:"A changed credential is used within this time, wherever it lies."`
	MaxStale  time.Duration   `yaml:"max_stale" doc:"A credential is used for so long while its source cannot be reached."`
	Token     sentinel.Secret `yaml:"-"`
	RoleID    string          `yaml:"-"`
	SecretID  sentinel.Secret `yaml:"-"`
}

// VaultLogin is how the gateway logs in to Vault.
type VaultLogin struct {
	Method    string `yaml:"method" enum:"approle,kubernetes,jwt,cert" doc:"kubernetes by the pod's service account, jwt by a token of the platform, cert by a client certificate; approle (default) by VAULT_ROLE_ID and VAULT_SECRET_ID."`
	Mount     string `yaml:"mount" doc:"Mount of the auth method. Default: the method's name."`
	Role      string `yaml:"role" doc:"Role at Vault, of kubernetes and jwt; of cert the certificate role's name, or none."`
	TokenFile string `yaml:"token_file" doc:"File of the token, of jwt and kubernetes; it is read at each login. Default of kubernetes: the pod's service account token."`
	Cert      string `yaml:"cert" doc:"PEM file of the client certificate, of cert; it is read at each connection."`
	Key       string `yaml:"key" doc:"PEM file of its key."`
}

// AWSConfig is where AWS Secrets Manager is.
type AWSConfig struct {
	Region   string `yaml:"region" doc:"Its region, such as us-east-1; empty for none."`
	Endpoint string `yaml:"endpoint" doc:"URL of a VPC endpoint. Default: the region's own."`
	IAM      string `yaml:"iam" doc:"URL at which IAM and STS are asked when an access key is rotated, such as of a server that imitates them. Default: AWS's own."`

	Key credential.AWSKey `yaml:"-"` // AWS_ACCESS_KEY_ID and its like; empty for the machine's or pod's own role
}

// FilesConfig is a folder of secrets.
type FilesConfig struct {
	Dir string `yaml:"dir" doc:"The folder; each secret is a folder in it, and each field a file, as Kubernetes mounts them. Nothing outside of it is read. Empty for none."`
}

// DatabaseConfig is where the ledger is.
type DatabaseConfig struct {
	MaxConns      int             `yaml:"max_conns" doc:"Most connections."`
	BatchRows     int             `yaml:"batch_rows" doc:"Rows of one insert."`
	Retention     time.Duration   `yaml:"retention" doc:"Age at which ledger entries are deleted, at least 2160h; 0 keeps them. Sums by minute, hour and day stay."`
	MaxSeries     int             `yaml:"max_series" doc:"Most models, services and sets of tags of a day in the sums, each; those past it are summed as other. The entries keep every name."`
	CompressAfter time.Duration   `yaml:"compress_after" doc:"Age at which TimescaleDB compresses entries."`
	URL           sentinel.Secret `yaml:"-"` // SENTINEL_DATABASE_URL
}

// SpoolConfig is the write-ahead log.
type SpoolConfig struct {
	Dir      string `yaml:"dir" doc:"Directory on a local disk, one for each process."`
	Mode     string `yaml:"mode" doc:"sync: safe against power loss; buffered: safe against a crash of the process."`
	MaxBytes int64  `yaml:"max_bytes" doc:"Most disk space; when it is used up, when_full says what becomes of calls."`
	WhenFull string `yaml:"when_full" doc:"What becomes of calls while the spool or its disk is full. refuse: new ones are refused with 503, ledger_unavailable. unmetered: they go on, limits hold, and what is not on the ledger is counted, shown as degraded and told as an alert of kind dependency."`
}

// ReconcileConfig is about calls whose answer nobody metered.
type ReconcileConfig struct {
	After time.Duration `yaml:"after" doc:"A call of a process that died is booked at its bound after this time."`
	Every time.Duration `yaml:"every" doc:"How often to look."`
}

// AlertsConfig is where callbacks arrive.
type AlertsConfig struct {
	Listen string `yaml:"listen" doc:"host:port for callbacks; empty for none. Put a proxy with TLS before it."`
	URL    string `yaml:"url" doc:"The public URL of that port, such as https://alerts.example. Twilio signs it, and calls take a key only with it."`
}

// AdminConfig is where people look and change things.
type AdminConfig struct {
	Listen string     `yaml:"listen" doc:"host:port; empty for none. Keep it on loopback, or put a proxy with TLS before it."`
	URL    string     `yaml:"url" doc:"The URL at which people reach it, such as https://sentinel.example. With https its cookies are kept from plain HTTP."`
	OIDC   OIDCConfig `yaml:"oidc" doc:"Single sign-on at an OpenID provider, beside local accounts."`
}

// OIDCConfig is where people sign in once for all.
type OIDCConfig struct {
	Issuer string          `yaml:"issuer" doc:"The provider's URL, such as https://login.example; empty for none. There, register URL/api/v1/session/oidc/callback as where people come back, URL being admin.url."`
	Client string          `yaml:"client_id" doc:"What the gateway is called there. Its secret is SENTINEL_OIDC_SECRET; a public client has none."`
	Name   string          `yaml:"name" doc:"What the button of the sign-in page says. Default: the issuer's host."`
	Scopes []string        `yaml:"scopes" doc:"What is asked for beside openid. Default: email and groups."`
	Groups string          `yaml:"groups_claim" doc:"The claim of the id token that lists groups."`
	Person string          `yaml:"person_claim" doc:"The claim that names a person. Of email the provider must say that it was verified."`
	Roles  []OIDCRole      `yaml:"roles" doc:"What groups may do. The first whose group a person has decides; who has none cannot sign in."`
	CAFile string          `yaml:"ca_file" doc:"PEM file of the authorities that sign the provider's certificate. Default: the system's."`
	Secret sentinel.Secret `yaml:"-"` // SENTINEL_OIDC_SECRET
}

// OIDCRole is what a group may do.
type OIDCRole struct {
	Group string `yaml:"group,required" doc:"As the provider names it."`
	Role  string `yaml:"role,required" enum:"viewer,team-admin,operator,admin" doc:"What its people may do."`
	Team  string `yaml:"team" doc:"Of a team admin."`
}

// TelemetryConfig is the OpenTelemetry collector.
type TelemetryConfig struct {
	OTLP    string          `yaml:"otlp" doc:"URL of a collector that takes OTLP over HTTP, such as http://127.0.0.1:4318; empty for none. Its headers are OTEL_EXPORTER_OTLP_HEADERS, such as authorization=Bearer%20token."`
	Sample  int             `yaml:"sample_percent" doc:"Share of the traces that begin at the gateway, 0 to 100. A client's traceparent decides for itself."`
	Headers sentinel.Secret `yaml:"-"` // OTEL_EXPORTER_OTLP_HEADERS
}

// DebugConfig is the port for profiles.
type DebugConfig struct {
	Listen string `yaml:"listen" doc:"host:port of loopback for /debug/pprof, to which kubectl port-forward leads too; empty for none. Profiles have no sign-in, so no other address is taken."`
}

// LogConfig is logging.
type LogConfig struct {
	Level  string `yaml:"level" doc:"debug, info, warn or error."`
	Format string `yaml:"format" doc:"json or console."`
}

// DefaultConfig has every value that can be chosen without knowing the site.
func DefaultConfig() Config {
	return Config{
		Policies: "policies.yaml",
		Publish:  PublishConfig{Source: sourceAuto, Review: reviewNone},
		Control:  ControlConfig{Listen: "127.0.0.1:18000"},
		Metrics:  MetricsConfig{Listen: "127.0.0.1:18001"},
		Admin:    AdminConfig{Listen: "127.0.0.1:18002", OIDC: OIDCConfig{Scopes: []string{"email", "groups"}, Groups: "groups", Person: "email"}},
		Envoy: EnvoyConfig{Node: "egress", Listen: "127.0.0.1:10000", Hosts: []string{"localhost", "127.0.0.1"}, Admin: "127.0.0.1:9901",
			MaxBody: 8 << 20, MaxHeap: envoy.DefaultConfig().MaxHeapBytes, StreamIdle: 5 * time.Minute, LogFlush: 10 * time.Second},
		Proxy:     ProxyConfig{CA: "proxy-ca.pem", Life: 24 * time.Hour},
		Redis:     RedisConfig{Address: []string{"127.0.0.1:6379"}, Timeout: 25 * time.Millisecond, RecountWait: 10 * time.Minute},
		Vault:     VaultConfig{Refresh: 30 * time.Second, MaxStale: time.Hour},
		Database:  DatabaseConfig{MaxConns: 8, BatchRows: 500, MaxSeries: store.DefaultMaxSeries, CompressAfter: 7 * 24 * time.Hour},
		Spool:     SpoolConfig{Dir: "spool", Mode: "sync", MaxBytes: 4 << 30, WhenFull: whenFullRefuse},
		Reconcile: ReconcileConfig{After: time.Minute, Every: 10 * time.Second},
		Log:       LogConfig{Level: "info", Format: "json"},
		Telemetry: TelemetryConfig{Sample: 100},
	}
}

// LoadConfig reads sentinel.yaml and the environment. The error lists every fault at once.
func LoadConfig(file string) (Config, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return DefaultConfig(), fmt.Errorf("configuration %s: %w: name it with --config", file, errors.Unwrap(err))
	}
	return readConfig(file, data)
}

// readConfig reads the text of a configuration, with what the environment adds.
func readConfig(file string, data []byte) (Config, error) {
	c := DefaultConfig()
	doc := strictyaml.Decode(file, data, &c)
	c.environment()
	base := filepath.Dir(file)
	c.Policies, c.Spool.Dir = under(base, c.Policies), under(base, c.Spool.Dir)
	if !c.Proxy.InVault() {
		c.Proxy.CA = under(base, c.Proxy.CA)
	}
	if c.Candidate != "" {
		c.Candidate = under(base, c.Candidate)
	}
	c.Files.Dir = under(base, c.Files.Dir)
	c.Capture.KeyFile = under(base, c.Capture.KeyFile)
	c.Audit.Key, c.Audit.Checkpoints = under(base, c.Audit.Key), under(base, c.Audit.Checkpoints)
	c.check(doc)
	return c, strictyaml.Join(doc.Faults())
}

func under(base, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(base, path)
}

// SecretVariables are the environment's variables that hold secrets.
func SecretVariables() []string {
	return []string{"VAULT_TOKEN", "VAULT_SECRET_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "SENTINEL_DATABASE_URL", "SENTINEL_REDIS_PASSWORD", "SENTINEL_TOKEN_KEY", "SENTINEL_OIDC_SECRET", "OTEL_EXPORTER_OTLP_HEADERS"}
}

// environment reads what does not belong into a file.
func (c *Config) environment() {
	if c.Vault.Address == "" {
		c.Vault.Address = os.Getenv("VAULT_ADDR")
	}
	c.Vault.Token = sentinel.NewSecret(os.Getenv("VAULT_TOKEN"))
	c.Vault.RoleID = os.Getenv("VAULT_ROLE_ID")
	c.Vault.SecretID = sentinel.NewSecret(os.Getenv("VAULT_SECRET_ID"))
	c.AWS.Key = credential.AWSKey{
		AccessKeyID: os.Getenv("AWS_ACCESS_KEY_ID"), Secret: sentinel.NewSecret(os.Getenv("AWS_SECRET_ACCESS_KEY")), SessionToken: sentinel.NewSecret(os.Getenv("AWS_SESSION_TOKEN")),
	}
	c.Database.URL = sentinel.NewSecret(os.Getenv("SENTINEL_DATABASE_URL"))
	c.Admin.OIDC.Secret = sentinel.NewSecret(os.Getenv("SENTINEL_OIDC_SECRET"))
	c.TokenKey = sentinel.NewSecret(os.Getenv("SENTINEL_TOKEN_KEY"))
	c.Redis.Password = sentinel.NewSecret(os.Getenv("SENTINEL_REDIS_PASSWORD"))
	c.Telemetry.Headers = sentinel.NewSecret(os.Getenv("OTEL_EXPORTER_OTLP_HEADERS"))
}

// witnessed is the file with Envoy's access log that this process can read, empty for none.
func (c *Config) witnessed() string {
	switch {
	case c.Envoy.Witness != "":
		return c.Envoy.Witness
	case c.Envoy.AccessLog == "/dev/stdout":
		return ""
	default:
		return c.Envoy.AccessLog
	}
}

// keeping says how long the ledger lives.
func (c *Config) keeping() store.Keeping {
	return store.Keeping{Retention: c.Database.Retention, CompressAfter: c.Database.CompressAfter}
}

// Schema is the JSON Schema of sentinel.yaml, for editors.
func Schema() ([]byte, error) {
	return strictyaml.Schema(Config{}, "https://github.com/saas-sentinel/saas-sentinel/schemas/sentinel.schema.json", "SaaS-Sentinel: where everything is")
}
