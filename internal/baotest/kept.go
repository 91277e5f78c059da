package baotest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// Kept is an OpenBao that has its secrets on disk, and can be killed and started again at any moment.
type Kept struct {
	Addr, Token string // its URL, and the root token
	dir, binary string
	process     *process
}

// kept is its configuration: one node of Raft, which unseals itself by a key beside its data.
const kept = `storage "raft" {
  path    = "%[1]s/data"
  node_id = "one"
}
listener "tcp" {
  address         = "%[2]s"
  cluster_address = "%[3]s"
  tls_disable     = true
}
cluster_addr = "http://%[3]s"
api_addr     = "http://%[2]s"
seal "static" {
  current_key_id = "tests"
  current_key    = "file://%[1]s/seal.key"
}
`

// StartKept is Start of a server with data in dir. Stop ends it.
func StartKept(dir, tools string) (*Kept, error) {
	k := &Kept{dir: dir, binary: filepath.Join(tools, "venv", "bin", "bao")}
	if _, err := os.Stat(k.binary); err != nil {
		return nil, fmt.Errorf("%w (there is no %s)", ErrNoBinary, k.binary)
	}
	listen, err := freeAddress()
	if err != nil {
		return nil, err
	}
	cluster, err := freeAddress()
	if err != nil {
		return nil, err
	}
	seal := make([]byte, 32)
	_, _ = rand.Read(seal) // crypto/rand never fails since Go 1.24
	if err := os.MkdirAll(filepath.Join(dir, "data"), 0o700); err != nil {
		return nil, fmt.Errorf("openbao's data: %w", err)
	}
	for name, text := range map[string][]byte{"seal.key": seal, "bao.hcl": fmt.Appendf(nil, kept, dir, listen, cluster)} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return nil, fmt.Errorf("openbao's configuration: %w", err)
		}
	}
	k.Addr = "http://" + listen
	if err := k.run(); err != nil {
		return nil, err
	}
	if err := k.initialise(); err != nil {
		k.Stop()
		return nil, fmt.Errorf("openbao: %w; its log ends with:\n%s", err, tail(k.log()))
	}
	return k, nil
}

func (k *Kept) log() string { return filepath.Join(k.dir, "bao.log") }

// run starts the process.
func (k *Kept) run() error {
	log, err := os.OpenFile(k.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("openbao's log: %w", err)
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(k.binary, "server", "-config="+filepath.Join(k.dir, "bao.hcl"))
	cmd.Dir, cmd.Env = k.dir, []string{"HOME=" + k.dir, "PATH=" + os.Getenv("PATH")}
	k.process, err = spawn(cmd, log)
	return err
}

// Start starts it again after Kill, and returns when it answers.
func (k *Kept) Start() error {
	if err := k.run(); err != nil {
		return err
	}
	return answers(k.Addr, k.Token, k.process.ended)
}

// Kill ends it as a crash would. What it has acknowledged is there when it starts again.
func (k *Kept) Kill() { k.process.kill() }

// Stop ends it in order.
func (k *Kept) Stop() { k.process.stop() }

// initialise makes the root token, and the mount secret/ of KV 2 that a server in development mode has.
func (k *Kept) initialise() error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	var made struct {
		Token string `json:"root_token"`
	}
	for _, step := range []struct {
		method, path string
		fields       map[string]any
		into         any
	}{
		{http.MethodPut, "sys/init", map[string]any{"recovery_shares": 1, "recovery_threshold": 1}, &made},
		{http.MethodPost, "sys/mounts/secret", map[string]any{"type": "kv", "options": map[string]string{"version": "2"}}, nil},
	} {
		for { // it listens, unseals and leads one after the other
			err := k.ask(ctx, step.method, step.path, step.fields, step.into)
			if err == nil {
				break
			}
			select {
			case <-k.process.ended:
				return errEnded
			case <-ctx.Done():
				return err
			case <-time.After(20 * time.Millisecond):
			}
		}
		k.Token = made.Token
	}
	return answers(k.Addr, k.Token, k.process.ended)
}

// ask does one operation.
func (k *Kept) ask(ctx context.Context, method, path string, fields map[string]any, into any) error {
	body, err := json.Marshal(fields)
	if err != nil {
		return err
	}
	rq, err := http.NewRequestWithContext(ctx, method, k.Addr+"/v1/"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	rq.Header.Set("X-Vault-Token", k.Token)
	rs, err := http.DefaultClient.Do(rq)
	if err != nil {
		return err
	}
	defer func() { _ = rs.Body.Close() }()
	text, err := io.ReadAll(rs.Body)
	if err != nil || rs.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("%s: %s %.300s", path, rs.Status, text)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(text, into)
}
