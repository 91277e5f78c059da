package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/audit"
	"github.com/saas-sentinel/saas-sentinel/credential"
	"github.com/saas-sentinel/saas-sentinel/governor"
	"github.com/saas-sentinel/saas-sentinel/policy"
	"github.com/saas-sentinel/saas-sentinel/store"
)

// KeyRotation is one rotation of a provider's credential, for a command.
type KeyRotation struct {
	Provider string
	By       string          // who asks for it
	Next     sentinel.Secret // the new key; of an AWS key its secret part. Zero: continue, or have one made
	NextID   string          // of an AWS key its access key id
	Keep     time.Duration   // 0: as the policy says
	TestPath string          // empty: the policy's, or the preset's
	Key      int             // number of the credential, in the policy's order; 0 is the first
}

// RotateKey gives a provider's credential another value in Vault: it is set beside the one in use, tested by a real call to
// the provider, and then becomes the one in use. Calling it again continues a rotation that was broken off. The audit chain has it
// before anything is changed, and then how it ended. It says what was done, in a sentence; beside an error, too, where the key was rotated and people
// could not be told.
func RotateKey(ctx context.Context, c Config, st *store.Store, log *audit.Log, r KeyRotation) (string, error) {
	state, err := LoadState(c.Policies)
	if err != nil {
		return "", err
	}
	k, err := keyToRotate(state, c, st, r, func(admin credential.Ref) (*credential.Secrets, error) {
		secrets, err := openSources(ctx, c, func(error) {})
		if err != nil {
			return nil, err
		}
		return secrets, secrets.Load(ctx, []credential.Ref{admin})
	})
	if err != nil {
		return "", err
	}
	defer k.close()
	if k.rotate.Make == policy.MakeVault {
		return k.askReplacement(ctx, st, log, r.By, c.Vault.Refresh)
	}
	v, err := openVault(c, func(error) {})
	if err != nil {
		return "", err
	}
	defer v.Close()
	err = k.run(ctx, c, v, st, log, state, r.By)
	if err != nil && !errors.Is(err, errUntold) {
		return "", err
	}
	return fmt.Sprintf("%s uses the new key; every process does within %s. %s", r.Provider, spell(c.Vault.Refresh), k.farewell(max(k.rotation.Keep, c.Vault.Refresh))), err
}

// KeyIsGiven tells whether an operator makes the new keys of a credential: nobody else does it, by the policy.
func KeyIsGiven(c Config, r KeyRotation) (bool, error) {
	state, err := LoadState(c.Policies)
	if err != nil {
		return false, err
	}
	k, err := keyOf(state, c, r)
	k.close()
	return k.rotate.Make == policy.MakeManual, err
}

// providerKey is a credential that is to be rotated.
type providerKey struct {
	provider policy.Provider // with the credential as its first
	number   int
	rotate   policy.Rotate
	rotation credential.Rotation
	client   *http.Client // nil for an AWS key
}

var (
	errNoCredential = errors.New("the policy has no such credential")
	// errElsewhere says that a credential does not lie in Vault.
	errElsewhere = errors.New("only what lies in Vault is rotated here")
	// errRotationInput says that whoever asks for a rotation has to ask for it otherwise.
	errRotationInput = errors.New("the rotation cannot begin")
	// errUntold says that a rotation worked, and that the incident of one that failed before could not be ended.
	errUntold = errors.New("rotated, but nobody was told")
)

// routeOf finds a credential in the policy: it is the first of the route's.
func routeOf(state *governor.State, provider string, number int) (governor.Route, error) {
	i := slices.IndexFunc(state.Ordered, func(x governor.Route) bool { return x.Provider.Name == provider })
	if i < 0 {
		return governor.Route{}, fmt.Errorf("%w: it has no provider %q", errNoCredential, provider)
	}
	route := state.Ordered[i]
	if number < 0 || number >= route.Provider.Keys() {
		return governor.Route{}, fmt.Errorf("%w: provider %s has none with the number %d: it has %d, and the first is 0", errNoCredential, provider, number, route.Provider.Keys())
	}
	route = route.Keyed(number)
	if route.Provider.Credential.Path == "" {
		return governor.Route{}, fmt.Errorf("%w: provider %s needs none", errNoCredential, provider)
	}
	return route, nil
}

