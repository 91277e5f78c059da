package credential

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

var (
	errUnreachable = errors.New("unreachable")
	errForbidden   = errors.New("forbidden")
)

// fault is one sentence for the operator, with the class of the failure for errors.Is.
type fault struct {
	sentence string
	class    error
}

func (f *fault) Error() string { return f.sentence }
func (f *fault) Unwrap() error { return f.class }

// newConns makes the connections to Vault. Redirects are left to the API, which follows one.
func newConns(o VaultOptions, transport http.RoundTripper) (*http.Client, error) {
	if t, ok := transport.(*http.Transport); ok && o.CAFile != "" {
		pem, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, fmt.Errorf("vault: ca file: %w", err)
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("vault: ca file %s holds no PEM certificate", o.CAFile)
		}
		t.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	return &http.Client{
		Transport:     boundedTransport{transport},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// newClient makes a client of the options alone: the API's own reading of VAULT_* variables would
// let the environment override what the operator's file says.
func newClient(o VaultOptions, conns *http.Client) (*api.Client, error) {
	client, err := api.NewClient(&api.Config{
		Address:    o.Address,
		Timeout:    o.Timeout, // and no retries: Run has its own
		HttpClient: conns,
	})
	if err != nil {
		return nil, fmt.Errorf("vault client for %s: %w", o.Address, err)
	}
	client.SetHeaders(http.Header{api.RequestHeaderName: {"true"}})
	client.SetWrappingLookupFunc(func(string, string) string { return "" })
	client.ClearNamespace()
	if o.Namespace != "" {
		client.SetNamespace(o.Namespace)
	}
	client.SetToken(o.Token.Reveal())
	return client, nil
}

// boundedTransport cuts answers at 4 MiB, four times what Vault stores in one secret.
type boundedTransport struct{ http.RoundTripper }

func (t boundedTransport) RoundTrip(rq *http.Request) (*http.Response, error) {
	rs, err := t.RoundTripper.RoundTrip(rq)
	if err == nil {
		rs.Body = http.MaxBytesReader(nil, rs.Body, 4<<20)
	}
	return rs, err
}

// CloseIdleConnections lets http.Client close what the transport keeps open.
func (t boundedTransport) CloseIdleConnections() {
	(&http.Client{Transport: t.RoundTripper}).CloseIdleConnections()
}

// read reads one KV version 2 secret and checks that the wanted fields can be sent.
func (v *Vault) read(ctx context.Context, path string, wanted []string) (secret, error) {
	mount, name, ok := strings.Cut(path, "/")
	if !ok || mount == "" || !canonical(path) {
		return secret{}, v.faultf(nil, "%q is not the path of a secret: write MOUNT/NAME, such as secret/openai", clip(path))
	}
	at := time.Now() // before the request: the age of a value must not be understated
	kv, err := v.client.KVv2(mount).Get(ctx, name)
	switch {
	case errors.Is(err, api.ErrSecretNotFound), err == nil && kv.Data == nil: // the latter was deleted
		return secret{}, v.faultf(nil, "no secret at %s: vault kv put %s %s", path, path, assignments(wanted))
	case err != nil:
		return secret{}, v.explain(err, path)
	case len(kv.Data) > maxFields:
		return secret{}, v.faultf(nil, "%s has %d fields, and at most %d are read", path, len(kv.Data), maxFields)
	}
	s := secret{fields: make(map[string]sentinel.Secret, len(wanted)), readAt: at}
	var faults []error
	for _, field := range wanted {
		if field == "" {
			faults = append(faults, v.everyField(s, path, kv.Data))
			continue
		}
		faults = append(faults, v.oneField(s, path, field, kv.Data))
	}
	return s, errors.Join(faults...)
}

func (v *Vault) oneField(s secret, path, field string, data map[string]any) error {
	text, ok := data[field].(string)
	switch {
	case data[field] == nil:
		return v.faultf(nil, "%s has no field %s: vault kv patch %s %s=…", path, clip(field), path, clip(field))
	case !ok || !sendable(text):
		return v.faultf(nil, "%s#%s cannot be sent in a header: store it as text without blanks or line breaks at its ends", path, clip(field))
	}
	s.fields[field] = sentinel.NewSecret(text)
	return nil
}

// awsFields are what AWSKey reads; only the last may be missing.
var awsFields = [...]string{"access_key_id", "secret_access_key", "session_token"}

// everyField takes the fields that can be sent. Others than an AWS key's may be notes of the operator.
func (v *Vault) everyField(s secret, path string, data map[string]any) error {
	for field, value := range data {
		if text, ok := value.(string); ok && sendable(text) {
			s.fields[field] = sentinel.NewSecret(text)
		}
	}
	var faults []error
	for i, field := range awsFields {
		text, isText := data[field].(string)
		if optional := i == 2; optional && (data[field] == nil || isText && text == "") {
			continue
		}
		faults = append(faults, v.oneField(s, path, field, data))
	}
	return errors.Join(faults...)
}

// explain turns an error of the API into a sentence. The API's own text names the URL and Vault's
// answer, never the token.
func (v *Vault) explain(err error, path string) error {
	mount, name, _ := strings.Cut(path, "/")
	var answer *api.ResponseError
	var transport *url.Error
	switch {
	case errors.As(err, &answer):
	case errors.As(err, &transport), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return v.faultf(errUnreachable, "it cannot be reached (%s): start it, or correct the address", clip(cause(err)))
	default:
		return v.faultf(nil, "its answer about %s was not understood (%s): check that %s is a KV version 2 mount", path, clip(cause(err)), mount)
	}
	switch answer.StatusCode {
	case http.StatusForbidden:
		return v.faultf(errForbidden, "the gateway may not read %s: check that its token is valid and that its policy grants read on %s/data/%s", path, mount, name)
	case http.StatusServiceUnavailable, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusGatewayTimeout:
		return v.faultf(errUnreachable, "it is sealed, on standby or overloaded (HTTP %d): vault status tells which", answer.StatusCode)
	}
	return v.faultf(nil, "reading %s was answered with HTTP %d (%s): check that %s is a KV version 2 mount", path, answer.StatusCode, clip(strings.Join(answer.Errors, "; ")), mount)
}

func (v *Vault) faultf(class error, format string, args ...any) error {
	return &fault{"vault at " + v.o.Address + ": " + fmt.Sprintf(format, args...), class}
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
