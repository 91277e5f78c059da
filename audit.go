package sentinel

import "time"

// AuditRow is one change of what the gateway may do, or of who decides it. Its hash covers the row before, so that no row
// can be changed, moved or taken out unnoticed.
type AuditRow struct {
	Seq    int64     // from 1, without gaps
	At     time.Time // UTC, whole microseconds
	Actor  string    // who: a user, or the process that acted on an operator's file
	Action string    // what: "policy.reload", "limit.override", …
	Object string    // to what
	Before string    // no secret
	After  string    // no secret
	Prev   [32]byte  // hash of the row before; zero for the first
	Hash   [32]byte
}
