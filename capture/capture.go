// Package capture keeps bodies that a policy has stored, sealed: AES-256-GCM under a data key that lives in memory for an hour at most and is
// stored only as a key-encryption key has wrapped it. What it seals is bound to its call and its expiry.
package capture

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Keys is the key-encryption key, wherever it lies.
type Keys interface {
	Wrap(ctx context.Context, key []byte) (string, error)
	Unwrap(ctx context.Context, wrapped string) ([]byte, error)
}

// Bounds of one data key: the time for which it is in memory, and how often it is used. Random nonces of 96 bits want fewer than 2^32 uses.
const (
	keyBytes = 32
	keyLife  = time.Hour
	keyUses  = 1 << 20
)

// ErrSealed says that a body is not as it was sealed, or belongs to another call.
var ErrSealed = errors.New("the body is not as it was sealed")

// Box seals and opens bodies. It is safe for concurrent use.
type Box struct {
	Keys Keys

	mu      sync.Mutex
	aead    cipher.AEAD
	wrapped string
	uses    int
	until   time.Time
}

// Seal encrypts a body. It asks Keys once for each data key.
func (b *Box) Seal(ctx context.Context, body sentinel.Body) (sentinel.SealedBody, error) {
	aead, wrapped, err := b.dataKey(ctx)
	if err != nil {
		return sentinel.SealedBody{}, fmt.Errorf("seal the %s of call %s: %w", body.Part, body.Call.ID, err)
	}
	out := sentinel.SealedBody{Call: body.Call, Attempt: body.Attempt, Part: body.Part, Size: body.Size, Expires: body.Expires.UTC().Truncate(time.Microsecond), Key: wrapped}
	out.Sealed = aead.Seal(nil, nil, body.Data, bound(out)) //nolint:gosec // this AEAD makes a nonce of its own
	return out, nil
}

// Open gives what was sealed.
func (b *Box) Open(ctx context.Context, s sentinel.SealedBody) ([]byte, error) {
	key, err := b.Keys.Unwrap(ctx, s.Key)
	if err != nil {
		return nil, fmt.Errorf("open the %s of call %s: %w", s.Part, s.Call.ID, err)
	}
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	data, err := aead.Open(nil, nil, s.Sealed, bound(s))
	if err != nil {
		return nil, ErrSealed
	}
	return data, nil
}

// bound is what a sealed body is bound to: one that was moved to another call, service or time does not open.
func bound(s sentinel.SealedBody) []byte {
	return fmt.Appendf(nil, "sentinel body 1\x00%s\x00%d\x00%s\x00%s\x00%s\x00%d\x00%d", s.Call.ID, s.Attempt, s.Part, s.Call.Caller.Org, s.Call.Caller.Service, s.Size, s.Expires.UnixMicro())
}

// dataKey gives the key in use, or makes and wraps the next one.
func (b *Box) dataKey(ctx context.Context) (cipher.AEAD, string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.aead != nil && b.uses < keyUses && time.Now().Before(b.until) {
		b.uses++
		return b.aead, b.wrapped, nil
	}
	key := make([]byte, keyBytes)
	_, _ = rand.Read(key) // it cannot fail
	defer clear(key)
	wrapped, err := b.Keys.Wrap(ctx, key)
	if err != nil {
		return nil, "", err
	}
	aead, err := newAEAD(key)
	if err != nil {
		return nil, "", err
	}
	b.aead, b.wrapped, b.uses, b.until = aead, wrapped, 1, time.Now().Add(keyLife)
	return aead, wrapped, nil
}

// newAEAD seals under a key. What it seals begins with its random nonce.
func newAEAD(key []byte) (cipher.AEAD, error) {
	if len(key) != keyBytes {
		return nil, fmt.Errorf("a key of %d bytes, want %d", len(key), keyBytes)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
