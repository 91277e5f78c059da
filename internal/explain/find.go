package explain

import (
	"errors"
	"fmt"
	"strings"

	"github.com/saas-sentinel/saas-sentinel/governor"
	"github.com/saas-sentinel/saas-sentinel/provider"
)

// Place is where a described call goes: to a provider's own host, or through the gateway, whose paths begin with the provider's name.
type Place struct{ Method, Host, Path string }

// Find gives the route of a place, and the provider's own path. The first route that fits is the one that Envoy takes.
func Find(state *governor.State, at Place) (route governor.Route, upstream string, err error) {
	if err := provider.CanonicalPath(at.Path); err != nil {
		return route, "", fmt.Errorf("--path: %w", err)
	}
	var methods []string
	known := false
	for _, r := range state.Ordered {
		own := at.Path
		if at.Host == "" {
			rest, ok := strings.CutPrefix(at.Path, "/"+r.Provider.Name+"/")
			if !ok {
				continue
			}
			own = "/" + rest
		} else if !strings.EqualFold(at.Host, r.Provider.Host) {
			continue
		}
		known = true
		if !r.Endpoint.Match(own) {
			continue
		}
		if strings.EqualFold(r.Endpoint.Method, at.Method) {
			return r, own, nil
		}
		methods = append(methods, r.Endpoint.Method)
	}
	switch {
	case len(methods) > 0:
		return route, "", fmt.Errorf("--method: the endpoints at %s take %s, not %s", at.Path, strings.Join(methods, " and "), at.Method)
	case known:
		return route, "", fmt.Errorf("--path: the policy has no endpoint at %s: the gateway answers 403", at.Path)
	case at.Host != "":
		return route, "", fmt.Errorf("--host: the policy has no provider at %s", at.Host)
	default:
		return route, "", errors.New("--path: begin it with the name of a provider of the policy, such as /openai/v1/chat/completions, or name the provider's own host with --host")
	}
}
