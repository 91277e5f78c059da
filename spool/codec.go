package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// The payload: version, kind, fields in a fixed order. A later version may only append fields,
// so that an older release reads its part and leaves the rest; any other change takes a new kind,
// which an older release refuses. Integers are varints, strings have a length before them.
const (
	version    = 7 // since 2, records end with the call's tier; since 3, with its demand after that; since 4, intents with their attempt; since 5, entries with their shadows; since 6, all with their caller's tags; since 7, entries with the own count
	kindIntent = 1
	kindEntry  = 2
)

// maxString bounds every string of a record; holds are the longest by far.
const maxString = 32 << 10

// errRecord says that a whole frame holds no record of this release.
var errRecord = errors.New("not a record that this release knows")

// appendFrame adds r's frame to b.
func appendFrame(b []byte, r sentinel.Record) ([]byte, error) {
	if (r.Intent == nil) == (r.Entry == nil) {
		return b, errors.New("a spool record is either an intent or an entry")
	}
	start := len(b)
	b = append(b, make([]byte, frameHead)...)
	e := encoder{b: b}
	if r.Intent != nil {
		e.b = append(e.b, version, kindIntent)
		e.intent(r.Intent)
	} else {
		e.b = append(e.b, version, kindEntry)
		e.entry(r.Entry)
	}
	if n := len(e.b) - start - frameHead; n > maxPayload || e.long {
		return b[:start], fmt.Errorf("a spool record of %d bytes is above the bound of %d, or one of its texts above %d", n, maxPayload, maxString)
	}
	seal(e.b[start:])
	return e.b, nil
}

type encoder struct {
	b    []byte
	long bool // a string was above its bound
}

func (e *encoder) uint(v uint64) { e.b = binary.AppendUvarint(e.b, v) }
func (e *encoder) int(v int64)   { e.b = binary.AppendVarint(e.b, v) }

func (e *encoder) text(s string) {
	if len(s) > maxString {
		e.long = true
		return
	}
	e.uint(uint64(len(s)))
	e.b = append(e.b, s...)
}

func (e *encoder) call(c *sentinel.Call) {
	e.b = append(e.b, c.ID[:]...)
	e.int(c.At.Unix())
	e.uint(uint64(c.At.Nanosecond()))
	e.text(c.Caller.Org)
	e.text(c.Caller.Team)
	e.text(c.Caller.Service)
	e.text(c.Provider)
	e.text(c.Endpoint)
	e.text(c.Model)
	var stream byte
	if c.Stream {
		stream = 1
	}
	e.b = append(e.b, stream)
}

// usage writes only units that are not zero: most calls have three of dozens.
func (e *encoder) usage(u *sentinel.Usage) {
	var n uint64
	for _, v := range u {
		if v != 0 {
			n++
		}
	}
	e.uint(n)
	for unit, v := range u {
		if v != 0 {
			e.uint(uint64(unit))
			e.int(v)
		}
	}
}

func (e *encoder) intent(i *sentinel.Intent) {
	e.call(&i.Call)
	e.text(i.Asked)
	e.uint(uint64(i.Action))
	e.text(string(i.Reason))
	e.usage(&i.Bound)
	e.int(int64(i.BoundCost))
	e.text(string(i.Hold))
	e.text(i.PriceVersion)
	e.text(i.PolicyVersion)
	e.text(i.Instance)
	e.text(i.Tier)
	e.text(string(i.Demand))
	e.int(int64(i.Attempt))
	e.text(i.Caller.Tags)
}

func (e *encoder) entry(n *sentinel.Entry) {
	e.call(&n.Call)
	e.int(int64(n.Attempt))
	e.text(n.Asked)
	e.uint(uint64(n.Action))
	e.text(string(n.Reason))
	e.int(int64(n.Status))
	e.usage(&n.Usage)
	e.int(int64(n.Cost))
	e.text(n.PriceVersion)
	e.text(n.PolicyVersion)
	e.uint(uint64(n.Source))
	e.text(n.Method)
	e.int(int64(n.Duration))
	e.int(int64(n.FirstByte))
	e.text(n.Tier)
	e.text(string(n.Demand))
	e.text(string(n.Shadow))
	e.text(n.Caller.Tags)
	e.int(n.Own.Input)
	e.int(n.Own.Output)
}

