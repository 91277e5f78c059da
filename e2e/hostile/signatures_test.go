package hostile

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// awsCall is a request of an AWS client at the gateway, signed by AWS' own library.
type awsCall struct {
	id, secret, host, line, service, region string
	body                                    string
	at                                      time.Time
	headers                                 []string // that are signed
}

// gets is one that is as it should be.
func gets() awsCall {
	return awsCall{id: accessKey, secret: issued, host: "localhost", line: "GET /s3/bucket/key", service: "s3", region: "us-east-1", at: time.Now()}
}

// raw signs it, and gives it as it is written to a socket.
func (c awsCall) raw(s *stand) string {
	s.Helper()
	method, path, _ := strings.Cut(c.line, " ")
	r, err := http.NewRequestWithContext(s.Context(), method, "http://"+c.host+path, strings.NewReader(c.body))
	s.must(err)
	sum := sha256.Sum256([]byte(c.body))
	hash := hex.EncodeToString(sum[:])
	r.Header.Set("X-Amz-Content-Sha256", hash)
	for _, h := range c.headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	s.must(v4.NewSigner().SignHTTP(context.Background(), aws.Credentials{AccessKeyID: c.id, SecretAccessKey: c.secret}, r, hash, c.service, c.region, c.at.UTC(),
		func(o *v4.SignerOptions) { o.DisableURIPathEscaping = c.service == "s3" }))
	var headers []string
	for name := range r.Header {
		headers = append(headers, name+": "+r.Header.Get(name))
	}
	return withBody(c.line, c.body, headers...)
}

func signatures() []attack {
	of := func(name string, status, hits int, reason string, raw func(s *stand) string) attack {
		return attack{name: name, status: status, hits: hits, reason: reason}.to(raw)
	}
	no := func(name string, change func(c *awsCall), after ...string) attack {
		return of("an AWS signature "+name, 401, 0, unidentified, func(s *stand) string {
			c := gets()
			change(&c)
			return strings.NewReplacer(after...).Replace(c.raw(s))
		})
	}
	good := of("an AWS signature", 200, 1, "", func(s *stand) string { return gets().raw(s) })
	good.provider = func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("x")) }
	good.holds = paidBy("app")
	converse := func(c *awsCall) {
		c.line, c.service, c.body = "POST /bedrock/model/amazon.nova-lite-v1:0/converse", "bedrock", `{"messages":[{"role":"user","content":[{"text":"hello"}]}],"inferenceConfig":{"maxTokens":20}}`
		c.headers = []string{"Content-Type: application/json"}
	}
	return []attack{
		good,
		no("six minutes old", func(c *awsCall) { c.at = time.Now().Add(-6 * time.Minute) }),
		no("six minutes early", func(c *awsCall) { c.at = time.Now().Add(6 * time.Minute) }),
		no("of another secret", func(c *awsCall) { c.secret = vaultAWS }),
		no("of an empty secret", func(c *awsCall) { c.secret = " " }),
		no("of a key that nobody issued", func(c *awsCall) { c.id = "SENTINELHOSTILE2" }),
		no("for another path", func(*awsCall) {}, "/s3/bucket/key", "/s3/bucket/other"),
		no("for another method", func(*awsCall) {}, "GET ", "DELETE "),
		no("for another query", func(*awsCall) {}, "/s3/bucket/key", "/s3/bucket/key?versionId=2"),
		no("for another host", func(c *awsCall) { c.host = "bucket.s3.us-east-1.amazonaws.com" }),
		no("beside a header of Amazon's that it does not cover", func(*awsCall) {}, "Host: localhost", "Host: localhost\r\nx-amz-security-token: x"),
		no("over another body", converse, "hello", "howdy"),
		no("over another body, with its hash", func(c *awsCall) {
			converse(c)
		}, "hello", "howdy", hashOf(converse, "hello"), hashOf(converse, "howdy")),
	}
}

// hashOf is the hash of a call's body with another word in it.
func hashOf(change func(c *awsCall), word string) string {
	var c awsCall
	change(&c)
	sum := sha256.Sum256([]byte(strings.Replace(c.body, "hello", word, 1)))
	return hex.EncodeToString(sum[:])
}

// issuedTokens are attacks on tokens that are made while the gateway runs, and on what the policy takes back.
func issuedTokens() []attack {
	line := "GET " + lima
	return []attack{
		{name: "an issued token that was changed, or taken back", play: func(s *stand) []answer {
			token := strings.TrimSpace(string(s.run("tokens", "issue", "issued")))
			s.canaries["an issued token"] = token
			s.untilKnown("an issued token is known", true, request(line, "Authorization: Bearer "+token))
			id := strings.Split(token, "_")[1]
			var out []answer
			for _, forged := range []string{token[:len(token)-1], token + "x", strings.ToUpper(token), "sst_" + id, "sst_" + id + "_", strings.Replace(token, id, id[1:]+id[:1], 1), "sst__" + token[strings.LastIndex(token, "_")+1:]} {
				x, err := s.send(request(line, "Authorization: Bearer "+forged))
				s.must(err)
				if x.status != http.StatusUnauthorized {
					s.Errorf("a forged token is answered %d", x.status)
				}
				out = append(out, answer{raw: x.raw})
			}
			s.run("tokens", "revoke", id)
			s.untilKnown("a revoked token is refused", false, request(line, "Authorization: Bearer "+token))
			return out
		}},
		{name: "an AWS key and a certificate that the policy has taken back", play: func(s *stand) []answer {
			was := s.policies()
			s.write("policies.yaml", strings.NewReplacer(accessKey, "SENTINELANOTHER1", checkout, checkout+"-of-before").Replace(was))
			s.untilKnown("the AWS key is refused", false, gets().raw(s))
			x, err := s.sendAs(request(line), s.authority.Workload(s, checkout))
			s.must(err)
			if x.status != http.StatusUnauthorized {
				s.Errorf("a certificate that was taken back is answered %d", x.status)
			}
			s.write("policies.yaml", was)
			s.untilKnown("the AWS key is known again", true, gets().raw(s))
			return nil
		}},
	}
}

// within5s is how fast what was taken back is refused, by every process.
const within5s = 5 * time.Second

// untilKnown sends a request until its caller is known, or is not, for as long as a revocation may take. Calls that went out meanwhile are not
// the attack's.
func (s *stand) untilKnown(what string, known bool, raw string) {
	s.Helper()
	for end := time.Now().Add(within5s); ; time.Sleep(50 * time.Millisecond) {
		before := s.provider.hits()
		x, err := s.send(raw)
		s.must(err)
		for range s.provider.hits() - before {
			s.forget()
		}
		if (x.status != http.StatusUnauthorized) == known {
			return
		}
		if time.Now().After(end) {
			s.Fatalf("%s later it is still not so that %s: %d %s", within5s, what, x.status, x.body)
		}
	}
}
