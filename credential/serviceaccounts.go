package credential

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// OpenAIKeys makes keys of service accounts in a project of OpenAI
// (https://platform.openai.com/docs/api-reference/project-service-accounts): each key has an account of its own, and goes with it.
type OpenAIKeys struct {
	Base    string          // URL with /v1
	Admin   sentinel.Secret // an admin key, which can do nothing but administer
	Project string          // proj_…
	Owner   string          // what tells the accounts of this secret from those of all others that share the project
	Field   string          // of the secret that holds the key
	Client  *http.Client
}

// accountPrefix begins the names of the accounts that are made here, so that those of a try that ended too soon are found.
const accountPrefix = "saas-sentinel "

type serviceAccount struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	APIKey struct {
		Value string `json:"value"`
	} `json:"api_key"`
}

// Make makes an account with its key, after it took those away that an earlier try has made and nobody knows.
func (o OpenAIKeys) Make(ctx context.Context, _ Key, known []Key) (Key, error) {
	accounts, err := o.list(ctx)
	if err != nil {
		return nil, err
	}
	for _, a := range accounts {
		if strings.HasPrefix(a.Name, o.prefix()) && !o.knows(known, a.ID) {
			if err := o.remove(ctx, a.ID); err != nil {
				return nil, err
			}
		}
	}
	var made serviceAccount
	name := map[string]string{"name": o.prefix() + time.Now().UTC().Format(time.RFC3339)}
	if err := o.ask(ctx, http.MethodPost, "", name, &made); err != nil {
		return nil, err
	}
	if made.ID == "" || made.APIKey.Value == "" {
		return nil, errors.New("OpenAI's answer has no service account with a key")
	}
	return Key{o.Field: sentinel.NewSecret(made.APIKey.Value), o.Field + idSuffix: sentinel.NewSecret(made.ID)}, nil
}

// prefix begins the names of the accounts of one secret.
func (o OpenAIKeys) prefix() string {
	owner := sha256.Sum256([]byte(o.Owner))
	return accountPrefix + o.Field + " " + hex.EncodeToString(owner[:6]) + " "
}

func (o OpenAIKeys) knows(known []Key, id string) bool {
	for _, k := range known {
		if k[o.Field+idSuffix].Reveal() == id {
			return true
		}
	}
	return false
}

// list gives every account of the project, page by page.
func (o OpenAIKeys) list(ctx context.Context) (all []serviceAccount, err error) {
	const pages = 50 // of 100
	after := ""
	for range pages {
		var page struct {
			Data    []serviceAccount `json:"data"`
			LastID  string           `json:"last_id"`
			HasMore bool             `json:"has_more"`
		}
		if err := o.ask(ctx, http.MethodGet, "?limit=100&after="+url.QueryEscape(after), nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Data...)
		if after = page.LastID; !page.HasMore {
			return all, nil
		}
	}
	return nil, fmt.Errorf("project %s has more than %d service accounts", o.Project, pages*100)
}

// Remove deletes the account of a key. A key without an id was made by hand, and is its operator's to revoke.
func (o OpenAIKeys) Remove(ctx context.Context, _, old Key) error {
	id := old[o.Field+idSuffix].Reveal()
	if id == "" {
		return nil
	}
	return o.remove(ctx, id)
}

func (o OpenAIKeys) remove(ctx context.Context, id string) error {
	err := o.ask(ctx, http.MethodDelete, "/"+url.PathEscape(id), nil, nil)
	if errors.Is(err, errNotFound) {
		return nil
	}
	return err
}

// ask makes one request below the project's service accounts.
func (o OpenAIKeys) ask(ctx context.Context, method, path string, body, into any) error {
	var content bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&content).Encode(body); err != nil {
			return err
		}
	}
	at := "/organization/projects/" + url.PathEscape(o.Project) + "/service_accounts"
	rq, err := http.NewRequestWithContext(ctx, method, o.Base+at+path, &content)
	if err != nil {
		return err
	}
	rq.Header.Set("Authorization", "Bearer "+o.Admin.Reveal())
	rq.Header.Set("Content-Type", "application/json")
	rs, err := o.Client.Do(rq)
	if err != nil {
		return fmt.Errorf("%s %s at OpenAI: %s", method, at, clip(cause(err)))
	}
	defer func() { _ = rs.Body.Close() }()
	switch {
	case rs.StatusCode == http.StatusNotFound:
		return fmt.Errorf("%s %s at OpenAI: %w", method, at, errNotFound)
	case rs.StatusCode >= http.StatusMultipleChoices:
		return fmt.Errorf("%s %s at OpenAI was answered with HTTP %d: check the admin key and the project", method, at, rs.StatusCode)
	case into == nil:
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(rs.Body, maxJWKS)).Decode(into); err != nil {
		return fmt.Errorf("%s %s at OpenAI: its answer was not understood", method, at)
	}
	return nil
}