// decodeRecord reads a payload. Texts are copied, so the record outlives b.
func decodeRecord(b []byte) (sentinel.Record, error) {
	if len(b) < 2 || b[0] < 1 {
		return sentinel.Record{}, errRecord
	}
	d := decoder{b: b[2:], version: b[0]}
	var r sentinel.Record
	switch b[1] {
	case kindIntent:
		r.Intent = d.intent()
	case kindEntry:
		r.Entry = d.entry()
	default:
		return sentinel.Record{}, errRecord
	}
	if d.bad || b[0] <= version && len(d.b) != 0 {
		return sentinel.Record{}, errRecord
	}
	return r, nil
}

// decoder gives zero values once something is bad, so that callers check once, at the end.
type decoder struct {
	b       []byte
	version byte
	bad     bool
}

func (d *decoder) fail() { d.b, d.bad = nil, true }

func (d *decoder) uint(limit uint64) uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 || v > limit {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) int(low, high int64) int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 || v < low || v > high {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) int64() int64 { return d.int(math.MinInt64, math.MaxInt64) }

func (d *decoder) attempt() int16 { return int16(d.int(math.MinInt16, math.MaxInt16)) }

func (d *decoder) take(n int) []byte {
	if n > len(d.b) {
		d.fail()
		return nil
	}
	b := d.b[:n]
	d.b = d.b[n:]
	return b
}

func (d *decoder) text() string { return string(d.take(int(d.uint(maxString)))) }

func (d *decoder) call() (c sentinel.Call) {
	copy(c.ID[:], d.take(len(c.ID)))
	seconds := d.int64()
	c.At = time.Unix(seconds, int64(d.uint(999_999_999))).UTC()
	c.Caller.Org = d.text()
	c.Caller.Team = d.text()
	c.Caller.Service = d.text()
	c.Provider = d.text()
	c.Endpoint = d.text()
	c.Model = d.text()
	c.Stream = d.uint(1) == 1
	return c
}

func (d *decoder) usage() (u sentinel.Usage) {
	for range d.uint(sentinel.UnitCount) {
		unit := d.uint(sentinel.UnitCount - 1)
		u[unit] = d.int64()
	}
	return u
}

// since reads a text that records have since a version.
func (d *decoder) since(version byte) string {
	if d.version < version {
		return ""
	}
	return d.text()
}

func (d *decoder) intent() *sentinel.Intent {
	i := &sentinel.Intent{Call: d.call()}
	i.Asked = d.text()
	i.Action = sentinel.Action(d.uint(math.MaxUint8))
	i.Reason = sentinel.Reason(d.text())
	i.Bound = d.usage()
	i.BoundCost = sentinel.NanoUSD(d.int64())
	i.Hold = sentinel.Hold(d.text())
	i.PriceVersion = d.text()
	i.PolicyVersion = d.text()
	i.Instance = d.text()
	i.Tier, i.Demand = d.since(2), sentinel.Demand(d.since(3))
	if d.version >= 4 {
		i.Attempt = d.attempt()
	}
	i.Caller.Tags = d.since(6)
	return i
}

func (d *decoder) entry() *sentinel.Entry {
	e := &sentinel.Entry{Call: d.call()}
	e.Attempt = d.attempt()
	e.Asked = d.text()
	e.Action = sentinel.Action(d.uint(math.MaxUint8))
	e.Reason = sentinel.Reason(d.text())
	e.Status = int(d.int(math.MinInt32, math.MaxInt32))
	e.Usage = d.usage()
	e.Cost = sentinel.NanoUSD(d.int64())
	e.PriceVersion = d.text()
	e.PolicyVersion = d.text()
	e.Source = sentinel.Source(d.uint(math.MaxUint8))
	e.Method = d.text()
	e.Duration = time.Duration(d.int64())
	e.FirstByte = time.Duration(d.int64())
	e.Tier, e.Demand, e.Shadow = d.since(2), sentinel.Demand(d.since(3)), sentinel.Shadows(d.since(5))
	e.Caller.Tags = d.since(6)
	if d.version >= 7 {
		e.Own = sentinel.Counted{Input: d.int64(), Output: d.int64()}
	}
	return e
}
