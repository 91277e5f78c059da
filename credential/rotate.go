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
	idSuffix       = "_id"             // the provider's name for the key, where a Maker made it
	rotatedSuffix  = "_rotated"        // RFC 3339; since then the value is in use
)

// ErrBadKey says that the provider refused the new key. The one in use stays.
var ErrBadKey = errors.New("the provider refused the new key")

// ErrNothingPending says that there is neither a new key nor a rotation to continue.
var ErrNothingPending = errors.New("there is no new key, and no rotation to continue")

// ErrKeyText says that the new key cannot be sent as it was given.
var ErrKeyText = errors.New("the new key has blanks or control characters at its ends or within, or none at all: give it as it is sent")

// Key is a credential as a secret holds it: its fields, one alone or those of an AWS key.
type Key map[string]sentinel.Secret

// Check tells whether a new key can be sent as it was given: else it is ErrKeyText.
func (k Key) Check() error {
	for _, value := range k {
		if !sendable(value.Reveal()) {
			return ErrKeyText
		}
	}
	return nil
}

// Maker makes keys at a provider, and takes them away.
type Maker interface {
	// Make makes another key with the help of the one in use. What an earlier try has made and nobody has learned, because the process ended
	// between, it takes away first; known are the keys that the secret has.
	Make(ctx context.Context, current Key, known []Key) (Key, error)
	// Remove takes a key away. One that has gone is no error.
	Remove(ctx context.Context, current, old Key) error
}

// Rotation is one change of a credential.
type Rotation struct {
	Ref   Ref           // without a field: an AWS key
	Next  Key           // empty: continue a rotation that was broken off, or let Maker make one
	Maker Maker         // nil: the operator makes keys, and takes them away
	Keep  time.Duration // for which the key before stays beside the new one, at least
	// Running tells whether answers still run to calls that may have gone out with the key that was in use until a time: it is kept for them, up to
	// LongestKept after that time. nil: nobody knows, and Keep alone counts.
	Running func(ctx context.Context, until time.Time) (bool, error)
	// Test makes a real, cheap call with a key. ErrBadKey ends the rotation; any other error leaves it to be continued.
	Test func(context.Context, Key) error
}

// LongestKept bounds how long the key before is kept for answers that run.
const LongestKept = 24 * time.Hour

// fields are what makes up the key. A maker's id for a key stands beside it.
func (r Rotation) fields() []string {
	if r.Ref.Field == "" {
		return awsFields[:2]
	}
	return []string{r.Ref.Field, r.Ref.Field + idSuffix}
}

// main is the field that every key has.
func (r Rotation) main() string { return r.fields()[0] }

