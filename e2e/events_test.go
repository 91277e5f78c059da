package e2e

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	domain "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
)

// conversing is a provider that answers each signed event while the request runs, by HTTP/2. It derives every signature by itself from AWS's
// description, and answers the first event that the vault's key did not sign with an exception.
type conversing struct {
	*httptest.Server
	mu     sync.Mutex
	heads  []http.Header
	events []string
	bad    []string
}

// scopeOf reads day, region, service and signature of an authorization header.
func scopeOf(authorization string) (day, region, service, signature string) {
	_, scope, _ := strings.Cut(authorization, "Credential=")
	scope, rest, _ := strings.Cut(scope, ",")
	parts := append(strings.Split(scope, "/"), "", "", "", "")
	_, signature, _ = strings.Cut(rest, "Signature=")
	return parts[1], parts[2], parts[3], signature
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func digest(b []byte) string { return fmt.Sprintf("%x", sha256.Sum256(b)) }

func (c *conversing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, region, service, previous := scopeOf(r.Header.Get("Authorization"))
	c.note(func() { c.heads = append(c.heads, r.Header.Clone()) })
	w.Header().Set("Content-Type", "application/vnd.amazon.eventstream")
	_ = http.NewResponseController(w).EnableFullDuplex()
	w.WriteHeader(http.StatusOK)
	_ = http.NewResponseController(w).Flush()
	for {
		m, err := eventstream.NewDecoder().Decode(r.Body, nil)
		if err != nil {
			return
		}
		at := time.Time(m.Headers.Get(":date").(eventstream.TimestampValue)).UTC()
		var dated bytes.Buffer
		_ = eventstream.EncodeHeaders(&dated, eventstream.Headers{{Name: ":date", Value: eventstream.TimestampValue(at)}})
		day := at.Format("20060102")
		key := mac(mac(mac(mac([]byte("AWS4"+vaultAWS), day), region), service), "aws4_request")
		want := mac(key, strings.Join([]string{"AWS4-HMAC-SHA256-PAYLOAD", at.Format("20060102T150405Z"), day + "/" + region + "/" + service + "/aws4_request",
			previous, digest(dated.Bytes()), digest(m.Payload)}, "\n"))
		previous = hex.EncodeToString(want)
		if got := m.Headers.Get(":chunk-signature").(eventstream.BytesValue); !hmac.Equal(want, got) {
			c.note(func() { c.bad = append(c.bad, string(m.Payload)) })
			return
		}
		c.note(func() { c.events = append(c.events, string(m.Payload)) })
		if len(m.Payload) == 0 { // the client has no more to say
			return
		}
		_ = eventstream.NewEncoder().Encode(w, eventstream.Message{Payload: append([]byte("heard "), m.Payload...)})
		_ = http.NewResponseController(w).Flush()
	}
}

func (c *conversing) note(what func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	what()
}

// speaker is a client of AWS that is in the middle of a request.
type speaker struct {
	t      *testing.T
	sign   *v4.StreamSigner
	to     *io.PipeWriter
	answer chan *http.Response
	err    chan error
}

// speak begins a request of events at the gateway, signed with a secret.
func (g *gateway) speak(t *testing.T, secret string) *speaker {
	t.Helper()
	s := &speaker{t: t, answer: make(chan *http.Response, 1), err: make(chan error, 1)}
	from, to := io.Pipe()
	s.to = to
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.url+"/transcribe/stream-transcription", from)
	g.must(err)
	r.Header.Set("Content-Type", "application/vnd.amazon.eventstream")
	r.Header.Set("X-Amz-Content-Sha256", "STREAMING-AWS4-HMAC-SHA256-EVENTS")
	r.Header.Set("X-Amzn-Transcribe-Sample-Rate", "16000")
	key := aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: secret}
	g.must(v4.NewSigner().SignHTTP(context.Background(), key, r, "STREAMING-AWS4-HMAC-SHA256-EVENTS", "transcribe", "us-east-1", time.Now().UTC()))
	_, _, _, signature := scopeOf(r.Header.Get("Authorization"))
	raw, err := hex.DecodeString(signature)
	g.must(err)
	s.sign = v4.NewStreamSigner(key, "transcribe", "us-east-1", raw)
	plain := &http.Protocols{}
	plain.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: plain}
	t.Cleanup(transport.CloseIdleConnections)
	go func() {
		answer, err := transport.RoundTrip(r)
		if err != nil {
			s.err <- err
			return
		}
		s.answer <- answer
	}()
	return s
}

// say sends one event; nothing at all ends the request.
func (s *speaker) say(text string) {
	s.t.Helper()
	at := time.Now()
	m := eventstream.Message{Payload: []byte(text), Headers: eventstream.Headers{{Name: ":date", Value: eventstream.TimestampValue(at)}}}
	var dated, event bytes.Buffer
	err := eventstream.EncodeHeaders(&dated, m.Headers)
	var signature []byte
	if err == nil {
		signature, err = s.sign.GetSignature(context.Background(), dated.Bytes(), m.Payload, at)
	}
	m.Headers.Set(":chunk-signature", eventstream.BytesValue(signature))
	if err == nil {
		err = eventstream.NewEncoder().Encode(&event, m)
	}
	for half := range 2 { // the gateway must not depend on how its client writes
		b := event.Bytes()[half*event.Len()/2 : (half+1)*event.Len()/2]
		if _, e := s.to.Write(b); err == nil {
			err = e
		}
	}
	if err != nil {
		s.t.Errorf("the event %.20q: %v", text, err)
	}
}

