package credential

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// An event, its time, the signature before it and its own, as the tests of AWS's SDKs for Rust, Kotlin, Swift and Java have them
// (aws-sigv4, event_stream.rs of smithy-rs 0.38).
const (
	vectorEvents = 123_456_789 // seconds
	vectorBefore = "last message sts"
	vectorSign   = "1ea04a4f6becd85ae3e38e379ffaf4bb95042603f209512476cc6416868b31ee"
)

func encoded(t testing.TB, m eventstream.Message) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := eventstream.NewEncoder().Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// headOf is an authorization header that ends with a signature.
func headOf(key, region, service, signature string) string {
	return "AWS4-HMAC-SHA256 Credential=" + key + "/19731129/" + region + "/" + service + "/aws4_request, SignedHeaders=host;x-amz-date, Signature=" + signature
}

func seed(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func TestAnEventIsSignedAsOtherSDKsSignIt(t *testing.T) {
	event := encoded(t, eventstream.Message{Headers: eventstream.Headers{{Name: "some-header", Value: eventstream.StringValue("value")}}, Payload: []byte("test payload")})
	key := AWSKey{AccessKeyID: "AKIDEXAMPLEEXAMPLE", Secret: sentinel.NewSecret("fake secret key")}
	c, err := NewEventChain(sentinel.Secret{}, "", key, headOf(key.AccessKeyID, "us-east-1", "testservice", seed(vectorBefore)))
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(vectorEvents, 0).UTC()
	out, err := c.Sign(encoded(t, eventstream.Message{Payload: event, Headers: eventstream.Headers{
		{Name: ":date", Value: eventstream.TimestampValue(at)}, {Name: ":chunk-signature", Value: eventstream.BytesValue("of a key that is nobody's")},
	}}), true, at)
	if err != nil {
		t.Fatal(err)
	}
	m, err := eventstream.NewDecoder().Decode(bytes.NewReader(out), nil)
	if err != nil {
		t.Fatal(err)
	}
	got, _ := m.Headers.Get(":chunk-signature").(eventstream.BytesValue)
	if hex.EncodeToString(got) != vectorSign || !bytes.Equal(m.Payload, event) || len(m.Headers) != 2 {
		t.Errorf("the event is signed %x, want %s, with headers %v", []byte(got), vectorSign, m.Headers)
	}
}

// conversation is what a client sends behind its head: events that it signed at a time, the empty one that ends them among them.
type conversation struct {
	key      AWSKey // of the provider
	issued   sentinel.Secret
	received string
	sent     string
	at       time.Time
	events   [][]byte
}

func newConversation(t testing.TB, payloads ...string) conversation {
	t.Helper()
	c := conversation{
		key: AWSKey{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", Secret: sentinel.NewSecret(canary)}, issued: sentinel.NewSecret("issued"),
		received: headOf("SENTINELAPP00001", "us-east-1", "transcribe", seed("client")), at: time.Date(2026, 3, 1, 23, 59, 58, 0, time.UTC),
	}
	c.sent = headOf(c.key.AccessKeyID, "us-east-1", "transcribe", seed("provider"))
	raw, err := hex.DecodeString(seed("client"))
	if err != nil {
		t.Fatal(err)
	}
	by := v4.NewStreamSigner(aws.Credentials{AccessKeyID: "SENTINELAPP00001", SecretAccessKey: "issued"}, "transcribe", "us-east-1", raw)
	for i, p := range append(payloads, "") {
		c.events = append(c.events, signedEvent(t, by, []byte(p), c.at.Add(time.Duration(i)*time.Second))) // past midnight
	}
	return c
}

func signedEvent(t testing.TB, by *v4.StreamSigner, payload []byte, at time.Time) []byte {
	t.Helper()
	m := eventstream.Message{Payload: payload, Headers: eventstream.Headers{{Name: ":date", Value: eventstream.TimestampValue(at)}}}
	var dated bytes.Buffer
	if err := eventstream.EncodeHeaders(&dated, m.Headers); err != nil {
		t.Fatal(err)
	}
	signature, err := by.GetSignature(context.Background(), dated.Bytes(), payload, at)
	if err != nil {
		t.Fatal(err)
	}
	m.Headers.Set(":chunk-signature", eventstream.BytesValue(signature))
	return encoded(t, m)
}

func (c conversation) chain(t testing.TB) *EventChain {
	t.Helper()
	chain, err := NewEventChain(c.issued, c.received, c.key, c.sent)
	if err != nil {
		t.Fatal(err)
	}
	return chain
}

// checked verifies a request's events with a key, as a provider does, and gives their payloads.
func checked(t testing.TB, c conversation, request []byte) []string {
	t.Helper()
	nobody := AWSKey{AccessKeyID: "NOBODYNOBODY00001", Secret: sentinel.NewSecret("x")}
	asProvider, err := NewEventChain(c.key.Secret, c.sent, nobody, headOf(nobody.AccessKeyID, "us-east-1", "transcribe", seed("")))
	if err == nil {
		_, err = asProvider.Sign(request, true, c.at)
	}
	if err != nil {
		t.Fatalf("the provider refuses the events: %v", err)
	}
	var out []string
	for r := bytes.NewReader(request); r.Len() > 0; {
		m, err := eventstream.NewDecoder().Decode(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(m.Payload))
	}
	return out
}

// However a request is cut, the same events go on, as soon as they are whole, and none before.
func TestEventsAreSignedAnewAcrossEverySplit(t *testing.T) {
	c := newConversation(t, "one", strings.Repeat("two", 20))
	whole := slices.Concat(c.events...)
	var all []byte
	for cut := range whole {
		chain := c.chain(t)
		first, err := chain.Sign(whole[:cut], false, c.at)
		if err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		second, err := chain.Sign(whole[cut:], true, c.at)
		if err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		if want := cut >= len(c.events[0]); (len(first) > 0) != want {
			t.Fatalf("cut at %d, the first event ends at %d: %d bytes went on before the rest", cut, len(c.events[0]), len(first))
		}
		if cut == 0 {
			all = second
		}
		if !bytes.Equal(append(first, second...), all) {
			t.Fatalf("cut at %d, other bytes go on", cut)
		}
	}
	if got := checked(t, c, all); !slices.Equal(got, []string{"one", strings.Repeat("two", 20), ""}) {
		t.Errorf("the provider gets %q", got)
	}
}

func TestEventsThatTheIssuedSecretDidNotSignAreRefused(t *testing.T) {
	c := newConversation(t, "one", "two", "three")
	for name, tt := range map[string]struct {
		events func() []byte
		at     time.Time
		fault  string
	}{
		"a byte of the payload": {func() []byte { return forged(t, c.events[0], func(m *eventstream.Message) { m.Payload[0] ^= 1 }) }, c.at, "does not continue"},
		"another time": {func() []byte {
			return forged(t, c.events[0], func(m *eventstream.Message) { redated(m, c.at.Add(-time.Second)) })
		}, c.at, "does not continue"},
		"no signature": {func() []byte {
			return forged(t, c.events[0], func(m *eventstream.Message) { m.Headers.Del(":chunk-signature") })
		}, c.at, "envelope"},
		"no envelope": {func() []byte { return encoded(t, eventstream.Message{Payload: []byte("one")}) }, c.at, "envelope"},
		"more in the envelope": {func() []byte {
			return forged(t, c.events[0], func(m *eventstream.Message) { m.Headers.Set("x", eventstream.BoolValue(true)) })
		}, c.at, "envelope"},
		"a signature that is text": {func() []byte {
			return forged(t, c.events[0], func(m *eventstream.Message) { m.Headers.Set(":chunk-signature", eventstream.StringValue("x")) })
		}, c.at, "envelope"},
		"one is lost":          {func() []byte { return slices.Concat(c.events[0], c.events[2]) }, c.at, "does not continue"},
		"one is repeated":      {func() []byte { return slices.Concat(c.events[0], c.events[0]) }, c.at, "does not continue"},
		"two change places":    {func() []byte { return slices.Concat(c.events[1], c.events[0]) }, c.at, "does not continue"},
		"an old one":           {func() []byte { return c.events[0] }, c.at.Add(6 * time.Minute), "set the client's clock"},
		"one of the future":    {func() []byte { return c.events[0] }, c.at.Add(-6 * time.Minute), "set the client's clock"},
		"the end is missing":   {func() []byte { return c.events[0][:len(c.events[0])-1] }, c.at, "ends within one"},
		"a wrong checksum":     {func() []byte { return append(slices.Clone(c.events[0][:len(c.events[0])-1]), 0) }, c.at, "malformed"},
		"too long":             {func() []byte { return sized(maxEvent + 1) }, c.at, "at most 1048576"},
		"too short":            {func() []byte { return sized(minEvent - 1) }, c.at, "at most 1048576"},
		"headers past its end": {headersPastTheEnd, c.at, "malformed"},
		"no event at all":      {func() []byte { return []byte("GET / HTTP/1.1\r\n") }, c.at, "at most 1048576"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := c.chain(t).Sign(tt.events(), true, tt.at)
			if err == nil || !strings.Contains(err.Error(), tt.fault) || len(out) > 0 || strings.Contains(err.Error(), canary) {
				t.Errorf("Sign = %d bytes, %v; want an error about %q", len(out), err, tt.fault)
			}
		})
	}
}

// forged changes an event behind its signature's back, with checksums that fit.
func forged(t *testing.T, event []byte, change func(*eventstream.Message)) []byte {
	t.Helper()
	m, err := eventstream.NewDecoder().Decode(bytes.NewReader(event), nil)
	if err != nil {
		t.Fatal(err)
	}
	change(&m)
	return encoded(t, m)
}

func redated(m *eventstream.Message, at time.Time) {
	m.Headers.Set(":date", eventstream.TimestampValue(at))
}

// sized is how an event of a length begins.
func sized(n uint32) []byte {
	return append(binary.BigEndian.AppendUint32(nil, n), make([]byte, minEvent)...)
}

// headersPastTheEnd says that its headers are longer than it is.
func headersPastTheEnd() []byte {
	b := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, minEvent), 1<<31)
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