// Rotate sets the next key as pending, tests it, and then makes it the current one. Every step is one conditional write
// of the whole secret, so a crash between two of them leaves a key in use that works, and calling Rotate again goes on from
// there. Two rotations at once do not mix: the slower one fails.
func (v *Vault) Rotate(ctx context.Context, r Rotation) error {
	if err := r.Next.Check(); err != nil {
		return err
	}
	s, err := v.rotating(ctx, r)
	if err != nil {
		return err
	}
	if err := s.set(ctx); err != nil {
		return err
	}
	if len(s.key(pendingSuffix)) == 0 {
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
	written time.Time // when that version was
}

// rotating opens the secret of a rotation.
func (v *Vault) rotating(ctx context.Context, r Rotation) (*rotating, error) {
	if !strings.Contains(r.Ref.Path, "/") || !canonical(r.Ref.Path) {
		return nil, v.faultf(nil, "%q is not the place of one key: write MOUNT/NAME#FIELD, or MOUNT/NAME for an AWS key", clip(r.Ref.String()))
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
	if text, _ := kv.Data[s.main()].(string); text == "" {
		return s.v.faultf(nil, "%s has no field %s: a rotation begins with a key in use", s.Ref.Path, clip(s.main()))
	}
	s.data, s.version, s.written = kv.Data, kv.VersionMetadata.Version, kv.VersionMetadata.CreatedTime
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

// key gives the fields of the key with a suffix; it is empty where there is none.
func (s *rotating) key(suffix string) Key {
	k := Key{}
	for _, field := range s.fields() {
		if text, _ := s.data[field+suffix].(string); text != "" {
			k[field] = sentinel.NewSecret(text)
		}
	}
	return k
}

// put writes the fields of a key with a suffix, and no others of an earlier one.
func (s *rotating) put(m map[string]any, suffix string, k Key) {
	for _, field := range s.fields() {
		delete(m, field+suffix)
		if value := k[field].Reveal(); value != "" {
			m[field+suffix] = value
		}
	}
}

// same tells whether two keys are one.
func (s *rotating) same(a, b Key) bool { return a[s.main()].Reveal() == b[s.main()].Reveal() }

// set puts the next key beside the current one. A key that is pending already is continued with, unless another is given.
func (s *rotating) set(ctx context.Context) error {
	pending, current := s.key(pendingSuffix), s.key("")
	next := s.Next
	if len(next) == 0 && len(pending) == 0 && s.Maker != nil {
		made, err := s.Maker.Make(ctx, current, []Key{current, s.key(previousSuffix)})
		if err != nil {
			return fmt.Errorf("make a new key: %w", err)
		}
		next = made
	}
	switch {
	case len(next) == 0 && len(pending) == 0:
		return ErrNothingPending
	case len(next) == 0, s.same(next, pending), s.same(next, current):
		return nil
	}
	return s.write(ctx, func(m map[string]any) { s.put(m, pendingSuffix, next) })
}

// test tries the pending key. One that is bad is taken out of the secret first: what is left at its provider then is known to nobody.
func (s *rotating) test(ctx context.Context) error {
	pending := s.key(pendingSuffix)
	err := s.Test(ctx, pending)
	if !errors.Is(err, ErrBadKey) {
		return err
	}
	err = errors.Join(err, s.write(ctx, func(m map[string]any) { s.put(m, pendingSuffix, nil) }))
	if s.Maker != nil {
		err = errors.Join(err, s.Maker.Remove(ctx, s.key(""), pending))
	}
	return err
}

// finish makes the pending key the current one, and keeps the one before.
func (s *rotating) finish(ctx context.Context) error {
	current, pending := s.key(""), s.key(pendingSuffix)
	return s.write(ctx, func(m map[string]any) {
		s.put(m, previousSuffix, current)
		m[s.main()+untilSuffix] = time.Now().Add(s.Keep).UTC().Format(time.RFC3339)
		s.put(m, "", pending)
		s.put(m, pendingSuffix, nil)
		m[s.main()+rotatedSuffix] = time.Now().UTC().Format(time.RFC3339)
	})
}

// Due tells whether a rotation was broken off, or the key has been in use for longer than every. One that no rotation put there has been in use
// since the secret was written. While the key before is kept no rotation is due: it would be forgotten for the one after it.
func (v *Vault) Due(ctx context.Context, r Rotation, every time.Duration) (bool, error) {
	s, err := v.rotating(ctx, r)
	if err != nil {
		return false, err
	}
	if len(s.key(pendingSuffix)) > 0 {
		return true, nil
	}
	since, err := s.since()
	if err != nil || time.Since(since) < every {
		return false, err
	}
	until, err := s.kept(ctx)
	return until.IsZero(), err
}

// Beside is what stands beside a key in its secret: all that a rotation has left there.
type Beside struct {
	Pending       bool      // a next key that has not shown that it works
	PreviousUntil time.Time // until when the key before is kept at most; zero where there is none, or none that is needed
}

// Beside reads what stands beside a key.
func (v *Vault) Beside(ctx context.Context, r Rotation) (Beside, error) {
	s, err := v.rotating(ctx, r)
	if err != nil {
		return Beside{}, err
	}
	until, err := s.kept(ctx)
	return Beside{len(s.key(pendingSuffix)) > 0, until}, err
}

// since is when the key in use became that.
func (s *rotating) since() (time.Time, error) {
	text, _ := s.data[s.main()+rotatedSuffix].(string)
	if text == "" {
		return s.written, nil
	}
	since, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return since, s.v.faultf(nil, "%s#%s is no time: write it as 2006-01-02T15:04:05Z, or remove it", s.Ref.Path, clip(s.main()+rotatedSuffix))
	}
	return since, nil
}

// kept tells until when the key before is kept at most; zero where there is none, or none that is needed.
func (s *rotating) kept(ctx context.Context) (until time.Time, err error) {
	text, _ := s.data[s.main()+untilSuffix].(string)
	if text == "" {
		return until, nil
	}
	if until, err := time.Parse(time.RFC3339, text); err == nil && time.Now().Before(until) {
		return until, nil
	}
	since, err := s.since()
	last := since.Add(LongestKept)
	if err != nil || s.Running == nil || !time.Now().Before(last) {
		return until, err
	}
	running, err := s.Running(ctx, since)
	if err != nil {
		return until, fmt.Errorf("find out whether answers run that need the key before: %w", err)
	}
	if running {
		return last, nil
	}
	return until, nil
}

// ForgetPrevious takes the key before away once its time is over and no answer runs that needs it, at its provider where a maker made it and
// then out of the secret. It tells whether the key is still kept, until when at most.
func (v *Vault) ForgetPrevious(ctx context.Context, r Rotation) (kept time.Time, err error) {
	s, err := v.rotating(ctx, r)
	if err != nil {
		return kept, err
	}
	if kept, err = s.kept(ctx); err != nil || !kept.IsZero() {
		return kept, err
	}
	if s.data[s.main()+untilSuffix] == nil {
		return kept, nil
	}
	if old := s.key(previousSuffix); s.Maker != nil && len(old) > 0 {
		if err := s.Maker.Remove(ctx, s.key(""), old); err != nil {
			return kept, fmt.Errorf("take the key before away: %w", err)
		}
	}
	return kept, s.write(ctx, func(m map[string]any) {
		s.put(m, previousSuffix, nil)
		delete(m, s.main()+untilSuffix)
	})
}
