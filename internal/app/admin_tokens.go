package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/saas-sentinel/saas-sentinel/admin"
	"github.com/saas-sentinel/saas-sentinel/credential"
	"github.com/saas-sentinel/saas-sentinel/store"
)

// desk is where the admin API issues tokens. Making one needs the key.
func (b *adminBackend) desk(makes bool) (d TokenDesk, err error) {
	d = TokenDesk{Store: b.Store, Audit: b.app.audit, Set: b.set()}
	if makes {
		d.Key, err = credential.NewTokenKey(b.app.config.TokenKey)
	}
	return d, refusedInput(err)
}

// refusedInput marks what the client can correct.
func refusedInput(err error) error {
	if errors.Is(err, ErrTokenInput) || errors.Is(err, store.ErrNoToken) || errors.Is(err, credential.ErrTokenKey) {
		return fmt.Errorf("%w: %w", admin.ErrRefused, err)
	}
	return err
}

// IssueServiceToken makes a token.
func (b *adminBackend) IssueServiceToken(ctx context.Context, by, service, label string, life time.Duration) (id, token string, err error) {
	d, err := b.desk(true)
	if err != nil {
		return "", "", err
	}
	id, token, err = d.Issue(ctx, by, service, label, life)
	return id, token, refusedInput(err)
}

// ReissueServiceToken makes another token under an id.
func (b *adminBackend) ReissueServiceToken(ctx context.Context, by, id string, grace time.Duration) (token string, err error) {
	d, err := b.desk(true)
	if err != nil {
		return "", err
	}
	token, err = d.Rotate(ctx, by, id, grace)
	return token, refusedInput(err)
}

// EndServiceToken revokes a token.
func (b *adminBackend) EndServiceToken(ctx context.Context, by, id string) error {
	d, _ := b.desk(false)
	return refusedInput(d.Revoke(ctx, by, id))
}
