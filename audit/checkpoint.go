package audit

import (
	"bufio"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// checkpointDomain separates these signatures from all others.
const checkpointDomain = "saas-sentinel audit checkpoint 1\x00"

// maxCheckpointLine bounds a line of the file; real ones have under 250 bytes.
const maxCheckpointLine = 4 << 10

// checkpoint says that the chain had this row, signed by a key that the database does not have.
type checkpoint struct {
	Seq       int64  `json:"seq"`
	Hash      string `json:"hash"`      // hex
	Signature string `json:"signature"` // base64, Ed25519 over the domain, seq and hash
}

func (c checkpoint) message() []byte {
	return fmt.Appendf(nil, "%s%d %s", checkpointDomain, c.Seq, c.Hash)
}

// Checkpoints is a file of signed checkpoints, one JSON object a line. It belongs on another machine's disk or on storage that
// only grows: whoever can cut it and the table can hide the newest rows.
type Checkpoints struct {
	file *os.File
	key  ed25519.PrivateKey
}

// OpenCheckpoints appends to a file, which is made if need be.
func OpenCheckpoints(path string, key ed25519.PrivateKey) (*Checkpoints, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644) //nolint:gosec // checkpoints are made to be read by others
	if err != nil {
		return nil, fmt.Errorf("open audit checkpoints: %w", err)
	}
	return &Checkpoints{f, key}, nil
}

// Add signs a row and makes the checkpoint durable.
func (c *Checkpoints) Add(r sentinel.AuditRow) error {
	p := checkpoint{Seq: r.Seq, Hash: hex.EncodeToString(r.Hash[:])}
	p.Signature = base64.StdEncoding.EncodeToString(ed25519.Sign(c.key, p.message()))
	line, err := json.Marshal(p)
	if err == nil {
		_, err = c.file.Write(append(line, '\n'))
	}
	if err == nil {
		err = c.file.Sync()
	}
	if err != nil {
		return fmt.Errorf("add audit checkpoint %d: %w", r.Seq, err)
	}
	return nil
}

// Close closes the file.
func (c *Checkpoints) Close() error { return c.file.Close() }

// readCheckpoints gives the checkpoints by row. A line that no key holder signed is an error. A last line without its end was
// cut off by a crash while it was written, and counts for nothing.
func readCheckpoints(r io.Reader, key ed25519.PublicKey) (map[int64]checkpoint, error) {
	found := map[int64]checkpoint{}
	lines := bufio.NewReaderSize(r, maxCheckpointLine)
	for n := 1; ; n++ {
		line, err := lines.ReadSlice('\n')
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return nil, fmt.Errorf("checkpoint %d: %w", n, err)
		}
		var c checkpoint
		if err := json.Unmarshal(line, &c); err != nil {
			return nil, fmt.Errorf("checkpoint %d: %w", n, err)
		}
		signature, err := base64.StdEncoding.DecodeString(c.Signature)
		if err != nil || !ed25519.Verify(key, c.message(), signature) {
			return nil, fmt.Errorf("checkpoint %d, of row %d, has a wrong signature: it was forged, or the key is another", n, c.Seq)
		}
		if old, ok := found[c.Seq]; ok && old.Hash != c.Hash {
			return nil, fmt.Errorf("checkpoint %d: row %d was signed with two hashes: the chain was written anew from there", n, c.Seq)
		}
		found[c.Seq] = c
	}
}

// NewKey makes a key pair in PEM: PKCS 8 and PKIX.
func NewKey() (private, public []byte, err error) {
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	pubDER, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pubDER}), nil
}

// PrivateKey reads a key that NewKey or openssl made.
func PrivateKey(text []byte) (ed25519.PrivateKey, error) {
	if block, _ := pem.Decode(text); block != nil {
		if k, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
			if key, ok := k.(ed25519.PrivateKey); ok {
				return key, nil
			}
		}
	}
	return nil, errors.New("audit key: it is not an Ed25519 private key in PEM: make one with `sentinel audit keygen`")
}

// PublicKey reads the other half.
func PublicKey(text []byte) (ed25519.PublicKey, error) {
	if block, _ := pem.Decode(text); block != nil {
		if k, err := x509.ParsePKIXPublicKey(block.Bytes); err == nil {
			if key, ok := k.(ed25519.PublicKey); ok {
				return key, nil
			}
		}
	}
	return nil, errors.New("audit public key: it is not an Ed25519 public key in PEM")
}
