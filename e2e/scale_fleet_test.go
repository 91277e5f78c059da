package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/saas-sentinel/saas-sentinel/internal/envoytest"
	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
	"github.com/saas-sentinel/saas-sentinel/internal/redistest"
	"github.com/saas-sentinel/saas-sentinel/internal/stack"
)

// fleet is a gateway of several processes: sentinels behind one name, each on a loopback address of its own, Envoys that share the
// gateway's port, and a Redis Cluster of three masters with a replica each, formed by the chart's own script.
type fleet struct {
	*gateway
	names     *names
	control   int                 // the port of every sentinel for Envoy
	metrics   int                 // and for Prometheus
	sentinels map[string]*process // by host
	fronts    []*front
	nodes     []*redistest.Node
	cluster   *redis.ClusterClient
	db        wire
}

// process is a sentinel that runs.
type process struct {
	cmd    *exec.Cmd
	exited chan error
}

// front is one Envoy.
type front struct {
	*envoytest.Process
	admin, dir string
	bootstrap  []byte
}

// controlName is where Envoys find every sentinel.
const controlName = "sentinel.test"

// sentinelHost is the address of a sentinel, by its number.
func sentinelHost(i int) string { return "127.0.0." + strconv.Itoa(21+i) }

// openFleet starts so many sentinels and Envoys with a policy for the team core.
func openFleet(t *testing.T, config mockapi.Config, team, rules string, sentinels, envoys int) *fleet {
	t.Helper()
	f := &fleet{gateway: &gateway{t: t, dir: t.TempDir()}, sentinels: map[string]*process{}, names: serveNames(t, controlName)}
	tools := needTools(t)
	var err error
	f.stack, err = stack.New(stack.Options{Dir: f.dir, Tools: tools})
	f.must(err)
	t.Cleanup(f.stack.Close)
	f.mock, err = f.stack.Mock(config)
	f.must(err)
	f.dsn, err = f.db.postgres(t)(f.stack)
	f.must(err)
	vault, root, err := f.stack.OpenBao()
	f.must(err)
	f.vaults(vault, root)
	f.formRedis()
	ports, err := stack.FreePorts(3 + envoys)
	f.must(err)
	f.control, f.metrics, f.url = ports[0], ports[1], "http://127.0.0.1:"+strconv.Itoa(ports[2])
	f.write("policies.yaml", f.policyOf(team, rules))
	f.env = []string{"VAULT_ADDR=" + vault, "VAULT_TOKEN=" + root, "SENTINEL_DATABASE_URL=" + f.dsn}
	for i := range envoys {
		f.fronts = append(f.fronts, &front{admin: "127.0.0.1:" + strconv.Itoa(ports[3+i]), dir: filepath.Join(f.dir, "envoy-"+strconv.Itoa(i))})
	}
	var hosts []string
	for i := range sentinels {
		hosts = append(hosts, sentinelHost(i))
		dir := f.configure(sentinelHost(i), f.fronts[0].admin)
		if code, _, stderr := sentinelIn(t, dir, f.env, "migrate"); i == 0 && code != 0 {
			t.Fatalf("migrate: %s", stderr)
		}
		f.begin(sentinelHost(i))
	}
	f.names.set(hosts...)
	for _, e := range f.fronts {
		f.front(e)
	}
	return f
}

// configure writes the configuration of a process into a folder of its own: all differ in nothing but their own addresses.
func (f *fleet) configure(host, admin string) (dir string) {
	f.t.Helper()
	dir = filepath.Join(f.dir, host)
	f.must(os.MkdirAll(dir, 0o700))
	text := fmt.Sprintf(`policies: ../policies.yaml
control: {listen: "%[1]s:%[2]d", advertise: "%[3]s:%[2]d", private_network: true}
metrics: {listen: "%[1]s:%[4]d"}
admin: {listen: ""}
envoy: {listen: "%[5]s", admin: "%[6]s", stream_idle: 20s}
redis: {address: ["%[7]s"], timeout: 500ms}
reconcile: {after: 2s, every: 300ms}
`, host, f.control, controlName, f.metrics, strings.TrimPrefix(f.url, "http://"), admin, f.nodes[0].Addr)
	f.must(os.WriteFile(filepath.Join(dir, "sentinel.yaml"), []byte(text), 0o600))
	return dir
}

