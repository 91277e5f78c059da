package credential

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// The auth methods of Vault by which a machine logs in.
const (
	LoginAppRole    = "approle"
	LoginKubernetes = "kubernetes" // by the pod's service account
	LoginJWT        = "jwt"        // by a token of the machine's platform
	LoginCert       = "cert"       // by a client certificate
)

// KubernetesToken is where Kubernetes mounts the token of a pod's service account.
const KubernetesToken = "/var/run/secrets/kubernetes.io/serviceaccount/token" //nolint:gosec // a path

// Login is how a machine logs in to Vault. It can be repeated at any time. Files are read anew each time, because
// platforms replace them.
type Login struct {
	Method string // one of the above
	Mount  string // of the auth method; as the method is called when empty
	// Role is the role of kubernetes and jwt, the role id of approle, and the name of the certificate role of cert, which
	// may be empty.
	Role              string
	SecretID          sentinel.Secret // of approle
	TokenFile         string          // of kubernetes and jwt; of kubernetes KubernetesToken when empty
	CertFile, KeyFile string          // of cert; PEM
}

// filled has the defaults.
func (l Login) filled() Login {
	if l.Mount == "" {
		l.Mount = l.Method
	}
	if l.Method == LoginKubernetes && l.TokenFile == "" {
		l.TokenFile = KubernetesToken
	}
	return l
}

func (l Login) validate() error {
	switch {
	case !slices.Contains([]string{LoginAppRole, LoginKubernetes, LoginJWT, LoginCert}, l.Method):
		return fmt.Errorf("vault: %q is not a login: use approle, kubernetes, jwt or cert", clip(l.Method))
	case !canonical(l.Mount):
		return fmt.Errorf("vault: %q is not the mount of an auth method: write for instance %s", clip(l.Mount), l.Method)
	case l.Method == LoginAppRole && (l.Role == "" || l.SecretID.IsZero()):
		return errors.New("vault: an AppRole needs a role id and a secret id")
	case (l.Method == LoginKubernetes || l.Method == LoginJWT) && l.Role == "":
		return fmt.Errorf("vault: the login %s needs a role", l.Method)
	case l.Method == LoginJWT && l.TokenFile == "":
		return errors.New("vault: the login jwt needs the file of a token")
	case l.Method == LoginCert && (l.CertFile == "" || l.KeyFile == ""):
		return errors.New("vault: the login cert needs the files of a certificate and of its key")
	}
	return nil
}

// body is what the login is asked with.
func (l Login) body() (map[string]any, error) {
	switch l.Method {
	case LoginAppRole:
		return map[string]any{"role_id": l.Role, "secret_id": l.SecretID.Reveal()}, nil
	case LoginCert:
		if l.Role == "" {
			return map[string]any{}, nil
		}
		return map[string]any{"name": l.Role}, nil
	}
	token, err := readToken(l.TokenFile)
	if err != nil {
		return nil, err
	}
	return map[string]any{"role": l.Role, "jwt": token}, nil
}

// readToken reads a token that a platform keeps in a file.
func readToken(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", fmt.Errorf("token file %s: %w", name, errors.Unwrap(err))
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxWorkloadToken+1))
	if err != nil {
		return "", fmt.Errorf("token file %s: %w", name, err)
	}
	token := strings.TrimSpace(string(data))
	if len(data) > maxWorkloadToken || !sendable(token) {
		return "", fmt.Errorf("token file %s holds no token of 1 to %d bytes", name, maxWorkloadToken)
	}
	return token, nil
}

// certificate reads the client certificate for one handshake.
func (l Login) certificate(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(l.CertFile, l.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("the client certificate %s: %w", l.CertFile, err)
	}
	return &pair, nil
}

// remedy says what to check when Vault refuses a login.
func (l Login) remedy() string {
	switch l.Method {
	case LoginAppRole:
		return "check the role id, and issue a new secret id"
	case LoginCert:
		return "check that the role trusts the authority of " + l.CertFile + ", and that the certificate has not ended"
	}
	return "check that the role " + clip(l.Role) + " is bound to the account and the audience of the token in " + l.TokenFile
}
