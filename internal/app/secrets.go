package app

import (
	"context"
	"fmt"
	"time"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/credential"
)

// openSecrets reads every secret that the policy names.
func (a *App) openSecrets(ctx context.Context) error {
	var err error
	if a.secrets, err = openSources(ctx, a.config, func(err error) { a.log.Warn().Err(err).Msg("credentials not refreshed") }); err != nil {
		return err
	}
	return a.secrets.Load(ctx, refsOf(a.governor.State()))
}

// openSources makes the sources of secrets of a configuration.
func openSources(ctx context.Context, c Config, onError func(error)) (*credential.Secrets, error) {
	o := credential.Options{Sources: map[string]credential.Source{}, Refresh: c.Vault.Refresh, MaxStale: c.Vault.MaxStale, OnError: onError}
	if c.Vault.Address != "" {
		v, err := openVault(c, onError)
		if err != nil {
			return nil, err
		}
		o.Sources[credential.SchemeVault] = v
	}
	if c.AWS.Region != "" {
		key, err := ownAWSKey(ctx, c.AWS)
		if err != nil {
			return nil, err
		}
		if o.Sources[credential.SchemeAWS], err = credential.NewAWSSecrets(credential.AWSOptions{Region: c.AWS.Region, Endpoint: c.AWS.Endpoint, Key: key}); err != nil {
			return nil, err
		}
	}
	if c.Files.Dir != "" {
		o.Sources[credential.SchemeFile] = credential.NewFiles(c.Files.Dir)
	}
	return credential.NewSecrets(o)
}

// openVault makes the client of a configuration.
func openVault(config Config, onError func(error)) (*credential.Vault, error) {
	c := config.Vault
	o := credential.VaultOptions{Address: c.Address, Token: c.Token, Namespace: c.Namespace, CAFile: c.CAFile, OnError: onError}
	l := c.Login
	switch {
	case l.Method != "" && l.Method != credential.LoginAppRole:
		o.Login = &credential.Login{Method: l.Method, Mount: l.Mount, Role: l.Role, TokenFile: l.TokenFile, CertFile: l.Cert, KeyFile: l.Key}
	case c.RoleID != "":
		o.Login = &credential.Login{Method: credential.LoginAppRole, Mount: l.Mount, Role: c.RoleID, SecretID: c.SecretID}
	}
	return credential.NewVault(o)
}

// ownAWSKey gives the key of whom the process runs as: that of the environment, which is forgotten after it was read, or what
// AWS's own programs find, such as a pod's web identity, or the container's or the machine's role.
func ownAWSKey(ctx context.Context, own AWSConfig) (func(context.Context) (credential.AWSKey, time.Time, error), error) {
	if !own.Key.Secret.IsZero() {
		return func(context.Context) (credential.AWSKey, time.Time, error) { return own.Key, time.Time{}, nil }, nil
	}
	c, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithRegion(own.Region))
	if err != nil {
		return nil, fmt.Errorf("aws: the configuration of the machine's own role: %w", err)
	}
	return func(ctx context.Context) (credential.AWSKey, time.Time, error) {
		k, err := c.Credentials.Retrieve(ctx)
		if err != nil {
			return credential.AWSKey{}, time.Time{}, fmt.Errorf("the machine's own role: %w", err)
		}
		return credential.AWSKey{AccessKeyID: k.AccessKeyID, Secret: sentinel.NewSecret(k.SecretAccessKey), SessionToken: sentinel.NewSecret(k.SessionToken)}, k.Expires, nil
	}, nil
}
