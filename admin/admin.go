// Package admin is the JSON API for people and scripts, and the dashboard's server: what is spent and by whom, the limits with
// their use, incidents, the policy, prices, accounts and the audit chain. Its OpenAPI document is openapi.json.
package admin

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/rs/zerolog"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Backend is what the API needs of the gateway.
type Backend interface {
	Ledger
	Latencies
	Limits
	Policies
	Incidents
	Silences
	AlertRules
	Anomalies
	Optimiser
	Status
	Accounts
	ServiceTokens
	Rotations
	Charges
	Prices
	Configured
	Answers
	Audit
}

// Options are the parts of a Server.
type Options struct {
	Backend   Backend
	Log       zerolog.Logger
	Now       func() time.Time
	Dashboard fs.FS   // the static export; nil where it was not built
	Secure    bool    // clients come by HTTPS: cookies are kept from plain HTTP
	SignOn    *SignOn // nil for local accounts alone
}

// Server answers the API and serves the dashboard.
type Server struct {
	Options
	api   huma.API
	mux   *http.ServeMux
	roles map[string]sentinel.Role // by operation
	// readings are the operations that write nothing, though they take a body.
	readings map[string]bool
	doors    doors
	streams  streams
	// simulating lets one simulation run at a time: it takes a core.
	simulating sync.Mutex
	exporting  chan struct{} // a place each
}

const (
	apiRoot = "/api/v1"
	maxBody = 1 << 20
)

// New makes a Server.
func New(o Options) *Server {
	s := &Server{Options: o, mux: http.NewServeMux(), roles: map[string]sentinel.Role{}, readings: map[string]bool{}, doors: newDoors(o.Now), exporting: make(chan struct{}, maxExports)}
	c := huma.DefaultConfig("SaaS-Sentinel", "1")
	c.Info.Description = "Spend on third-party APIs: usage, limits, incidents, policies and accounts. Money is in nano-dollars, as strings: JavaScript's numbers end at 9,007,199 dollars."
	c.OpenAPIPath, c.DocsPath, c.SchemasPath = apiRoot+"/openapi", "", ""
	c.CreateHooks = nil // no $schema in answers
	c.Transformers = []huma.Transformer{unquoted}
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"session": {Type: "apiKey", In: "cookie", Name: sessionCookie},
		"token":   {Type: "http", Scheme: "bearer"},
	}
	s.api = humago.New(s.mux, c)
	s.api.UseMiddleware(s.authorise, s.once)
	for _, group := range []func(){s.sessionRoutes, s.signOnRoutes, s.usageRoutes, s.latencyRoutes, s.callRoutes, s.overviewRoutes, s.limitRoutes, s.policyRoutes, s.incidentRoutes, s.silenceRoutes, s.alertRuleRoutes, s.anomalyRoutes, s.accountRoutes, s.keyRoutes, s.tokenRoutes, s.priceRoutes, s.exportRoutes, s.auditRoutes, s.statusRoutes, s.rotationRoutes, s.settingRoutes} {
		group()
	}
	s.mux.Handle("GET "+apiRoot+"/events", s.signedIn(http.HandlerFunc(s.events)))
	s.mux.Handle("/", s.dashboard())
	return s
}

// unquoted takes out of a refusal what it quotes of the request's body: that may be a password or a provider's key.
func unquoted(_ huma.Context, _ string, v any) (any, error) {
	if refusal, ok := v.(*huma.ErrorModel); ok {
		for _, d := range refusal.Errors {
			if strings.HasPrefix(d.Location, "body") {
				d.Value = nil
			}
		}
	}
	return v, nil
}

// Handler is the whole server. A browser's writes from other sites are refused before anything else.
func (s *Server) Handler() http.Handler {
	h := http.NewCrossOriginProtection().Handler(s.mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.Header().Set("X-Frame-Options", "DENY")
		w.Header().Set("Cache-Control", "no-store")
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		h.ServeHTTP(w, r)
	})
}

// OpenAPI is the API's document.
func (s *Server) OpenAPI() *huma.OpenAPI { return s.api.OpenAPI() }

// answer is a JSON answer with a body.
type answer[T any] struct{ Body T }

// operation describes one operation. Everything that it needs to be registered is required, its role first.
type operation struct {
	id, method, path string
	tag, summary     string
	role             sentinel.Role // 0: without sign-in
	status           int           // 0 is 200
	also             int           // another status of the same answer; 0: none
	reads            bool          // it writes nothing, though it takes a body
}

// register adds an operation; there is no other way to add one.
func register[I, O any](s *Server, o operation, handle func(context.Context, *I) (*O, error)) {
	s.roles[o.id], s.readings[o.id] = o.role, o.reads
	h := huma.Operation{OperationID: o.id, Method: o.method, Path: apiRoot + o.path, Tags: []string{o.tag}, Summary: o.summary, MaxBodyBytes: maxBody,
		DefaultStatus: o.status, Errors: []int{http.StatusBadRequest, http.StatusNotFound}}
	if o.role > 0 {
		h.Security = []map[string][]string{{"session": {}}, {"token": {}}}
		h.Errors = append(h.Errors, http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests)
		h.Description = "Role: " + o.role.String() + " or above."
		if o.method != http.MethodGet {
			h.Errors = append(h.Errors, http.StatusConflict, http.StatusPreconditionFailed, http.StatusUnprocessableEntity)
		}
		if o.method != http.MethodGet && !o.reads {
			h.Parameters = append(h.Parameters, &huma.Param{Name: idempotencyKey, In: "header", Schema: &huma.Schema{Type: "string", MinLength: new(minIdempotency), MaxLength: new(maxIdempotency)},
				Description: "Sent again within a day with the same request, it gives the first answer again, and nothing happens twice. A UUID, for each request its own."})
		}
	}
	h.Responses = map[string]*huma.Response{}
	huma.Register(s.api, h, handle)
	if o.also > 0 {
		same := *h.Responses[strconv.Itoa(cmp.Or(o.status, http.StatusOK))]
		same.Description = http.StatusText(o.also)
		h.Responses[strconv.Itoa(o.also)] = &same
	}
}

// fault turns an error of the backend into an answer. What is not the caller's fault is logged, and not told.
func (s *Server) fault(what string, err error) error {
	if errors.Is(err, sentinel.ErrLimitBusy) {
		return huma.Error409Conflict(what + ": the limit was changed by others all the while: try again")
	}
	if !errors.Is(err, context.Canceled) { // who left wants no answer
		s.Log.Error().Err(err).Msg(what + ": admin API")
	}
	return huma.Error503ServiceUnavailable(what + ": the gateway cannot answer now, its log says why")
}

// change makes a change of the database, and records who made it, in one transaction.
func (s *Server) change(ctx context.Context, row sentinel.AuditRow, do func(context.Context) error) error {
	row.Actor = who(ctx).Name
	return s.changed(row, s.Backend.Change(ctx, row, do))
}

// changeElsewhere makes a change outside the database, and records before it who makes it, and after it how it ended.
func (s *Server) changeElsewhere(ctx context.Context, row sentinel.AuditRow, do func(context.Context) error) error {
	row.Actor = who(ctx).Name
	return s.changed(row, s.Backend.ChangeElsewhere(ctx, row, do))
}

// changed answers with an error of the change that is for the client, and hides others.
func (s *Server) changed(row sentinel.AuditRow, err error) error {
	if _, told := errors.AsType[huma.StatusError](err); err != nil && !told {
		return s.fault(row.Action, err)
	}
	return err
}
