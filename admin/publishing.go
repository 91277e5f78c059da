package admin

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Publishing changes the policy in every gateway process, and keeps what was in force. Each change is audited, and each text is kept with
// hashes for tokens. Errors are those of the vocabulary, such as sentinel.ErrPolicyOutdated.
type Publishing interface {
	// PublishPolicy puts a draft in force, or forward where a second person has to approve it. It waits until processes have it.
	PublishPolicy(ctx context.Context, d PolicyDraft) (Publication, error)
	// RollbackPolicy puts a version in force that was in force before; an empty one is the last other one.
	RollbackPolicy(ctx context.Context, version string, d PolicyDraft) (Publication, error)
	// DecidePolicy approves a proposal, or rejects it.
	DecidePolicy(ctx context.Context, id int64, by, note string, approve bool) (Publication, error)
	// PolicyVersions lists what was in force, the latest first: what came into force before the change of a number, 0 for none.
	PolicyVersions(ctx context.Context, before int64, limit int) ([]PolicyVersion, error)
	// PolicyText is the text of a version or of a proposal, masked for all but admins.
	PolicyText(ctx context.Context, version string, secrets bool) (string, error)
	// DiffPolicies compares two versions; an empty to is the one in force.
	DiffPolicies(ctx context.Context, from, to string, secrets bool) (PolicyDiff, error)
	// Proposals lists those below a number, 0 for all, the latest first.
	Proposals(ctx context.Context, before int64, limit int) ([]sentinel.PolicyProposal, error)
	// PolicyProcesses lists the gateway's processes.
	PolicyProcesses(ctx context.Context) ([]sentinel.PolicyProcess, error)
}

// PolicyDraft is what somebody wants in force, made from the version that was.
type PolicyDraft struct{ Text, Was, Author, Reason string }

// Publication is what became of a change, and what each process has.
type Publication struct {
	Proposal  sentinel.PolicyProposal
	Processes []sentinel.PolicyProcess
}

// PolicyVersion is a version that was in force from a time on, until the next one.
type PolicyVersion struct {
	Version string    `json:"version"`
	Since   time.Time `json:"since"`
	Author  string    `json:"author"`
	Reason  string    `json:"reason" doc:"Empty where a file changed by itself."`

	Seq int64 `json:"-"` // number of the change
}

// PolicyVersionPage is a part of what was in force, the latest first.
type PolicyVersionPage struct {
	Versions []PolicyVersion `json:"versions" nullable:"false"`
	Next     string          `json:"next" doc:"Cursor of the next page; empty on the last."`
}

// PolicyDiff is what one version says otherwise than another.
type PolicyDiff struct {
	From    string         `json:"from"`
	To      string         `json:"to"`
	Changes []PolicyChange `json:"changes" nullable:"false" doc:"Keys with another value, wherever they stand in the file."`
	Text    string         `json:"text" doc:"The lines that differ, as a unified diff."`
}

// PolicyChange is one key.
type PolicyChange struct {
	Key string `json:"key"`
	Was string `json:"was"`
	Is  string `json:"is"`
}

// Proposal is a policy that somebody put forward.
type Proposal struct {
	ID      int64     `json:"id"`
	At      time.Time `json:"at"`
	Version string    `json:"version"`
	Was     string    `json:"was" doc:"In force when it was made."`
	Author  string    `json:"author"`
	Reason  string    `json:"reason"`
	State   string    `json:"state" enum:"waiting,published,rejected,outdated"`
	By      string    `json:"by" doc:"Who decided."`
	Decided time.Time `json:"decided"`
	Note    string    `json:"note"`
}

// ProposalPage is a part of what was put forward, the latest first.
type ProposalPage struct {
	Proposals []Proposal `json:"proposals" nullable:"false"`
	Next      string     `json:"next" doc:"Cursor of the next page; empty on the last."`
}

// PolicyProcess is what one gateway process has in force.
type PolicyProcess struct {
	Host    string    `json:"host"`
	Version string    `json:"version"`
	Managed bool      `json:"managed"`
	Fault   string    `json:"fault" doc:"Why it could not take the last policy; empty: it has."`
	At      time.Time `json:"at" doc:"When it said so last; every 10 s."`
}

// Published is the answer to a change.
type Published struct {
	Proposal  Proposal        `json:"proposal"`
	Processes []PolicyProcess `json:"processes" nullable:"false"`
}