// heard waits for the answer's head.
func (s *speaker) heard() *http.Response {
	s.t.Helper()
	select {
	case answer := <-s.answer:
		s.t.Cleanup(func() { _ = answer.Body.Close() })
		return answer
	case err := <-s.err:
		s.t.Fatalf("no answer: %v", err)
	case <-time.After(10 * time.Second):
		s.t.Fatal("no answer after 10 s")
	}
	return nil
}

func openConversing(t *testing.T) (*gateway, *conversing) {
	t.Helper()
	config := mockapi.DefaultConfig()
	c := &conversing{}
	g := open(t, config, "{}", "")
	c.Server = httptest.NewUnstartedServer(c)
	c.EnableHTTP2 = true
	c.TLS = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: g.mock.TLSConfig().GetCertificate}
	c.StartTLS()
	t.Cleanup(c.Close)
	g.write("policies.yaml", g.policyOf("{}", fmt.Sprintf(`  transcribe:
    host: api.weather.example
    region: us-east-1
    address: %q
    ca_file: %q
    credential: {vault: secret/aws, type: sigv4, service: transcribe}
    endpoints: [{name: stream, method: POST, path: /stream-transcription, body: events, price: {per_request_usd: 0.5}}]
`, c.Listener.Addr().String(), g.mock.CAFile)))
	g.eventually("the provider is routed", func() bool {
		code, _, text := g.do(http.MethodPost, "/transcribe/stream-transcription", "")
		return !strings.Contains(text, "no_route") && code != http.StatusNotFound
	})
	c.note(func() { c.heads, c.events, c.bad = nil, nil, nil })
	return g, c
}

// A client of AWS that signs each event of a running request is answered while it speaks. Its provider gets every event signed with the
// vault's key, by a chain that another reading of AWS's description derives, and nothing that the issued secret signed.
func TestAStreamOfEventsIsSignedAnewWhileItRuns(t *testing.T) {
	g, c := openConversing(t)
	rows := len(g.ledger(0))
	s := g.speak(t, issued)
	long := strings.Repeat("a quarter of a second of sound ", 3000) // 90 KB, more than Envoy reads at once
	s.say("one")
	answer := s.heard()
	if answer.StatusCode != http.StatusOK || answer.ProtoMajor != 2 {
		text, _ := io.ReadAll(answer.Body)
		t.Fatalf("answered %s %s: %s", answer.Proto, answer.Status, text)
	}
	for _, text := range []string{"one", "two", long} {
		if text != "one" {
			s.say(text)
		}
		m, err := eventstream.NewDecoder().Decode(answer.Body, nil)
		if err != nil || string(m.Payload) != "heard "+text { // before the next one is sent
			t.Fatalf("to %.20q it is answered %.20q, %v", text, m.Payload, err)
		}
	}
	s.say("")
	g.must(s.to.Close())
	if rest, err := io.ReadAll(answer.Body); err != nil || len(rest) > 0 {
		t.Errorf("the answer ends with %q, %v", rest, err)
	}
	c.note(func() {
		if len(c.bad) > 0 || len(c.events) != 4 || c.events[2] != long || c.events[3] != "" {
			t.Errorf("the provider got %d events, and refuses %.40q", len(c.events), c.bad)
		}
		if head := c.heads[0]; !strings.Contains(head.Get("Authorization"), "Credential=AKIAVAULTCANARY0/") || head.Get("X-Amz-Content-Sha256") != "STREAMING-AWS4-HMAC-SHA256-EVENTS" {
			t.Errorf("the provider got the head %v", head)
		}
	})
	var e domain.Entry
	for _, row := range g.ledger(rows + 1) {
		if row.Provider == "transcribe" && !row.Action.Refused() {
			e = row
		}
	}
	if e.Cost != 500_000_000 || e.Estimated() || e.Caller.Service != "app" {
		t.Errorf("booked %+v", e)
	}
}

// A head that the issued secret did not sign opens nothing. An event that it did not sign ends the request, and the provider never gets it.
func TestAForgedEventDoesNotReachItsProvider(t *testing.T) {
	g, c := openConversing(t)
	if answer := g.speak(t, "another secret").heard(); answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("a forged head is answered %s", answer.Status)
	}
	s := g.speak(t, issued)
	s.say("one")
	answer := s.heard()
	if m, err := eventstream.NewDecoder().Decode(answer.Body, nil); err != nil || string(m.Payload) != "heard one" {
		t.Fatalf("answered %q, %v", m.Payload, err)
	}
	s.sign = v4.NewStreamSigner(aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: issued}, "transcribe", "us-east-1", make([]byte, 32))
	s.say("out of the chain")
	if rest, err := io.ReadAll(answer.Body); err == nil {
		t.Errorf("after a forged event the answer ends as if it were whole: %q", rest)
	}
	c.note(func() {
		if len(c.heads) != 1 || len(c.bad) > 0 || len(c.events) != 1 {
			t.Errorf("the provider got %d heads, the events %q, and refuses %q", len(c.heads), c.events, c.bad)
		}
	})
}
