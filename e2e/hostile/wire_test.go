package hostile

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// answer is what came back over one connection.
type answer struct {
	status  int // of the first answer; 0 where the connection was closed without one
	header  http.Header
	body    []byte
	raw     []byte // everything
	answers int    // how many answers came
}

// reason is why it was refused, in the one place where a refusal says it.
func (a answer) reasons() []string {
	var out []string
	for _, v := range a.header.Values("X-Sentinel-Verdict") {
		if _, reason, ok := strings.Cut(v, "reason="); ok {
			out = append(out, reason)
		}
	}
	if len(out) == 0 && bytes.Contains(a.body, []byte(`"code":"no_route"`)) {
		out = append(out, "no_route")
	}
	return out
}

// wait bounds one exchange.
const wait = 15 * time.Second

// send writes bytes to the gateway and reads what comes, until it closes or the answers are complete.
func (s *stand) send(raw string) (answer, error) {
	return s.sendAs(raw)
}

// read takes answers until the connection is quiet: pipelined requests get several.
func read(c net.Conn, method string) (answer, error) {
	var all bytes.Buffer
	r := bufio.NewReader(io.TeeReader(c, &all))
	out := answer{}
	for {
		x, err := http.ReadResponse(r, &http.Request{Method: method})
		if err != nil {
			out.raw = all.Bytes()
			if out.answers > 0 || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || isReset(err) {
				return out, nil
			}
			return out, err
		}
		if x.StatusCode == http.StatusContinue {
			continue
		}
		body, err := io.ReadAll(x.Body)
		out.answers++
		if out.answers == 1 {
			out.status, out.header, out.body = x.StatusCode, x.Header, body
		}
		if err != nil || x.Close {
			out.raw = all.Bytes()
			return out, nil //nolint:nilerr // an answer that was cut shows what came
		}
		_ = c.SetReadDeadline(time.Now().Add(30 * time.Millisecond)) // for one more answer, which would be a smuggled request's
	}
}

func isReset(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && !op.Timeout()
}

// request writes a request to the gateway's own host, with the body's length.
func request(line string, headers ...string) string { return withBody(line, "", headers...) }

func withBody(line, body string, headers ...string) string {
	if body != "" {
		headers = append(headers, "Content-Length: "+strconv.Itoa(len(body)))
	}
	return bare(line+" HTTP/1.1", body, append([]string{"Host: localhost"}, headers...)...)
}

// bare writes a request as it is given.
func bare(line, body string, headers ...string) string {
	return line + "\r\n" + strings.Join(headers, "\r\n") + "\r\n\r\n" + body
}

const (
	auth  = "Authorization: Bearer " + token
	asKey = "x-api-key: " + token
	json_ = "Content-Type: application/json"
	form  = "Content-Type: application/x-www-form-urlencoded"

	chatLine = "POST /openai/v1/chat/completions"
	lima     = "/weather/v1/forecast/lima"
)

// chat is a request for a completion with members of its own.
func chat(members string) string {
	return `{"model":"gpt-5-mini","max_completion_tokens":20,"messages":[{"role":"user","content":"hello"}]` + members + `}`
}

// post sends JSON to the chat endpoint.
func post(body string, headers ...string) string {
	return withBody(chatLine, body, append([]string{auth, json_}, headers...)...)
}