func publishedOf(p Publication) *publishedAnswer {
	out := &publishedAnswer{ETag: `"` + p.Proposal.Version + `"`, Status: http.StatusOK, Body: Published{proposalOf(p.Proposal), processesOf(p.Processes)}}
	if p.Proposal.State == sentinel.ProposalWaiting {
		out.Status, out.ETag = http.StatusAccepted, `"`+p.Proposal.Was+`"`
	}
	return out
}

func proposalOf(p sentinel.PolicyProposal) Proposal {
	return Proposal{p.ID, p.At, p.Version, p.Was, p.Author, p.Reason, string(p.State), p.By, p.Decided, p.Note}
}

func processesOf(list []sentinel.PolicyProcess) []PolicyProcess {
	out := make([]PolicyProcess, len(list))
	for i, p := range list {
		out[i] = PolicyProcess{p.Host, p.Version, p.Managed, p.Fault, p.At}
	}
	return out
}

type publishInput struct {
	IfMatch string `header:"If-Match" required:"true" doc:"Version that the text was made from."`
	Body    struct {
		Text   string `json:"text" maxLength:"1000000"`
		Reason string `json:"reason" minLength:"1" maxLength:"500"`
	}
}

type rollbackInput struct {
	IfMatch string `header:"If-Match" required:"true" doc:"Version that is in force."`
	Body    struct {
		Version string `json:"version" maxLength:"64" doc:"Empty: the one that was in force before."`
		Reason  string `json:"reason" minLength:"1" maxLength:"500"`
	}
}

type decideInput struct {
	ID   int64 `path:"id"`
	Body struct {
		Approve bool   `json:"approve" doc:"false rejects it."`
		Note    string `json:"note" maxLength:"500"`
	}
}

type versionInput struct {
	Version string `path:"version" maxLength:"64"`
}

type diffInput struct {
	From string `query:"from" required:"true" maxLength:"64"`
	To   string `query:"to" maxLength:"64" doc:"Empty: the one in force."`
}

type publishedAnswer struct {
	Status int
	ETag   string `header:"ETag"`
	Body   Published
}

// number is the numbered row that a page begins after; 0 for none.
func (q PageQuery) number() (int64, error) {
	c, err := q.after()
	if err != nil || c == (sentinel.Cursor{}) {
		return 0, err
	}
	n, err := strconv.ParseInt(c.Row, 10, 64)
	if err != nil || n < 1 {
		return 0, badCursor()
	}
	return n, nil
}

func numbered(at time.Time, n int64) sentinel.Cursor {
	return sentinel.Cursor{At: at, Row: strconv.FormatInt(n, 10)}
}

