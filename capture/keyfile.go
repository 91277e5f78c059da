package capture

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// KeyFile is a key-encryption key out of a file. It wraps with its first key and unwraps with any, so that a new first line
// replaces a key while the bodies that the one before has wrapped live on.
type KeyFile struct{ keys []fileKey }

type fileKey struct {
	id  string // of the key, and no secret
	key []byte
}

const (
	maxFileKeys = 32
	fileScheme  = "file"
)

// NewKey gives the text of a key file.
func NewKey() []byte {
	key := make([]byte, keyBytes)
	_, _ = rand.Read(key)
	return append(base64.StdEncoding.AppendEncode(nil, key), '\n')
}

// ParseKeyFile reads a key file: 32 bytes in base64 a line. What begins with # is a comment.
func ParseKeyFile(text []byte) (*KeyFile, error) {
	f := &KeyFile{}
	for i, line := range bytes.Split(text, []byte("\n")) {
		if line = bytes.TrimSpace(line); len(line) == 0 || line[0] == '#' {
			continue
		}
		key, err := base64.StdEncoding.DecodeString(string(line))
		if err != nil || len(key) != keyBytes {
			return nil, fmt.Errorf("line %d is not %d bytes in base64: sentinel capture keygen makes such a key", i+1, keyBytes)
		}
		sum := sha256.Sum256(append([]byte("sentinel key-encryption key"), key...))
		f.keys = append(f.keys, fileKey{hex.EncodeToString(sum[:6]), key})
	}
	if n := len(f.keys); n == 0 || n > maxFileKeys {
		return nil, fmt.Errorf("%d keys, want 1 to %d: sentinel capture keygen makes one", n, maxFileKeys)
	}
	return f, nil
}

// Wrap encrypts a data key with the first key.
func (f *KeyFile) Wrap(_ context.Context, key []byte) (string, error) {
	k := f.keys[0]
	aead, err := newAEAD(k.key)
	if err != nil {
		return "", err
	}
	return fileScheme + ":" + k.id + ":" + base64.StdEncoding.EncodeToString(aead.Seal(nil, nil, key, []byte(k.id))), nil //nolint:gosec // this AEAD makes a nonce of its own
}

// Unwrap decrypts a data key with the key that has wrapped it.
func (f *KeyFile) Unwrap(_ context.Context, wrapped string) ([]byte, error) {
	scheme, rest, _ := strings.Cut(wrapped, ":")
	id, text, _ := strings.Cut(rest, ":")
	sealed, err := base64.StdEncoding.DecodeString(text)
	if scheme != fileScheme || err != nil {
		return nil, errors.New("its data key was not wrapped by a key file: configure the key that was used then")
	}
	for _, k := range f.keys {
		if k.id != id {
			continue
		}
		aead, err := newAEAD(k.key)
		if err != nil {
			return nil, err
		}
		key, err := aead.Open(nil, nil, sealed, []byte(id))
		if err != nil {
			return nil, ErrSealed
		}
		return key, nil
	}
	return nil, fmt.Errorf("its data key was wrapped by key %s, which capture.key_file does not have: add it as a further line", id)
}
