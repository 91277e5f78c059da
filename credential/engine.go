package credential

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/hashicorp/vault/api"
)

// remedies are what an operator can do about an engine: the whole sentence when it may not be used, and the ends of the sentences when
// it refuses what is asked and, which may be empty, when its answer lacks the field.
type remedies struct{ forbidden, refused, nothing string }

// ask does one operation of an engine at a time, and gives a field of its answer; a token that was revoked is replaced by another login,
// once. Vault's own text for a refusal quotes no secret that was sent.
func (v *Vault) ask(ctx context.Context, path, field string, operation func() (*api.Secret, error), r remedies) (string, error) {
	v.asking.Lock()
	defer v.asking.Unlock()
	got, err := v.inSession(ctx, operation)
	answer, answered := errors.AsType[*api.ResponseError](err)
	switch {
	case isForbidden(err):
		return "", v.faultf(errForbidden, "%s", r.forbidden)
	case answered && answer.StatusCode < http.StatusInternalServerError:
		return "", v.faultf(nil, "%s was answered with HTTP %d (%s): %s", path, answer.StatusCode, clip(strings.Join(answer.Errors, "; ")), r.refused)
	case err != nil:
		return "", v.explain(err, path)
	}
	if got != nil {
		if text, ok := got.Data[field].(string); ok && text != "" {
			return text, nil
		}
	}
	return "", v.faultf(nil, "%s gave no %s%s", path, field, r.nothing)
}

// inSession does an operation once the session is usable.
func (v *Vault) inSession(ctx context.Context, operation func() (*api.Secret, error)) (*api.Secret, error) {
	if err := v.Prepare(ctx); err != nil {
		return nil, err
	}
	got, err := operation()
	if !isForbidden(err) || v.o.Login == nil || v.reloggedIn {
		return got, err
	}
	if err := v.relogin(ctx); err != nil {
		return nil, err
	}
	return operation()
}

func isForbidden(err error) bool {
	answer, ok := errors.AsType[*api.ResponseError](err)
	return ok && answer.StatusCode == http.StatusForbidden
}
