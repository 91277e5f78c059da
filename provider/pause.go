package provider

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
)

// statusOverloaded is Anthropic's.
const statusOverloaded = 529

// Pause reads from an answer for how long its provider wants no more such calls; 0 where it does not say. A refusal that names no time may be about
// that one call, a request that is larger than any quota for instance, so it says nothing of others.
func Pause(status int, header func(string) string, now time.Time) time.Duration {
	switch status {
	case http.StatusTooManyRequests:
		if d := retryAfter(header, now); d > 0 {
			return d
		}
		return exhausted(header, now)
	case http.StatusServiceUnavailable, statusOverloaded:
		return retryAfter(header, now)
	}
	return 0
}

// retryAfter reads Retry-After (RFC 9110: seconds or a date), or the milliseconds that some providers send beside it.
func retryAfter(header func(string) string, now time.Time) time.Duration {
	if d := amountOf(header("retry-after-ms"), time.Millisecond); d > 0 {
		return d
	}
	text := header("retry-after")
	if d := amountOf(text, time.Second); d > 0 {
		return d
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// amountOf reads a number of units, which may have a fraction.
func amountOf(text string, unit time.Duration) time.Duration {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || !(n > 0) {
		return 0
	}
	return time.Duration(min(n, 1e6) * float64(unit))
}

// quotas are the headers that say what is left of a quota and when it is whole again, of OpenAI and of Anthropic.
var quotas = []struct{ remaining, reset string }{
	{"x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"},
	{"x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"},
	{"anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset"},
	{"anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset"},
	{"anthropic-ratelimit-input-tokens-remaining", "anthropic-ratelimit-input-tokens-reset"},
	{"anthropic-ratelimit-output-tokens-remaining", "anthropic-ratelimit-output-tokens-reset"},
}

// exhausted gives the longest time until a quota of which nothing is left is whole again. OpenAI writes a duration ("6m0s"), Anthropic a
// time (RFC 3339).
func exhausted(header func(string) string, now time.Time) (longest time.Duration) {
	for _, q := range quotas {
		if strings.TrimSpace(header(q.remaining)) != "0" {
			continue
		}
		text := header(q.reset)
		if d, err := time.ParseDuration(text); err == nil {
			longest = max(longest, d)
		} else if at, err := time.Parse(time.RFC3339, text); err == nil {
			longest = max(longest, at.Sub(now))
		}
	}
	return longest
}

// PausesInBody tells whether the body of an answer may say for how long its provider wants no more such calls: Google says so there, and in no header.
func (p Preset) PausesInBody(status int) bool {
	switch p.dialect.(type) {
	case geminiDialect, vertexDialect:
		return status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable
	}
	return false
}

// PauseIn reads that from google.rpc.RetryInfo among an error's details (https://google.aip.dev/193); 0 where it does not say. A stream that is
// not of events is a list, and so is its error.
func PauseIn(body []byte) time.Duration {
	type failure struct {
		Error struct {
			Details []struct {
				Type  string `json:"@type"`
				Delay string `json:"retryDelay"`
			} `json:"details"`
		} `json:"error"`
	}
	list := []failure{{}}
	var err error
	if body = bytes.TrimSpace(body); len(body) > 0 && body[0] == '[' {
		err = json.Unmarshal(body, &list)
	} else {
		err = json.Unmarshal(body, &list[0])
	}
	if err != nil || len(list) == 0 {
		return 0
	}
	for _, d := range list[0].Error.Details {
		if strings.HasSuffix(d.Type, "/google.rpc.RetryInfo") {
			delay, _ := time.ParseDuration(d.Delay)
			return max(0, delay)
		}
	}
	return 0
}
