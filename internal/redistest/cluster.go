package redistest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// clusterSlots is how many hash slots every Redis Cluster has.
const clusterSlots = 16384

// StartCluster runs a Redis Cluster of masters that share the slots, without replicas, each in a folder of its own
// under dir. The processes die with this one. stop is safe to call twice.
func StartCluster(dir string, masters int) (addrs []string, stop func(), err error) {
	var stops []func()
	stop = func() {
		for _, s := range stops {
			s()
		}
	}
	for i := range masters {
		port, err1 := freePort()
		bus, err2 := freePort()
		home := filepath.Join(dir, strconv.Itoa(i))
		if err := errors.Join(err1, err2, os.Mkdir(home, 0o755)); err != nil {
			stop()
			return nil, nil, fmt.Errorf("prepare master %d: %w", i, err)
		}
		addr, end, err := start(home, loopback, port, "--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(bus))
		if err != nil {
			stop()
			return nil, nil, err
		}
		addrs, stops = append(addrs, addr), append(stops, end)
		if err := join(addr, addrs[0], bus, i, masters); err != nil {
			stop()
			return nil, nil, fmt.Errorf("join %s: %w", addr, err)
		}
	}
	if err := agree(addrs, masters); err != nil {
		stop()
		return nil, nil, err
	}
	return addrs, stop, nil
}

// join gives a master its share of the slots, and introduces it to the first.
func join(addr, first string, bus, i, masters int) error {
	from, to := i*clusterSlots/masters, (i+1)*clusterSlots/masters-1
	if _, err := ask(addr, fmt.Sprintf("CLUSTER ADDSLOTSRANGE %d %d", from, to)); err != nil {
		return err
	}
	if addr == first {
		return nil
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	_, err = ask(first, fmt.Sprintf("CLUSTER MEET %s %s %d", host, port, bus))
	return err
}

// agree waits until every node sees all slots served.
func agree(addrs []string, masters int) error {
	deadline := time.Now().Add(startTimeout)
	for _, addr := range addrs {
		for {
			info, err := ask(addr, "CLUSTER INFO")
			if err == nil && strings.Contains(info, "cluster_state:ok") && strings.Contains(info, fmt.Sprintf("cluster_size:%d\r", masters)) {
				break
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("the cluster does not form within %s: %s says %q (%w)", startTimeout, addr, info, err)
			}
			<-time.After(20 * time.Millisecond)
		}
	}
	return nil
}

// ask sends one inline command and gives its reply's text.
func ask(addr, command string) (string, error) {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return "", err
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(time.Second)) // a dead line shows in the read
	if _, err := fmt.Fprintf(c, "%s\r\n", command); err != nil {
		return "", err
	}
	r := bufio.NewReader(c)
	line, err := r.ReadString('\n')
	switch {
	case err != nil:
		return "", err
	case strings.HasPrefix(line, "-"):
		return "", errors.New(strings.TrimSpace(line[1:]))
	case !strings.HasPrefix(line, "$"):
		return line, nil
	}
	n, err := strconv.Atoi(strings.TrimSpace(line[1:]))
	if err != nil || n < 0 || n > 1<<20 {
		return "", fmt.Errorf("reply %q", line)
	}
	text := make([]byte, n)
	_, err = io.ReadFull(r, text)
	return string(text), err
}
