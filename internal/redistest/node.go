package redistest

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
)

// Node is one member of a Redis Cluster on a loopback host of its own, as a pod has an address of its own.
type Node struct {
	Host, Addr string
	dir        string
	port       int
	stop       func()
}

// lastBus is the highest port whose cluster bus, 10,000 above it, is a port too.
const lastBus = 65535 - 10000

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