func (s *Server) publishingRoutes() {
	policies := func(id, method, path, summary string, role sentinel.Role) operation {
		return operation{id: id, method: method, path: "/policy" + path, tag: "policy", summary: summary, role: role}
	}
	register(s, policies("publish-policy", http.MethodPut, "", "Put another policy in force; 202: it waits for a second person", sentinel.RoleAdmin),
		func(ctx context.Context, in *publishInput) (*publishedAnswer, error) {
			p, err := s.Backend.PublishPolicy(ctx, PolicyDraft{in.Body.Text, trimETag(in.IfMatch), who(ctx).Name, in.Body.Reason})
			return s.publication(p, err)
		})
	register(s, policies("rollback-policy", http.MethodPost, "/rollback", "Put a version in force that was in force before", sentinel.RoleAdmin),
		func(ctx context.Context, in *rollbackInput) (*publishedAnswer, error) {
			p, err := s.Backend.RollbackPolicy(ctx, in.Body.Version, PolicyDraft{"", trimETag(in.IfMatch), who(ctx).Name, in.Body.Reason})
			return s.publication(p, err)
		})
	register(s, policies("list-proposals", http.MethodGet, "/proposals", "Policies that were put forward, the latest first", sentinel.RoleViewer), s.proposals)
	register(s, policies("decide-proposal", http.MethodPost, "/proposals/{id}", "Approve a proposal, as a second person, or reject it", sentinel.RoleAdmin),
		func(ctx context.Context, in *decideInput) (*publishedAnswer, error) {
			p, err := s.Backend.DecidePolicy(ctx, in.ID, who(ctx).Name, in.Body.Note, in.Body.Approve)
			return s.publication(p, err)
		})
	register(s, policies("list-policy-versions", http.MethodGet, "/versions", "What was in force, the latest first", sentinel.RoleViewer),
		func(ctx context.Context, in *PageQuery) (*answer[PolicyVersionPage], error) {
			before, err := in.number()
			if err != nil {
				return nil, err
			}
			list, err := s.Backend.PolicyVersions(ctx, before, in.Limit)
			if err != nil {
				return nil, s.fault("policy versions", err)
			}
			at := func(v PolicyVersion) sentinel.Cursor { return numbered(v.Since, v.Seq) }
			return &answer[PolicyVersionPage]{PolicyVersionPage{append([]PolicyVersion{}, list...), next(list, in.Limit, at)}}, nil
		})
	register(s, policies("get-policy-version", http.MethodGet, "/versions/{version}", "The text of a version, with hashes for tokens", sentinel.RoleViewer),
		func(ctx context.Context, in *versionInput) (*policyAnswer, error) {
			secrets := who(ctx).Role >= sentinel.RoleAdmin
			text, err := s.Backend.PolicyText(ctx, in.Version, secrets)
			if err != nil {
				return nil, s.unpublished(err)
			}
			return &policyAnswer{`"` + in.Version + `"`, Policy{Version: in.Version, Text: text, Masked: !secrets}}, nil
		})
	register(s, policies("diff-policies", http.MethodGet, "/diff", "What one version says otherwise than another", sentinel.RoleViewer),
		func(ctx context.Context, in *diffInput) (*answer[PolicyDiff], error) {
			d, err := s.Backend.DiffPolicies(ctx, in.From, in.To, who(ctx).Role >= sentinel.RoleAdmin)
			if err != nil {
				return nil, s.unpublished(err)
			}
			d.Changes = append([]PolicyChange{}, d.Changes...)
			return &answer[PolicyDiff]{d}, nil
		})
	register(s, policies("list-policy-processes", http.MethodGet, "/processes", "The gateway's processes, with what each has in force", sentinel.RoleViewer),
		func(ctx context.Context, _ *struct{}) (*answer[[]PolicyProcess], error) {
			list, err := s.Backend.PolicyProcesses(ctx)
			if err != nil {
				return nil, s.fault("policy processes", err)
			}
			return &answer[[]PolicyProcess]{processesOf(list)}, nil
		})
}

func (s *Server) proposals(ctx context.Context, in *PageQuery) (*answer[ProposalPage], error) {
	before, err := in.number()
	if err != nil {
		return nil, err
	}
	list, err := s.Backend.Proposals(ctx, before, in.Limit)
	if err != nil {
		return nil, s.fault("proposals", err)
	}
	at := func(p sentinel.PolicyProposal) sentinel.Cursor { return numbered(p.At, p.ID) }
	return &answer[ProposalPage]{ProposalPage{each(list, proposalOf), next(list, in.Limit, at)}}, nil
}

func (s *Server) publication(p Publication, err error) (*publishedAnswer, error) {
	if err != nil {
		return nil, s.unpublished(err)
	}
	return publishedOf(p), nil
}

// unpublished is why a policy is not published, for the client.
func (s *Server) unpublished(err error) error {
	if errors.Is(err, sentinel.ErrPolicyBroken) {
		_, faults, _ := strings.Cut(err.Error(), "\n")
		return uncompiled(strings.Split(faults, "\n"))
	}
	for _, known := range []struct {
		is     error
		status int
	}{
		{sentinel.ErrPolicyManaged, http.StatusConflict}, {sentinel.ErrPolicySame, http.StatusConflict}, {sentinel.ErrProposalDecided, http.StatusConflict},
		{sentinel.ErrNoEarlierVersion, http.StatusConflict}, {sentinel.ErrPolicyOutdated, http.StatusPreconditionFailed}, {sentinel.ErrOwnProposal, http.StatusForbidden},
		{sentinel.ErrNoProposal, http.StatusNotFound}, {sentinel.ErrNoPolicyVersion, http.StatusNotFound}, {sentinel.ErrPolicyReason, http.StatusUnprocessableEntity},
		{sentinel.ErrManyProposals, http.StatusTooManyRequests},
	} {
		if errors.Is(err, known.is) {
			return huma.NewError(known.status, err.Error())
		}
	}
	return s.fault("policy", err)
}
