package admin

import (
	"context"
	"encoding/hex"
	"net/http"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Audit is the chain of what operators changed. A change that it does not take does not happen.
type Audit interface {
	// AuditBefore gives rows before one, the newest first; before 0 begins at the end.
	AuditBefore(ctx context.Context, before int64, contains string, limit int) ([]sentinel.AuditRow, error)
	// VerifyAudit reads the whole chain. The sentence names the first bad row; it is empty where the chain is intact.
	VerifyAudit(ctx context.Context) (rows int64, fault string, err error)
	// Change adds a row and makes a change of the database in one transaction; the change takes part with the context that it gets.
	Change(ctx context.Context, r sentinel.AuditRow, do func(context.Context) error) error
	// ChangeElsewhere adds a row, makes a change outside the database, and adds how it ended.
	ChangeElsewhere(ctx context.Context, r sentinel.AuditRow, do func(context.Context) error) error
}

// AuditRow is one change.
type AuditRow struct {
	Seq    int64     `json:"seq"`
	At     time.Time `json:"at"`
	Actor  string    `json:"actor"`
	Action string    `json:"action"`
	Object string    `json:"object"`
	Before string    `json:"before"`
	After  string    `json:"after"`
	Hash   string    `json:"hash"`
}

// AuditPage is a page of the chain, the newest first.
type AuditPage struct {
	Rows []AuditRow `json:"rows" nullable:"false"`
	Next int64      `json:"next" doc:"before of the next page; 0 on the last."`
}

// AuditCheck is what a reading of the whole chain found.
type AuditCheck struct {
	Intact bool   `json:"intact"`
	Rows   int64  `json:"rows"`
	Fault  string `json:"fault,omitempty" doc:"Names the first bad row."`
}

func (s *Server) auditRoutes() {
	register(s, operation{id: "list-audit", method: http.MethodGet, path: "/audit", tag: "audit", summary: "What operators changed, the newest first", role: sentinel.RoleViewer},
		func(ctx context.Context, in *struct {
			Before   int64  `query:"before" minimum:"0"`
			Contains string `query:"contains" maxLength:"200" doc:"A text in any of the fields."`
			Limit    int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
		}) (*answer[AuditPage], error) {
			rows, err := s.Backend.AuditBefore(ctx, in.Before, in.Contains, in.Limit)
			if err != nil {
				return nil, s.fault("audit", err)
			}
			out := AuditPage{Rows: make([]AuditRow, len(rows))}
			for i, r := range rows {
				out.Rows[i] = AuditRow{r.Seq, r.At, r.Actor, r.Action, r.Object, r.Before, r.After, hex.EncodeToString(r.Hash[:])}
			}
			if len(rows) == in.Limit {
				out.Next = rows[len(rows)-1].Seq
			}
			return &answer[AuditPage]{out}, nil
		})
	register(s, operation{id: "verify-audit", method: http.MethodGet, path: "/audit/verify", tag: "audit", summary: "Read the whole chain and tell whether it is intact", role: sentinel.RoleOperator},
		func(ctx context.Context, _ *struct{}) (*answer[AuditCheck], error) {
			rows, fault, err := s.Backend.VerifyAudit(ctx)
			if err != nil {
				return nil, s.fault("audit", err)
			}
			return &answer[AuditCheck]{AuditCheck{fault == "", rows, fault}}, nil
		})
}
