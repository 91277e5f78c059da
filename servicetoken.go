package sentinel

import "time"

// ServiceToken is a token that was issued to a service. Its ID is public and outlives rotations; of the token itself
// only keyed hashes are kept.
type ServiceToken struct {
	ID      string
	Service string
	Label   string // what its owner calls it
	By      string // who issued it
	Created time.Time
	Expires time.Time // zero: never
	Rotated time.Time // zero: never
	Revoked time.Time // zero: it is good

	Hash          [32]byte
	Previous      [32]byte  // of the token before the last rotation, good until PreviousUntil
	PreviousUntil time.Time // zero: there is none
}

// State is the token's state at a time: active, rotating, expired or revoked.
func (t ServiceToken) State(now time.Time) string {
	switch {
	case !t.Revoked.IsZero():
		return "revoked"
	case !t.Expires.IsZero() && !now.Before(t.Expires):
		return "expired"
	case now.Before(t.PreviousUntil):
		return "rotating"
	}
	return "active"
}