// begin runs the sentinel of a host, and waits until it is ready.
func (f *fleet) begin(host string) {
	f.t.Helper()
	dir := filepath.Join(f.dir, host)
	log, err := os.OpenFile(filepath.Join(f.dir, "sentinel.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	f.must(err)
	defer func() { _ = log.Close() }()
	c := exec.Command(built(f.t), "run")
	c.Dir, c.Stderr = dir, log
	c.Env = append([]string{"PATH=" + os.Getenv("PATH")}, f.env...)
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	f.must(c.Start())
	p := &process{c, make(chan error, 1)}
	go func() { p.exited <- c.Wait() }()
	f.stack.OnClose(func() { _ = c.Process.Kill() })
	f.sentinels[host] = p
	f.eventually(host+" is ready", func() bool {
		answer, err := http.Get(f.probe(host) + "/readyz")
		if err != nil {
			return false
		}
		_ = answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
}

func (f *fleet) probe(host string) string {
	return "http://" + net.JoinHostPort(host, strconv.Itoa(f.metrics))
}

// end kills the sentinel of a host.
func (f *fleet) end(host string) {
	f.t.Helper()
	if err := f.sentinels[host].cmd.Process.Kill(); err != nil {
		log, _ := os.ReadFile(filepath.Join(f.dir, "sentinel.log"))
		f.t.Fatalf("%s ended by itself: %v, %v\n%s", host, err, <-f.sentinels[host].exited, tail(log))
	}
	<-f.sentinels[host].exited
	delete(f.sentinels, host)
}

// front starts an Envoy that resolves names at the fleet's own name server.
func (f *fleet) front(e *front) {
	f.t.Helper()
	if e.bootstrap == nil {
		dir := f.configure("envoy-of-"+filepath.Base(e.dir), e.admin)
		code, bootstrap, stderr := sentinelIn(f.t, dir, f.env, "envoy", "bootstrap")
		if code != 0 {
			f.t.Fatalf("envoy bootstrap: %s", stderr)
		}
		_, port, err := net.SplitHostPort(f.names.addr)
		f.must(err)
		e.bootstrap = []byte(bootstrap + fmt.Sprintf(`
typed_dns_resolver_config:
  name: envoy.network.dns_resolver.cares
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig
    resolvers: [{socket_address: {address: 127.0.0.1, port_value: %s}}]
    dns_resolver_options: {no_default_search_domain: true}
`, port))
		f.must(os.MkdirAll(e.dir, 0o700))
	}
	var err error
	e.Process, err = envoytest.Start(f.t.Context(), e.bootstrap, envoytest.Options{Tools: needTools(f.t), Dir: e.dir, Admin: e.admin, Concurrency: 2})
	f.must(err)
	f.stack.OnClose(e.Stop)
}

// formRedis runs six nodes, and the chart's script on each until they are one cluster.
func (f *fleet) formRedis() {
	f.t.Helper()
	const masters, all = 3, 6
	var hosts []string
	for i := range all {
		hosts = append(hosts, "127.0.0."+strconv.Itoa(41+i))
	}
	var err error
	f.nodes, err = redistest.NewNodes(filepath.Join(f.dir, "redis"), hosts)
	f.must(err)
	var addrs []string
	for _, n := range f.nodes {
		if err := n.Start(); errors.Is(err, redistest.ErrMissing) && os.Getenv("E2E") != "must" {
			f.t.Skip(err)
		} else if err != nil {
			f.t.Fatal(err)
		}
		f.stack.OnClose(func() { n.Kill() })
		addrs = append(addrs, n.Addr)
	}
	_, port, err := net.SplitHostPort(addrs[0])
	f.must(err)
	first := redis.NewClient(&redis.Options{Addr: addrs[0]}) // a cluster's client believes for a minute that it has no nodes
	defer func() { _ = first.Close() }()
	for range 60 {
		var joins sync.WaitGroup
		for i := range f.nodes {
			joins.Go(func() { joinRedis(f.t, hosts, port, i, masters) })
		}
		joins.Wait()
		if formed(f.t.Context(), first, masters, all) {
			f.cluster = redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs})
			f.stack.OnClose(func() { _ = f.cluster.Close() })
			return
		}
		time.Sleep(500 * time.Millisecond) // the nodes' gossip is what is waited for
	}
	f.t.Fatal("the chart's script forms no cluster within 60 rounds")
}

// joinRedis runs one round of the script that each of the chart's nodes has beside it.
func joinRedis(t testing.TB, hosts []string, port string, self, masters int) {
	t.Helper()
	c := exec.CommandContext(t.Context(), "sh", filepath.Join(repo, "charts/saas-sentinel/charts/redis/files/join.sh"))
	c.Env = append(os.Environ(), "ONCE=1", "PEERS="+strings.Join(hosts, " "), "SELF="+strconv.Itoa(self), "MASTERS="+strconv.Itoa(masters), "PORT="+port)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("join.sh: %v\n%s", err, out)
	}
}

// formed tells whether every slot has a master, and every master a replica that follows it, as a node sees it.
func formed(ctx context.Context, node *redis.Client, masters, all int) bool {
	shards, err := node.ClusterShards(ctx).Result()
	if err != nil || len(shards) != masters {
		return false
	}
	served, nodes := int64(0), 0
	for _, s := range shards {
		for _, r := range s.Slots {
			served += r.End - r.Start + 1
		}
		for _, n := range s.Nodes {
			if n.Health == "online" {
				nodes++
			}
		}
	}
	info, err := node.ClusterInfo(ctx).Result()
	return err == nil && served == 16384 && nodes == all && strings.Contains(info, "cluster_state:ok")
}

// master is the node that counts the organisation's limits now.
func (f *fleet) master() *redistest.Node {
	f.t.Helper()
	c, err := f.cluster.MasterForKey(f.t.Context(), "{o:acme}")
	f.must(err)
	for _, n := range f.nodes {
		if n.Addr == c.Options().Addr {
			return n
		}
	}
	f.t.Fatalf("%s is no node of the cluster", c.Options().Addr)
	return nil
}
