package governor

import (
	"errors"
	"strconv"
	"strings"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/policy"
)

// Ticket is what later stages need to meter and settle a call. It travels with the call as
// Envoy's dynamic metadata, so any replica can meter any answer. Envoy sends it again with every
// chunk: it stays small.
type Ticket struct {
	Call          sentinel.Call
	Asked         string
	Action        sentinel.Action
	Reason        sentinel.Reason
	Hold          sentinel.Hold
	PriceVersion  string
	PolicyVersion string
	Bound         sentinel.Usage // of the chosen candidate; InputTokens and OutputTokens hold the sums of their classes
	Weight        int64          // of the prompt
	HideUsage     bool           // the client did not ask for the usage event
	Hard          bool           // a hard budget holds it: an answer that outgrows its bound is ended
	TierOpen      bool           // it names no price list: see provider.Request
	Attempt       int16          // 0 for the first
	// Next is "provider/model" of the attempt that follows when this one fails in one of the ways of On; empty for none. Failed is the status
	// that it has failed with, once it is booked, or NoAnswer.
	Next   string
	On     policy.Failures
	Failed int
	From   string // of a fallback: the route that the client called, in whose words it is answered
	Shadow sentinel.Shadows
	Trace  string // the client's traceparent header, if it sent one
	// Capture says which bodies are stored.
	Capture policy.Capture
	Key     int // the number of the provider's credential that the call goes out with; 0 is the first
}

// Again tells whether the attempt that follows goes to the same provider, with another credential.
func (t Ticket) Again() bool {
	return t.Next != "" && strings.HasPrefix(t.Next, t.Call.Provider+"/")
}

const (
	ticketFields    = 30
	ticketSeparator = "\x1f"
	ticketVersion   = "12"
)

// ErrTicket says that a ticket is not one of ours.
var ErrTicket = errors.New("malformed ticket")

// Encode gives the ticket as one text.
func (t Ticket) Encode() string {
	c := t.Call
	return strings.Join([]string{
		ticketVersion, c.ID.String(), strconv.FormatInt(c.At.UnixMicro(), 36),
		c.Caller.Org, c.Caller.Team, c.Caller.Service, c.Provider, c.Endpoint, c.Model, t.Asked,
		strconv.Itoa(int(t.Action)), string(t.Reason), string(t.Hold), t.PriceVersion, t.PolicyVersion,
		t.Bound.Text(), c.Tier, strconv.FormatInt(t.Weight, 36), flags(c.Stream, t.HideUsage, t.Hard, t.TierOpen), string(c.Demand), t.From,
		strconv.Itoa(int(t.Attempt)), string(t.Shadow), t.Next, strconv.Itoa(int(t.On)), strconv.Itoa(t.Failed), c.Caller.Tags, t.Trace, captureText(t.Capture), strconv.Itoa(t.Key),
	}, ticketSeparator)
}

// flags gives bools as one number.
func flags(list ...bool) string {
	n := 0
	for i, set := range list {
		if set {
			n |= 1 << i
		}
	}
	return strconv.Itoa(n)
}

// captureText gives which bodies are stored, their most bytes and seconds; empty for none.
func captureText(c policy.Capture) string {
	if !c.Any() {
		return ""
	}
	return strings.Join([]string{flags(c.Request, c.Response), strconv.Itoa(c.MaxBytes), strconv.FormatInt(int64(c.Keep/time.Second), 10)}, "/")
}

// parseCapture reads what captureText wrote.
func parseCapture(s string) (policy.Capture, error) {
	if s == "" {
		return policy.Capture{}, nil
	}
	f := strings.Split(s, "/")
	if len(f) != 3 {
		return policy.Capture{}, ErrTicket
	}
	bits, err := strconv.Atoi(f[0])
	most, err1 := strconv.Atoi(f[1])
	seconds, err2 := strconv.ParseInt(f[2], 10, 32)
	return policy.Capture{Request: bits&1 != 0, Response: bits&2 != 0, MaxBytes: most, Keep: time.Duration(seconds) * time.Second}, errors.Join(err, err1, err2)
}

// ParseTicket reads what Encode wrote.
func ParseTicket(s string) (Ticket, error) {
	f := strings.Split(s, ticketSeparator)
	if len(f) != ticketFields || f[0] != ticketVersion {
		return Ticket{}, ErrTicket
	}
	id, err := sentinel.ParseCallID(f[1])
	at, err1 := strconv.ParseInt(f[2], 36, 64)
	action, err2 := strconv.Atoi(f[10])
	bound, err3 := sentinel.ParseUsage(f[15])
	weight, err4 := strconv.ParseInt(f[17], 36, 64)
	bits, err5 := strconv.Atoi(f[18])
	attempt, err6 := strconv.ParseInt(f[21], 10, 16)
	on, err7 := strconv.ParseUint(f[24], 10, 8)
	failed, err8 := strconv.Atoi(f[25])
	capture, err9 := parseCapture(f[28])
	key, err10 := strconv.Atoi(f[29])
	if err := errors.Join(err, err1, err2, err3, err4, err5, err6, err7, err8, err9, err10); err != nil {
		return Ticket{}, errors.Join(ErrTicket, err)
	}
	return Ticket{
		Call: sentinel.Call{
			ID: id, At: time.UnixMicro(at).UTC(),
			Caller:   sentinel.Caller{Org: f[3], Team: f[4], Service: f[5], Tags: f[26]},
			Provider: f[6], Endpoint: f[7], Model: f[8], Tier: f[16], Stream: bits&1 != 0, Demand: sentinel.Demand(f[19]),
		},
		Asked: f[9], Action: sentinel.Action(action), Reason: sentinel.Reason(f[11]), Hold: sentinel.Hold(f[12]),
		PriceVersion: f[13], PolicyVersion: f[14], Bound: bound, Weight: weight, HideUsage: bits&2 != 0, Hard: bits&4 != 0, TierOpen: bits&8 != 0, From: f[20], Attempt: int16(attempt),
		Shadow: sentinel.Shadows(f[22]), Next: f[23], On: policy.Failures(on), Failed: failed, Trace: f[27], Capture: capture, Key: key,
	}, nil
}
