package credential

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// What a rotation adds to a secret, beside the field F itself. All of its state is there: whoever continues a rotation
// that was broken off, on whichever machine, finds it in the secret.
const (
	pendingSuffix  = "_pending"        // the next value, until it has been tested
	previousSuffix = "_previous"       // the value before, for as long as answers may still need it
	untilSuffix    = "_previous_until" // RFC 3339; from then on the value before is dropped by the next rotation
)

// ErrBadKey says that the provider refused the new key. The one in use stays.
var ErrBadKey = errors.New("the provider refused the new key")

// ErrNothingPending says that there is neither a new key nor a rotation to continue.
var ErrNothingPending = errors.New("there is no new key, and no rotation to continue")

// Rotation is one change of a credential.
type Rotation struct {
	Ref  Ref             // with a field
	Next sentinel.Secret // zero: continue a rotation that was broken off
	Keep time.Duration   // for which the key before stays beside the new one
	// Test makes a real, cheap call with a key. ErrBadKey ends the rotation; any other error leaves it to be continued.
	Test func(context.Context, sentinel.Secret) error
}

// Rotate sets the next key as pending, tests it, and then makes it the current one. Every step is one conditional write
// of the whole secret, so a crash between two of them leaves a key in use that works, and calling Rotate again goes on from
// there. Two rotations at once do not mix: the slower one fails.
func (v *Vault) Rotate(ctx context.Context, r Rotation) error {
	if !r.Next.IsZero() && !sendable(r.Next.Reveal()) {
		return errors.New("the new key has blanks or control characters at its ends or within, or none at all: give it as it is sent")
	}
	s, err := v.rotating(ctx, r)
	if err != nil {
		return err
	}
	if err := s.set(ctx); err != nil {
		return err
	}
	if s.data[r.Ref.Field+pendingSuffix] == nil {
		return nil // the new key is the current one already
	}
	if err := s.test(ctx); err != nil {
		return err
	}
	return s.finish(ctx)
}

// rotating is a rotation under way, with the secret as it was read or written last.
type rotating struct {
	Rotation
	v       *Vault
	kv      *api.KVv2
	name    string
	data    map[string]any
	version int
}

// rotating opens the secret of a rotation.
func (v *Vault) rotating(ctx context.Context, r Rotation) (*rotating, error) {
	if !strings.Contains(r.Ref.Path, "/") || !canonical(r.Ref.Path) || r.Ref.Field == "" {
		return nil, v.faultf(nil, "%q is not the place of one key: write MOUNT/NAME#FIELD", clip(r.Ref.String()))
	}
	if err := v.Prepare(ctx); err != nil {
		return nil, err
	}
	m, err := v.mountOf(ctx, r.Ref.Path)
	if err != nil {
		return nil, err
	}
	if m.engine != "kv" || m.version != 2 {
		return nil, v.faultf(nil, "%s is no KV mount of version 2: a rotation needs one, because each of its steps is a conditional write", m.path)
	}
	s := &rotating{v: v, kv: v.client.KVv2(m.path), name: strings.TrimPrefix(r.Ref.Path, m.path+"/"), Rotation: r}
	return s, s.read(ctx)
}

func (s *rotating) read(ctx context.Context) error {
	kv, err := s.kv.Get(ctx, s.name)
	switch {
	case errors.Is(err, api.ErrSecretNotFound), err == nil && kv.Data == nil:
		return s.v.faultf(nil, "no secret at %s: a rotation begins with a key in use", s.Ref.Path)
	case err != nil:
		return s.v.explain(err, s.Ref.Path)
	}
	if text, _ := kv.Data[s.Ref.Field].(string); text == "" {
		return s.v.faultf(nil, "%s has no field %s: a rotation begins with a key in use", s.Ref.Path, clip(s.Ref.Field))
	}
	s.data, s.version = kv.Data, kv.VersionMetadata.Version
	return nil
}

// write replaces the secret, if it is still the one that was read.
func (s *rotating) write(ctx context.Context, change func(map[string]any)) error {
	next := maps.Clone(s.data)
	change(next)
	kv, err := s.kv.Put(ctx, s.name, next, api.WithCheckAndSet(s.version))
	if answer, ok := errors.AsType[*api.ResponseError](err); ok && answer.StatusCode == 400 {
		return s.v.faultf(nil, "%s was changed by somebody else meanwhile: try again", s.Ref.Path)
	}
	if err != nil {
		return fmt.Errorf("write: %w (the token's policy must grant update on it)", s.v.explain(err, s.Ref.Path))
	}
	s.data, s.version = next, kv.VersionMetadata.Version
	return nil
}

// set puts the next key beside the current one. A key that is pending already is continued with, unless another is given.
func (s *rotating) set(ctx context.Context) error {
	field := s.Ref.Field
	pending, _ := s.data[field+pendingSuffix].(string)
	next := s.Next.Reveal()
	switch {
	case next == "" && pending == "":
		return ErrNothingPending
	case next == "", next == pending, next == s.data[field]:
		return nil
	}
	return s.write(ctx, func(m map[string]any) { m[field+pendingSuffix] = next })
}

func (s *rotating) test(ctx context.Context) error {
	pending, _ := s.data[s.Ref.Field+pendingSuffix].(string)
	err := s.Test(ctx, sentinel.NewSecret(pending))
	if errors.Is(err, ErrBadKey) {
		return errors.Join(err, s.write(ctx, func(m map[string]any) { delete(m, s.Ref.Field+pendingSuffix) }))
	}
	return err
}

// finish makes the pending key the current one, and keeps the one before.
func (s *rotating) finish(ctx context.Context) error {
	field := s.Ref.Field
	return s.write(ctx, func(m map[string]any) {
		m[field+previousSuffix], m[field+untilSuffix] = m[field], time.Now().Add(s.Keep).UTC().Format(time.RFC3339)
		m[field] = m[field+pendingSuffix]
		delete(m, field+pendingSuffix)
	})
}

// ForgetPrevious drops the key before from a secret once its time is over, and tells whether it is still kept, until when.
func (v *Vault) ForgetPrevious(ctx context.Context, ref Ref) (kept time.Time, err error) {
	s, err := v.rotating(ctx, Rotation{Ref: ref})
	if err != nil {
		return kept, err
	}
	text, _ := s.data[ref.Field+untilSuffix].(string)
	until, err := time.Parse(time.RFC3339, text)
	if text == "" {
		return kept, nil
	}
	if err == nil && time.Now().Before(until) {
		return until, nil
	}
	return kept, s.write(ctx, func(m map[string]any) {
		delete(m, ref.Field+previousSuffix)
		delete(m, ref.Field+untilSuffix)
	})
}
