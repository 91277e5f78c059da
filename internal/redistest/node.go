package redistest

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Node is one member of a Redis Cluster on a loopback host of its own, as a pod has an address of its own.
type Node struct {
	Host, Addr string
	dir        string
	port       int
	stop       func()
}

// busAbove is how far above its port a node's cluster bus is; lastBus the highest port whose bus is a port too.
const (
	busAbove = 10000
	lastBus  = 65535 - busAbove
)

// NewNodes prepares cluster nodes that know nothing of each other, one for each loopback host, all on one port, each in a folder of its own
// under dir. They run from Start to Kill.
func NewNodes(dir string, hosts []string) ([]*Node, error) {
	port := lastBus + 1
	for tries := 0; port > lastBus; tries++ {
		var err error
		if port, err = freePort(); err != nil {
			return nil, err
		}
		if tries == 100 {
			return nil, fmt.Errorf("no free port below %d was found", lastBus)
		}
	}
	var nodes []*Node
	for _, host := range hosts {
		n := &Node{Host: host, Addr: net.JoinHostPort(host, strconv.Itoa(port)), dir: filepath.Join(dir, host), port: port, stop: func() {}}
		if err := os.MkdirAll(n.dir, 0o755); err != nil { // data of a test server
			return nil, fmt.Errorf("prepare the node on %s: %w", host, err)
		}
		nodes = append(nodes, n)
	}
	return nodes, nil
}

// Start runs the node. What it knew of its cluster before a Kill it knows again; its data is gone. The process dies with this one.
func (n *Node) Start() (err error) {
	_, n.stop, err = start(n.dir, n.Host, n.port, "--cluster-enabled", "yes", "--cluster-announce-ip", n.Host, "--cluster-node-timeout", "2000", "--repl-diskless-sync-delay", "0")
	return err
}

// Kill ends the node at once. Twice is fine.
func (n *Node) Kill() { n.stop() }

// Join makes running nodes one cluster: the first masters share the slots, and each further one follows one of them. It returns when all have
// what their masters have.
func Join(nodes []*Node, masters int) error {
	for i, n := range nodes[:masters] {
		if err := join(n.Addr, nodes[0].Addr, n.port+busAbove, i, masters); err != nil {
			return fmt.Errorf("join %s: %w", n.Addr, err)
		}
	}
	for i, n := range nodes[masters:] {
		master, err := ask(nodes[i%masters].Addr, "CLUSTER MYID")
		if err == nil {
			_, err = ask(nodes[0].Addr, fmt.Sprintf("CLUSTER MEET %s %d %d", n.Host, n.port, n.port+busAbove))
		}
		if err == nil {
			err = until("the replica knows its master", func() bool { _, err := ask(n.Addr, "CLUSTER REPLICATE "+master); return err == nil })
		}
		if err == nil {
			err = until("the replica follows", func() bool {
				info, err := ask(n.Addr, "INFO replication")
				return err == nil && strings.Contains(info, "master_link_status:up")
			})
		}
		if err != nil {
			return fmt.Errorf("join the replica %s: %w", n.Addr, err)
		}
	}
	var addrs []string
	for _, n := range nodes {
		addrs = append(addrs, n.Addr) // a replica that has not heard of its master's slots would not take its place
	}
	return agree(addrs, masters)
}