// keyAt is a route's credential, as the policy has it rotated.
func keyAt(route governor.Route, number int) providerKey {
	at := route.Provider.Credential
	return providerKey{provider: route.Provider, number: number, rotate: at.Rotate,
		rotation: credential.Rotation{Ref: credential.Ref{Path: at.Path, Field: at.Field}, Keep: at.Rotate.Keep}}
}

// keyOf finds a credential in the policy, and how it is rotated. Where OpenAI makes it, makesAtOpenAI is to follow.
func keyOf(state *governor.State, c Config, r KeyRotation) (providerKey, error) {
	route, err := routeOf(state, r.Provider, r.Key)
	if err != nil {
		return providerKey{}, err
	}
	where := route.Provider.Credential
	k := keyAt(route, r.Key)
	k.rotation.Keep = cmp.Or(r.Keep, k.rotation.Keep)
	if elsewhere(where) {
		return k, fmt.Errorf("%w: %s is changed at its source, and used within vault.refresh", errElsewhere, where.Path)
	}
	if err := k.given(r); err != nil {
		return k, err
	}
	if where.Field == "" {
		keys := credential.IAMKeys{Endpoint: c.AWS.IAM}
		k.rotation.Test = keys.Test
		if where.Rotate.Make == policy.MakeIAM {
			k.rotation.Maker = keys
		}
		return k, nil
	}
	path := cmp.Or(r.TestPath, testPath(route.Provider))
	if where.Rotate.Make == policy.MakeVault { // each process tests its own lease, and knows the policy alone
		path = testPath(route.Provider)
	}
	switch {
	case path == "" && where.Rotate.Make == policy.MakeVault:
		return k, fmt.Errorf("%w: every process tests the lease that it takes, and no cheap call of provider %s is known: set rotate.test in the policy, such as /v1/me", errRotationInput, r.Provider)
	case !strings.HasPrefix(path, "/"):
		return k, fmt.Errorf("%w: no cheap call of provider %s is known: name one with --test-path (test_path), or as rotate.test in the policy, such as /v1/me", errRotationInput, r.Provider)
	}
	if k.client, err = providerClient(c, route.Provider); err != nil {
		return k, err
	}
	kind, header := kindOf(route)
	k.rotation.Test = func(ctx context.Context, key credential.Key) error {
		return tryKey(ctx, k.client, route.Provider, path, credential.Static(kind, header, key[where.Field]))
	}
	return k, nil
}

// elsewhere tells whether a credential lies in another source than Vault.
func elsewhere(c policy.Credential) bool { return strings.Contains(c.Path, ":") }

// testPath is the cheap call that is known to test a provider's first credential; empty for none.
func testPath(p policy.Provider) string {
	return cmp.Or(p.Credential.Rotate.Test, testPaths[p.Preset])
}

func (k *providerKey) close() {
	if k.client != nil {
		k.client.CloseIdleConnections()
	}
}

// given takes the key that an operator gave.
func (k *providerKey) given(r KeyRotation) error {
	field := k.rotation.Ref.Field
	switch {
	case r.Next.IsZero() && r.NextID != "":
		return fmt.Errorf("%w: provider %s was given an access key id alone: give its secret access key, too", errRotationInput, r.Provider)
	case r.Next.IsZero():
	case field != "" && r.NextID != "":
		return fmt.Errorf("%w: the key of provider %s was given with an access key id: only an AWS key has one", errRotationInput, r.Provider)
	case field != "":
		k.rotation.Next = credential.Key{field: r.Next}
	case r.NextID == "":
		return fmt.Errorf("%w: the credential of provider %s is an AWS key: give its access key id, too, on the command line as a line of its own before the secret access key", errRotationInput, r.Provider)
	default:
		k.rotation.Next = credential.AWSKey{AccessKeyID: r.NextID, Secret: r.Next}.Fields()
	}
	return k.rotation.Next.Check()
}

