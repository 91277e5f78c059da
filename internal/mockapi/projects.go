package mockapi

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Administration is who may make keys at OpenAI's stand-in.
type Administration struct {
	Key     string `yaml:"key"`      // the admin key; without one nobody may
	BadKeys bool   `yaml:"bad_keys"` // keys that are made are refused
}

// projectsPath is where OpenAI administers its projects. Only an admin key is taken there, and nowhere else.
const projectsPath = "/v1/organization/projects/"

// projects are the service accounts of OpenAI's stand-in, whose keys it takes beside those of the configuration
// (https://platform.openai.com/docs/api-reference/project-service-accounts).
type projects struct {
	mu   sync.Mutex
	made int
	list []serviceAccount
}

type serviceAccount struct {
	project, id, name, key string
	bad                    bool
}

// takes tells whether a key is one of an account.
func (p *projects) takes(key string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(p.list, func(a serviceAccount) bool { return a.key == key && !a.bad })
}

// ServiceAccounts lists the names of the service accounts, the oldest first.
func (s *Server) ServiceAccounts() []string {
	s.projects.mu.Lock()
	defer s.projects.mu.Unlock()
	var names []string
	for _, a := range s.projects.list {
		names = append(names, a.name)
	}
	return names
}

func (a serviceAccount) view() map[string]any {
	return map[string]any{"object": "organization.project.service_account", "id": a.id, "name": a.name, "role": "member", "created_at": epoch}
}

// serviceAccounts answers below PROJECT/service_accounts.
func (x *exchange) serviceAccounts() {
	project, rest, _ := strings.Cut(strings.TrimPrefix(x.path, projectsPath), "/")
	id, below := strings.CutPrefix(rest, "service_accounts/")
	x.endpoint = "service_accounts"
	p := &x.server.projects
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case rest == "service_accounts" && x.r.Method == http.MethodGet:
		x.listAccounts(project)
	case rest == "service_accounts" && x.r.Method == http.MethodPost:
		var q struct {
			Name string `json:"name"`
		}
		if !x.decode("service_accounts", &q) {
			return
		}
		p.made++
		a := serviceAccount{project, fmt.Sprintf("svc_acct_%04d", p.made), q.Name, fmt.Sprintf("sk-svcacct-canary-%04d", p.made), x.rules.Administration.BadKeys}
		p.list = append(p.list, a)
		view := a.view()
		view["api_key"] = map[string]any{"object": "organization.project.service_account.api_key", "value": a.key, "name": "Secret Key", "created_at": epoch, "id": "key_" + a.id}
		x.answer(http.StatusOK, view, sentinel.Usage{})
	case below && x.r.Method == http.MethodDelete:
		n := len(p.list)
		p.list = slices.DeleteFunc(p.list, func(a serviceAccount) bool { return a.project == project && a.id == id })
		if len(p.list) == n {
			x.refuse(http.StatusNotFound, "not_found", "No service account "+id)
			return
		}
		x.answer(http.StatusOK, map[string]any{"object": "organization.project.service_account.deleted", "id": id, "deleted": true}, sentinel.Usage{})
	default:
		x.refuse(http.StatusNotFound, "unknown_url", "Unknown request URL: "+x.r.Method+" "+x.path)
	}
}

// listAccounts answers one page: what comes after the account that the request names, at most two, so that a client has to turn pages.
func (x *exchange) listAccounts(project string) {
	const page = 2
	data, seen := []map[string]any{}, x.r.URL.Query().Get("after") == ""
	more := false
	for _, a := range x.server.projects.list {
		switch {
		case a.project != project:
		case !seen:
			seen = a.id == x.r.URL.Query().Get("after")
		case len(data) == page:
			more = true
		default:
			data = append(data, a.view())
		}
	}
	answer := map[string]any{"object": "list", "data": data, "has_more": more}
	if len(data) > 0 {
		answer["first_id"], answer["last_id"] = data[0]["id"], data[len(data)-1]["id"]
	}
	x.answer(http.StatusOK, answer, sentinel.Usage{})
}
