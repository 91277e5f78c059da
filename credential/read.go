package credential

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/hashicorp/vault/api"
)

// ErrUnreachable says that a source of secrets does not answer, or not now.
var ErrUnreachable = errors.New("unreachable")

var (
	errForbidden = errors.New("forbidden")
	errNotFound  = errors.New("not found")
)

// fault is one sentence for the operator, with the class of the failure for errors.Is.
type fault struct {
	sentence string
	class    error
}

func (f *fault) Error() string { return f.sentence }
func (f *fault) Unwrap() error { return f.class }

// mount is where a secret's engine is mounted in Vault.
type mount struct {
	path    string // without the slash at its end
	engine  string // kv, aws, database …
	version int    // of kv
}

// Read reads one secret. A token that was revoked is replaced by another login, once in a round of reads.
func (v *Vault) Read(ctx context.Context, path string) (map[string]any, error) {
	data, err := v.readOnce(ctx, path)
	if !errors.Is(err, errForbidden) || v.o.Login == nil || v.reloggedIn {
		return data, err
	}
	if err := v.relogin(ctx); err != nil {
		return nil, err
	}
	return v.readOnce(ctx, path)
}

func (v *Vault) readOnce(ctx context.Context, path string) (map[string]any, error) {
	first, _, ok := strings.Cut(path, "/")
	if !ok || first == "" || !canonical(path) {
		return nil, v.faultf(nil, "%q is not the path of a secret: write MOUNT/NAME, such as secret/openai", clip(path))
	}
	m, err := v.mountOf(ctx, path)
	if err != nil {
		return nil, err
	}
	if m.engine != "kv" {
		return v.lend(ctx, path, m)
	}
	name := strings.TrimPrefix(path, m.path+"/")
	var kv *api.KVSecret
	if m.version == 1 {
		kv, err = v.client.KVv1(m.path).Get(ctx, name)
	} else {
		kv, err = v.client.KVv2(m.path).Get(ctx, name)
	}
	if err == nil && kv.Data != nil {
		return kv.Data, nil
	}
	defer delete(v.mounts, path)                             // it may have become another engine
	if err == nil || errors.Is(err, api.ErrSecretNotFound) { // nil: it was deleted
		return nil, errNotFound
	}
	return nil, v.explain(err, path)
}

// mountOf finds the engine of a path, as Vault's own command does. A token that may not ask is taken to mean a KV mount of
// version 2 with a name of one segment, which is what vault secrets enable and the development server make.
func (v *Vault) mountOf(ctx context.Context, path string) (mount, error) {
	if m, ok := v.mounts[path]; ok {
		return m, nil
	}
	first, _, _ := strings.Cut(path, "/")
	assumed := mount{path: first, engine: "kv", version: 2}
	got, err := v.client.Logical().ReadWithContext(ctx, "sys/internal/ui/mounts/"+path)
	if answer, refused := errors.AsType[*api.ResponseError](err); refused && !overloaded(answer.StatusCode) || err == nil && got == nil {
		v.mounts[path] = assumed
		return assumed, nil
	}
	if err != nil {
		return mount{}, v.explain(err, path)
	}
	at, _ := got.Data["path"].(string)
	engine, _ := got.Data["type"].(string)
	m := mount{path: strings.TrimSuffix(at, "/"), engine: engine, version: 1}
	if options, ok := got.Data["options"].(map[string]any); ok && options["version"] == "2" {
		m.version = 2
	}
	if !strings.HasPrefix(path, m.path+"/") {
		return mount{}, v.faultf(nil, "%s is no secret of the mount %s: write MOUNT/NAME", path, clip(m.path))
	}
	v.mounts[path] = m
	return m, nil
}

// explain turns an error of the API into a sentence. The API's own text names the URL and Vault's
// answer, never the token.
func (v *Vault) explain(err error, path string) error {
	if told, ok := errors.AsType[*fault](err); ok {
		return told
	}
	mount, name, _ := strings.Cut(path, "/")
	var answer *api.ResponseError
	var transport *url.Error
	switch {
	case errors.As(err, &answer):
	case errors.As(err, &transport), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return v.faultf(ErrUnreachable, "it cannot be reached (%s): start it, or correct the address", clip(cause(err)))
	default:
		return v.faultf(nil, "its answer about %s was not understood (%s): check what %s is mounted as", path, clip(cause(err)), mount)
	}
	switch {
	case answer.StatusCode == http.StatusForbidden:
		return v.faultf(errForbidden, "the gateway may not read %s: check that its token is valid and that its policy grants read on %s", path, v.granted(path, mount, name))
	case overloaded(answer.StatusCode):
		return v.faultf(ErrUnreachable, "it is sealed, on standby or overloaded (HTTP %d): vault status tells which", answer.StatusCode)
	}
	return v.faultf(nil, "reading %s was answered with HTTP %d (%s): check what %s is mounted as", path, answer.StatusCode, clip(strings.Join(answer.Errors, "; ")), mount)
}

// overloaded tells whether an answer says nothing about what was asked.
func overloaded(status int) bool {
	return slices.Contains([]int{http.StatusServiceUnavailable, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusGatewayTimeout}, status)
}

// granted is the path that a policy has to grant. KV version 2 has its secrets below data/.
func (v *Vault) granted(path, first, name string) string {
	m, known := v.mounts[path]
	switch {
	case !known:
		return first + "/data/" + name
	case m.engine == "kv" && m.version == 2:
		return m.path + "/data/" + strings.TrimPrefix(path, m.path+"/")
	}
	return path
}

// cause gives the end of an error's chain, without the URL and the attempts around it. A network
// operation is kept whole, because it names the address that was dialled.
func cause(err error) string {
	if errors.Is(err, context.DeadlineExceeded) || os.IsTimeout(err) {
		return "no answer in time"
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Error()
	}
	for next := errors.Unwrap(err); next != nil; next = errors.Unwrap(err) {
		err = next
	}
	return err.Error()
}

// sendable tells whether a value can be a header's value as it is.
func sendable(s string) bool {
	const maxSecret = 16 << 10
	return s != "" && len(s) <= maxSecret && strings.TrimSpace(s) == s &&
		!strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r == 0x7f })
}

// canonical tells whether every segment of a path stands for itself in a URL.
func canonical(path string) bool {
	return len(path) <= 512 && !slices.ContainsFunc(strings.Split(path, "/"), func(segment string) bool {
		return segment == "" || segment == "." || segment == ".." ||
			strings.ContainsFunc(segment, func(r rune) bool { return r <= 0x20 || r >= 0x7f || strings.ContainsRune("%?#\\", r) })
	})
}

func assignments(fields []string) string {
	var b strings.Builder
	for i, f := range fields {
		if i > 0 {
			b.WriteByte(' ')
		}
		if f == "" {
			f = "access_key_id=… secret_access_key"
		}
		b.WriteString(clip(f) + "=…")
	}
	return b.String()
}

func clip(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
