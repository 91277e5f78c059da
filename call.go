package sentinel

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"
)

// CallID is a UUIDv7 (RFC 9562) that the gateway makes; a client never chooses it.
type CallID [16]byte

// NewCallID makes an id whose order follows the clock, to the millisecond.
func NewCallID(now time.Time) CallID {
	var id CallID
	_, _ = rand.Read(id[:]) // crypto/rand.Read never fails since Go 1.24
	return id.stamp(now)
}

// CallIDOf is NewCallID with a digest of the id under which Envoy knows the request in place of chance: Envoy's log can then be
// matched to a call whose processor died before it could tell Envoy the call's id. Without a request id it is NewCallID.
func CallIDOf(now time.Time, request string) CallID {
	if request == "" {
		return NewCallID(now)
	}
	digest := sha256.Sum256([]byte("saas-sentinel call\x00" + request))
	return CallID(digest[:16]).stamp(now)
}

// Attempt is the id of the reservation for an attempt: the call's own for the first, and another one for each that follows, so that each is
// held and settled by itself.
func (id CallID) Attempt(n int16) CallID {
	id[15] ^= byte(n)
	return id
}

// RequestDigest is the part of the id that does not depend on the time.
func (id CallID) RequestDigest() (digest [10]byte) {
	copy(digest[:], id[6:])
	return digest
}

// Time is when the id was made, to the millisecond.
func (id CallID) Time() time.Time {
	var ms [8]byte
	copy(ms[2:], id[:6])
	return time.UnixMilli(int64(binary.BigEndian.Uint64(ms[:]))).UTC() // 48 bits
}

// stamp writes the time, version and variant into an id.
func (id CallID) stamp(now time.Time) CallID {
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(now.UnixMilli()))
	copy(id[:6], ms[2:])
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return id
}

// String is the canonical text of the UUID.
func (id CallID) String() string {
	var b [36]byte
	hex.Encode(b[:8], id[:4])
	hex.Encode(b[9:13], id[4:6])
	hex.Encode(b[14:18], id[6:8])
	hex.Encode(b[19:23], id[8:10])
	hex.Encode(b[24:], id[10:])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
	return string(b[:])
}

// ParseCallID reads the canonical text.
func ParseCallID(s string) (CallID, error) {
	var id CallID
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return id, fmt.Errorf("call id %q is not a UUID", s)
	}
	if _, err := hex.Decode(id[:], []byte(s[:8]+s[9:13]+s[14:18]+s[19:23]+s[24:])); err != nil {
		return id, fmt.Errorf("call id %q is not a UUID", s)
	}
	return id, nil
}

// Caller is who pays.
type Caller struct {
	Org, Team, Service string
	Tags               string // of the service those that the ledger keeps, as "cost_center=7,env=prod", by name; they narrow, and pay nothing
}

// TunnelProvider stands in the ledger for hosts that are no provider's, and whose connections are carried untouched. No provider of a
// policy has the name.
const TunnelProvider = "tunnel"

// Call is one logical request of a caller to a provider.
type Call struct {
	ID       CallID
	At       time.Time // UTC, when the gateway saw it; never changes, part of the ledger's key
	Caller   Caller
	Provider string // the name in the policy file
	Endpoint string // "chat.completions", "charges.create", …; the provider's vocabulary
	Model    string // as asked; empty where the API has none
	Tier     string // price list within the model's or endpoint's: "batch", "priority", a SKU; empty for the standard one
	Stream   bool
	Demand   Demand // what the request lets it use
}
