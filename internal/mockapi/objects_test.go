package mockapi

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

func TestObjectsComeBackWhole(t *testing.T) {
	s := newServer(t, quick())
	const chunked = "6;chunk-signature=ab\r\nwords \r\n4\r\nhere\r\n0\r\nx-amz-checksum-crc32:AAAA\r\n\r\n"
	for key, tt := range map[string]struct{ body, encoding, want string }{
		"plain":         {"words here", "", "words here"},
		"a%20b/c%C3%A9": {"x", "", "x"},
		"chunked":       {chunked, "aws-chunked", "words here"},
		"empty":         {"", "", ""},
	} {
		t.Run(key, func(t *testing.T) {
			if status, body := ask(t, s, http.MethodPut, "/s3/bucket/"+key, tt.body, "Content-Encoding", tt.encoding); status != 200 {
				t.Fatalf("PUT = %d %s", status, body)
			}
			if status, body := ask(t, s, http.MethodGet, "/s3/bucket/"+key, ""); status != 200 || body != tt.want {
				t.Errorf("GET = %d %q, want %q", status, body, tt.want)
			}
		})
	}
	if _, body := ask(t, s, http.MethodGet, "/s3/bucket?list-type=2&max-keys=2", ""); !strings.Contains(body, "<IsTruncated>true</IsTruncated>") || !strings.Contains(body, "<Key>a b/cé</Key>") {
		t.Errorf("list = %s", body)
	}
	if status, _ := ask(t, s, http.MethodDelete, "/s3/bucket/plain", ""); status != 204 {
		t.Errorf("DELETE = %d, want 204", status)
	}
	if status, body := ask(t, s, http.MethodGet, "/s3/bucket/plain", ""); status != 404 || !strings.Contains(body, "<Code>NoSuchKey</Code>") {
		t.Errorf("GET after DELETE = %d %s, want 404", status, body)
	}
}

func TestStoreAndBodyAreBounded(t *testing.T) {
	s := newServer(t, quick())
	if status, _ := ask(t, s, http.MethodPut, "/s3/b/too-large", strings.Repeat("x", maxBody+1)); status != 413 {
		t.Errorf("a body over 16 MiB = %d, want 413", status)
	}
	full := strings.Repeat("x", maxBody)
	for i, want := range []int{200, 200, 200, 200, 507} {
		if status, _ := ask(t, s, http.MethodPut, "/s3/b/"+string(rune('a'+i)), full); status != want {
			t.Errorf("16 MiB object %d = %d, want %d", i+1, status, want)
		}
	}
	if status, _ := ask(t, s, http.MethodPut, "/s3/b/a", full); status != 200 {
		t.Errorf("an object in place of another = %d, want 200", status)
	}
}

func FuzzUnchunk(f *testing.F) {
	f.Add([]byte("3\r\nabc\r\n0\r\n\r\n"))
	f.Add([]byte("ffffffff\r\n\r\n"))
	f.Add([]byte("1"))
	f.Fuzz(func(t *testing.T, in []byte) {
		if out, ok := unchunk(in); ok && len(out) > len(in) {
			t.Errorf("unchunk made %d bytes of %d", len(out), len(in))
		}
	})
}

func TestStripeBillsMoneyThatMoved(t *testing.T) {
	s := newServer(t, quick())
	create := func(path, form string) map[string]any {
		t.Helper()
		_, body := post(t, s, "/stripe"+path, form, "Content-Type", "application/x-www-form-urlencoded")
		var v map[string]any
		if err := json.Unmarshal([]byte(body), &v); err != nil {
			t.Fatalf("%s: %v: %s", path, err, body)
		}
		return v
	}
	cents := func() int64 {
		sum := int64(0)
		for _, r := range s.Stats().Rows {
			sum += r.Usage["amount_cents"]
		}
		return sum
	}
	steps := []struct {
		name string
		do   func()
		want int64
	}{
		{"a charge", func() { create("/v1/charges", "amount=2000&currency=usd&source=tok_visa&metadata[order]=7") }, 2000},
		{"a declined card", func() { create("/v1/charges", "amount=2000&currency=usd&source=tok_chargeDeclined") }, 0},
		{"another currency", func() { create("/v1/charges", "amount=2000&currency=eur&source=tok_visa") }, 0},
		{"an intent that waits", func() { create("/v1/payment_intents", "amount=500&currency=usd") }, 0},
		{"an intent confirmed at once", func() { create("/v1/payment_intents", "amount=700&currency=usd&confirm=true") }, 700},
		{"an intent confirmed later", func() {
			id, _ := create("/v1/payment_intents", "amount=900&currency=usd")["id"].(string)
			create("/v1/payment_intents/"+id+"/confirm", "")
		}, 900},
		{"a part captured", func() {
			id, _ := create("/v1/charges", "amount=900&currency=usd&capture=false")["id"].(string)
			create("/v1/charges/"+id+"/capture", "amount=300")
		}, 300},
		{"a balance", func() { ask(t, s, http.MethodGet, "/stripe/v1/balance", "") }, 0},
	}
	for _, step := range steps {
		before := cents()
		step.do()
		if got := cents() - before; got != step.want {
			t.Errorf("%s moved %d cents, want %d", step.name, got, step.want)
		}
	}
	// 2,000 + 700 + 900 + 300 cents at 2.9 %, and four times 0.30 USD.
	if got, want := s.Stats().CostNanoUSD, int64(1_131_000_000+1_200_000_000); got != want {
		t.Errorf("billed %d nano-dollars, want %d", got, want)
	}
}

// The request and its signature are the example of AWS's documentation of Signature Version 4 for S3
// ("GET Object", with the example credential that AWS publishes).
func TestSignatureIsThatOfAWS(t *testing.T) {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://examplebucket.s3.amazonaws.com/test.txt", nil)
	if err != nil {
		t.Fatal(err)
	}
	const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	r.Header.Set("Range", "bytes=0-9")
	r.Header.Set("X-Amz-Content-Sha256", empty)
	r.Header.Set("X-Amz-Date", "20130524T000000Z")
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"+
		"SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"+
		"Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")
	s, ok := parseSigV4(r)
	if !ok || s.keyID != "AKIAIOSFODNN7EXAMPLE" {
		t.Fatalf("parseSigV4 = %+v, %v", s, ok)
	}
	const secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	if !s.verify(r, nil, secret) {
		t.Error("AWS's own example is not accepted")
	}
	if s.verify(r, []byte("another body"), secret) {
		t.Error("a body that was not signed is accepted")
	}
	if s.verify(r, nil, "wrong") {
		t.Error("a signature of another secret is accepted")
	}
}

func TestConfigurationReportsEveryFaultByItsKey(t *testing.T) {
	_, err := ParseConfig([]byte(`
hosts: {api.example: nobody}
answers: {min_output: 3, max_output: 2}
models: {m: {max_output: 0}}
faults: [{kind: explode, first: 1}]
prices: [{rates: {bananas: 1, requests: -1}}]
accept: {nobody: [x]}
`))
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"hosts.api.example", "answers.min_output", "models.m.max_output", "faults[0].kind", "prices[0].rates.bananas", "prices[0].rates.requests", "accept.nobody"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
	if _, err := ParseConfig([]byte("seeed: 1\n")); err == nil || !strings.Contains(err.Error(), "seeed") {
		t.Errorf("an unknown key gives %v", err)
	}
}
