package spool

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	sentinel "github.com/saas-sentinel/saas-sentinel"
	"pgregory.net/rapid"
)

func drawCall(t *rapid.T) sentinel.Call {
	word := func(name string) string { return string(rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, name)) }
	c := sentinel.Call{
		At:       time.Unix(rapid.Int64Range(-62135596800, 1<<40).Draw(t, "at"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).UTC(),
		Caller:   sentinel.Caller{Org: word("org"), Team: word("team"), Service: word("service"), Tags: word("tags")},
		Provider: word("provider"), Endpoint: word("endpoint"), Model: word("model"), Stream: rapid.Bool().Draw(t, "stream"),
	}
	copy(c.ID[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
	return c
}

func drawUsage(t *rapid.T) (u sentinel.Usage) {
	for i := range u {
		if rapid.Bool().Draw(t, "used") {
			u[i] = rapid.Int64().Draw(t, "quantity")
		}
	}
	return u
}

func drawRecord(t *rapid.T) sentinel.Record {
	if rapid.Bool().Draw(t, "intent") {
		return sentinel.Record{Intent: &sentinel.Intent{
			Call: drawCall(t), Attempt: rapid.Int16().Draw(t, "attempt"), Asked: rapid.String().Draw(t, "asked"), Action: sentinel.Action(rapid.Byte().Draw(t, "action")),
			Reason: sentinel.Reason(rapid.String().Draw(t, "reason")), Bound: drawUsage(t), BoundCost: sentinel.NanoUSD(rapid.Int64().Draw(t, "cost")),
			Hold: sentinel.Hold(rapid.String().Draw(t, "hold")), PriceVersion: rapid.String().Draw(t, "price"),
			PolicyVersion: rapid.String().Draw(t, "policy"), Instance: rapid.String().Draw(t, "instance"),
		}}
	}
	return sentinel.Record{Entry: &sentinel.Entry{
		Call: drawCall(t), Attempt: rapid.Int16().Draw(t, "attempt"), Asked: rapid.String().Draw(t, "asked"),
		Action: sentinel.Action(rapid.Byte().Draw(t, "action")), Reason: sentinel.Reason(rapid.String().Draw(t, "reason")),
		Status: int(rapid.Int32().Draw(t, "status")), Usage: drawUsage(t), Cost: sentinel.NanoUSD(rapid.Int64().Draw(t, "cost")),
		PriceVersion: rapid.String().Draw(t, "price"), PolicyVersion: rapid.String().Draw(t, "policy"),
		Source: sentinel.Source(rapid.Byte().Draw(t, "source")), Method: rapid.String().Draw(t, "method"),
		Duration: time.Duration(rapid.Int64().Draw(t, "duration")), FirstByte: time.Duration(rapid.Int64().Draw(t, "first")),
		Own: sentinel.Counted{Input: rapid.Int64().Draw(t, "own input"), Output: rapid.Int64().Draw(t, "own output")},
	}}
}

func TestRecordsComeBackAsTheyWere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawRecord(t)
		frame, err := appendFrame([]byte("before"), want)
		if err != nil {
			t.Fatal(err)
		}
		payload, size, err := unseal(frame[len("before"):])
		if err != nil || size != len(frame)-len("before") {
			t.Fatalf("unseal() = %d bytes, %v", size, err)
		}
		got, err := decodeRecord(payload)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Fatalf("decodeRecord() error %v, (-want +got)\n%s", err, diff)
		}
		later := append([]byte{version + 1}, append(payload[1:], "a field of a later release"...)...)
		got, err = decodeRecord(later)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Fatalf("a later version with one more field: error %v, (-want +got)\n%s", err, diff)
		}
	})
}

// Records of earlier releases have no own count, then no tags, then no shadow, then no demand, and those of the first no tier either, and intents no attempt; all read as
// before.
func TestCodecReadsEarlierVersions(t *testing.T) {
	for i := range 2 * version {
		want := record(i)
		frame, err := appendFrame(nil, want)
		if err != nil {
			t.Fatal(err)
		}
		payload, _, err := unseal(frame)
		if err != nil {
			t.Fatal(err)
		}
		earlier := 1 + i/2
		shorter := 0 // by what came since: an empty text is one byte, and so is a zero
		for since := earlier + 1; since <= version; since++ {
			if since < 4 || since == 4 && want.Intent != nil || since == 5 && want.Entry != nil || since == 6 {
				shorter++
			}
			if since == 7 && want.Entry != nil {
				shorter += 2
			}
		}
		got, err := decodeRecord(append([]byte{byte(earlier)}, payload[1:len(payload)-shorter]...))
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("version %d: error %v, (-want +got)\n%s", earlier, err, diff)
		}
	}
}

func TestCodecRefuses(t *testing.T) {
	long := record(0)
	long.Intent.Hold = sentinel.Hold(strings.Repeat("x", maxString+1))
	wide := record(0)
	wide.Intent.Hold = sentinel.Hold(strings.Repeat("x", maxString))
	wide.Intent.Model, wide.Intent.Asked = string(wide.Intent.Hold), string(wide.Intent.Hold)
	both := sentinel.Record{Intent: record(0).Intent, Entry: record(1).Entry}
	for name, r := range map[string]sentinel.Record{"neither": {}, "both": both, "a long text": long, "long together": wide} {
		if frame, err := appendFrame(nil, r); err == nil {
			t.Errorf("%s: appendFrame() gives %d bytes, want an error", name, len(frame))
		}
	}
	frame, err := appendFrame(nil, record(0))
	if err != nil {
		t.Fatal(err)
	}
	good := frame[frameHead:]
	for name, payload := range map[string][]byte{
		"empty":              {},
		"a version before 1": append([]byte{0}, good[1:]...),
		"an unknown kind":    append([]byte{version, 9}, good[2:]...),
		"one byte too many":  append(append([]byte{}, good...), 0),
	} {
		if r, err := decodeRecord(payload); err == nil {
			t.Errorf("%s: decodeRecord() = %+v, want an error", name, r)
		}
	}
	for n := range good {
		if r, err := decodeRecord(good[:n]); err == nil {
			t.Fatalf("the first %d of %d bytes decode as %+v", n, len(good), r)
		}
	}
}

func FuzzDecodeRecord(f *testing.F) {
	for n := range 2 {
		frame, err := appendFrame(nil, record(n))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(frame[frameHead:])
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		r, err := decodeRecord(payload)
		if err != nil {
			return
		}
		if (r.Intent == nil) == (r.Entry == nil) {
			t.Fatalf("decodeRecord(%x) = %+v, want exactly one of the two", payload, r)
		}
		frame, err := appendFrame(nil, r)
		if err != nil {
			t.Fatalf("what was decoded cannot be encoded: %v", err)
		}
		again, err := decodeRecord(frame[frameHead:])
		if diff := cmp.Diff(r, again); err != nil || diff != "" {
			t.Fatalf("decoded twice: error %v\n%s", err, diff)
		}
	})
}

func FuzzUnseal(f *testing.F) {
	frame, err := appendFrame(nil, record(1))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(frame)
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		payload, size, err := unseal(b)
		if err == nil && (size > len(b) || len(payload) != size-frameHead || size > math.MaxUint16+frameHead+1) {
			t.Fatalf("unseal(%d bytes) = %d of payload, %d in all", len(b), len(payload), size)
		}
	})
}