func TestAChainNeedsBothHeads(t *testing.T) {
	c := newConversation(t)
	other := c
	other.key.AccessKeyID = "AKIAROTATEDSINCE0000"
	bare, unsigned := c, c
	bare.received, unsigned.sent = "Bearer x", ""
	for name, x := range map[string]conversation{"another key since": other, "a client without a signature": bare, "a head that was not signed": unsigned} {
		if _, err := NewEventChain(x.issued, x.received, x.key, x.sent); err == nil {
			t.Errorf("%s: a chain begins", name)
		}
	}
}

// What a client sends costs no more memory than an event and a chunk.
func TestTheRestOfAnEventIsAllThatIsKept(t *testing.T) {
	c := newConversation(t, strings.Repeat("x", 64<<10), "y")
	chain := c.chain(t)
	if _, err := chain.Sign(slices.Concat(c.events[0], c.events[1][:20]), false, c.at); err != nil {
		t.Fatal(err)
	}
	if cap(chain.rest) > 1024 {
		t.Errorf("20 bytes of an event keep %d", cap(chain.rest))
	}
	if _, err := chain.Sign(c.events[2], false, c.at); err == nil || errors.Is(err, ErrEvent) {
		t.Errorf("an event within another: %v, want a malformed one", err)
	}
}

func FuzzEventChain(f *testing.F) {
	c := newConversation(f, "one", "two")
	whole := slices.Concat(c.events...)
	f.Add(whole, uint16(7))
	f.Add(sized(maxEvent), uint16(2))
	f.Add(headersPastTheEnd(), uint16(9))
	f.Fuzz(func(t *testing.T, request []byte, cut uint16) {
		n := min(int(cut), len(request))
		want, whole := c.chain(t).Sign(request, true, c.at)
		parts := c.chain(t)
		first, err := parts.Sign(request[:n], false, c.at)
		var second []byte
		if err == nil {
			second, err = parts.Sign(request[n:], true, c.at)
		}
		if (err == nil) != (whole == nil) || err == nil && !bytes.Equal(append(first, second...), want) {
			t.Fatalf("cut at %d: %v, whole: %v", n, err, whole)
		}
	})
}

func BenchmarkEvent(b *testing.B) {
	c := newConversation(b, strings.Repeat("x", 8<<10))
	c.issued = sentinel.Secret{} // a chain that goes on
	chain := c.chain(b)
	b.SetBytes(8 << 10)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := chain.Sign(c.events[0], false, c.at); err != nil {
			b.Fatal(err)
		}
	}
}