// keyToRotate finds a credential in the policy, and who makes it another value. secrets gives what holds OpenAI's admin key, and is asked
// where that is needed.
func keyToRotate(state *governor.State, c Config, st *store.Store, r KeyRotation, secrets func(admin credential.Ref) (*credential.Secrets, error)) (providerKey, error) {
	k, err := keyOf(state, c, r)
	if err != nil {
		return k, err
	}
	k.keptFor(st, c.Vault.Refresh)
	if k.rotate.Make == policy.MakeOpenAI {
		held, err := secrets(k.admin())
		if err == nil {
			err = k.makesAtOpenAI(c, held)
		}
		if err != nil {
			k.close()
			return k, err
		}
	}
	return k, nil
}

// keptFor has the key before kept for the calls that the ledger has as running. No process sends a key after refresh that is no longer in use.
func (k *providerKey) keptFor(st *store.Store, refresh time.Duration) {
	k.rotation.Running = func(ctx context.Context, until time.Time) (bool, error) {
		return st.RunningBefore(ctx, k.provider.Name, until.Add(refresh))
	}
}

// admin is where OpenAI's admin key lies.
func (k *providerKey) admin() credential.Ref {
	return credential.Ref{Path: k.rotate.Admin.Path, Field: k.rotate.Admin.Field}
}

// makesAtOpenAI has OpenAI make keys. The requests go where the provider's calls go.
func (k *providerKey) makesAtOpenAI(c Config, secrets *credential.Secrets) error {
	key, ok := secrets.Get(k.admin())
	if !ok {
		return fmt.Errorf("no usable admin key at %s", k.admin())
	}
	k.rotation.Maker = credential.OpenAIKeys{
		Base: baseURL(k.provider) + "/v1", Admin: key, Project: k.rotate.Project, Field: k.rotation.Ref.Field, Client: k.client,
		Owner: c.Vault.Address + " " + c.Vault.Namespace + " " + k.rotation.Ref.String(),
	}
	return nil
}

// run carries a rotation to its end, with a row in the audit chain and an incident where it fails. It is errUntold where it worked, and the
// incident of one before could not be ended.
func (k *providerKey) run(ctx context.Context, c Config, v *credential.Vault, st *store.Store, log *audit.Log, state *governor.State, by string) error {
	tried := false
	row := sentinel.AuditRow{Actor: by, Action: "key.rotate", Object: k.name(), After: "the one before is kept for " + spell(k.rotation.Keep)}
	err := log.Around(ctx, row, func(ctx context.Context) error {
		if _, err := v.ForgetPrevious(ctx, k.rotation); err != nil {
			return err
		}
		err := v.Rotate(ctx, k.rotation)
		tried = !errors.Is(err, credential.ErrNothingPending)
		return err
	})
	if !tried {
		return err
	}
	return andTold(err, tellRotation(ctx, c, st, state, k.provider.Name, k.number, err))
}

// andTold joins how a rotation ended with whether people could be told of it.
func andTold(rotated, told error) error {
	if rotated == nil && told != nil {
		return fmt.Errorf("%w: %w", errUntold, told)
	}
	return errors.Join(rotated, told)
}

func (k *providerKey) name() string { return credentialName(k.provider.Name, k.number) }

// credentialName is the provider's, with the credential's number where it is not the first.
func credentialName(provider string, number int) string {
	if number == 0 {
		return provider
	}
	return fmt.Sprintf("%s, credential %d", provider, number)
}

// farewell says who takes the key before away.
func (k *providerKey) farewell(after time.Duration) string {
	if k.rotate.Make != policy.MakeManual {
		return fmt.Sprintf("The next rotation takes the one before away, after %s at the earliest.", spell(after))
	}
	return fmt.Sprintf("Revoke the one before at the provider after %s.", spell(after))
}

// spell writes a time as people do, in the largest unit that it is a multiple of: 15 minutes.
func spell(d time.Duration) string {
	for _, unit := range []struct {
		of   time.Duration
		name string
	}{{time.Hour, "hour"}, {time.Minute, "minute"}, {time.Second, "second"}} {
		switch {
		case d == unit.of:
			return "1 " + unit.name
		case d > 0 && d%unit.of == 0:
			return fmt.Sprintf("%d %ss", d/unit.of, unit.name)
		}
	}
	return d.String()
}
