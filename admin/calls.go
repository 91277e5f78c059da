package admin

import (
	"context"
	"encoding/binary"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Call is one row of the ledger. What was asked and answered is not kept.
type Call struct {
	ID            string           `json:"id"`
	At            time.Time        `json:"at"`
	Attempt       int16            `json:"attempt"`
	Team          string           `json:"team"`
	Service       string           `json:"service"`
	Provider      string           `json:"provider"`
	Endpoint      string           `json:"endpoint"`
	Model         string           `json:"model"`
	Asked         string           `json:"asked" doc:"The model before a downgrade."`
	Stream        bool             `json:"stream"`
	Action        string           `json:"action"`
	Reason        string           `json:"reason"`
	Status        int              `json:"status" doc:"HTTP status that the client got; 0 when nobody saw it."`
	Usage         map[string]int64 `json:"usage" doc:"Units, those at zero left out." nullable:"false"`
	Cost          Money            `json:"cost"`
	PriceVersion  string           `json:"price_version"`
	PolicyVersion string           `json:"policy_version"`
	Source        string           `json:"source" enum:"meter,partial,reconciler,unknown" doc:"Who witnessed the usage."`
	Method        string           `json:"method" doc:"How an estimate was made; empty for the provider's own word."`
	Own           *Counted         `json:"own,omitempty" doc:"The gateway's own count, beside a report that was corrected, could not be read, or came from another model."`
	DurationMs    float64          `json:"duration_ms"`
	FirstByteMs   float64          `json:"first_byte_ms"`
}

// Counted are tokens by the gateway's own count.
type Counted struct {
	InputTokens  int64 `json:"input_tokens"`
	OutputTokens int64 `json:"output_tokens"`
}

// Calls is a page of the ledger, newest first.
type Calls struct {
	Calls []Call `json:"calls" nullable:"false"`
	Next  string `json:"next" doc:"Cursor of the next page; empty on the last."`
}

type callsInput struct {
	Period
	PageQuery
	Filter []string `query:"filter,explode" maxItems:"10" doc:"dimension:value pairs that must hold."`
}

func (s *Server) callRoutes() {
	register(s, operation{id: "list-calls", method: http.MethodGet, path: "/calls", tag: "usage", summary: "Single calls, newest first", role: sentinel.RoleViewer}, s.calls)
	register(s, operation{id: "get-call", method: http.MethodGet, path: "/calls/{id}", tag: "usage", summary: "The attempts of one call", role: sentinel.RoleViewer},
		func(ctx context.Context, in *struct {
			ID string `path:"id" maxLength:"50"`
		}) (*answer[Calls], error) {
			id, err := sentinel.ParseCallID(in.ID)
			if err != nil {
				return nil, huma.Error400BadRequest("id: " + in.ID + " is no call id: answers carry it as x-sentinel-call")
			}
			list, err := s.Backend.Entries(ctx, EntryQuery{CallID: id, Limit: maxRows})
			if err != nil {
				return nil, s.fault("calls", err)
			}
			if len(list) == 0 {
				return nil, huma.Error404NotFound("no call has this id, or it is under way")
			}
			return &answer[Calls]{Calls{Calls: shown(list)}}, nil
		})
}

func (s *Server) calls(ctx context.Context, in *callsInput) (*answer[Calls], error) {
	if err := in.resolve(s); err != nil {
		return nil, err
	}
	filter, err := s.dimensions(nil, in.Filter)
	if err != nil {
		return nil, err
	}
	q := EntryQuery{From: in.From, To: in.To, Filter: filter, Limit: in.Limit}
	if q.Before, err = in.call(); err != nil {
		return nil, err
	}
	list, err := s.Backend.Entries(ctx, q)
	if err != nil {
		return nil, s.fault("calls", err)
	}
	return &answer[Calls]{Calls{shown(list), next(list, in.Limit, callCursor)}}, nil
}

func shown(list []sentinel.Entry) []Call {
	out := make([]Call, len(list))
	for i, e := range list {
		c := Call{ID: e.ID.String(), At: e.At, Attempt: e.Attempt, Team: e.Caller.Team, Service: e.Caller.Service, Provider: e.Provider, Endpoint: e.Endpoint,
			Model: e.Model, Asked: e.Asked, Stream: e.Stream, Action: e.Action.String(), Reason: string(e.Reason), Status: e.Status, Usage: map[string]int64{},
			Cost: Money(e.Cost), PriceVersion: e.PriceVersion, PolicyVersion: e.PolicyVersion, Source: e.Source.String(), Method: e.Method,
			DurationMs: milliseconds(e.Duration), FirstByteMs: milliseconds(e.FirstByte)}
		if e.Own != (sentinel.Counted{}) {
			c.Own = &Counted{e.Own.Input, e.Own.Output}
		}
		for u, n := range e.Usage {
			if n != 0 {
				c.Usage[sentinel.Unit(u).String()] = n
			}
		}
		out[i] = c
	}
	return out
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// callCursor names a call by its id and attempt.
func callCursor(e sentinel.Entry) sentinel.Cursor {
	return sentinel.Cursor{At: e.At, Row: string(binary.BigEndian.AppendUint16(e.ID[:], uint16(e.Attempt)))}
}

// call is the row that a page of calls begins after.
func (in *callsInput) call() (k EntryKey, err error) {
	row := make([]byte, len(k.CallID)+2)
	c, err := in.afterRow(row)
	k.At = c.At
	n := copy(k.CallID[:], row)
	k.Attempt = int16(binary.BigEndian.Uint16(row[n:]))
	return k, err
}
