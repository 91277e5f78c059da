package provider

import (
	"strings"
	"testing"
	"time"
)

func TestGooglesErrorsSayWhenToComeBack(t *testing.T) {
	const info = `{"error":{"details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"27s"}]}}`
	for name, tt := range map[string]struct {
		body string
		want time.Duration
	}{
		"seconds":             {info, 27 * time.Second},
		"with a fraction":     {strings.ReplaceAll(info, "27s", "27.356906325s"), 27356906325 * time.Nanosecond},
		"of a stream":         {" [" + info + "\n]", 27 * time.Second},
		"an empty list":       {"[]", 0},
		"another detail":      {strings.ReplaceAll(info, "RetryInfo", "QuotaFailure"), 0},
		"no duration":         {strings.ReplaceAll(info, "27s", "soon"), 0},
		"less than nothing":   {strings.ReplaceAll(info, "27s", "-27s"), 0},
		"more than there are": {strings.ReplaceAll(info, "27s", "99999999999999999999s"), 0},
		"cut off":             {info[:60], 0},
		"another type":        {`{"error":"no"}`, 0},
		"nothing":             {"", 0},
	} {
		if got := PauseIn([]byte(tt.body)); got != tt.want {
			t.Errorf("%s: PauseIn(%s) = %s, want %s", name, tt.body, got, tt.want)
		}
	}
	for preset, want := range map[string]bool{"gemini": true, "vertex": true, "openai": false, "anthropic": false} {
		if p, _ := Find(preset); p.PausesInBody(429) != want || p.PausesInBody(503) != want || p.PausesInBody(200) {
			t.Errorf("%s says so in its body: %v", preset, p.PausesInBody(429))
		}
	}
}

func TestProvidersSayForHowLongTheyWantToBeLeftAlone(t *testing.T) {
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		status  int
		headers map[string]string
		want    time.Duration
	}{
		"seconds":                         {429, map[string]string{"retry-after": "12"}, 12 * time.Second},
		"milliseconds come first":         {429, map[string]string{"retry-after": "12", "retry-after-ms": "1500.5"}, 1500500 * time.Microsecond},
		"a date":                          {429, map[string]string{"retry-after": "Sat, 28 Nov 2026 12:01:00 GMT"}, time.Minute},
		"a date that is over":             {429, map[string]string{"retry-after": "Sat, 28 Nov 2026 11:01:00 GMT"}, 0},
		"no word":                         {429, nil, 0},
		"an amount that is no number":     {429, map[string]string{"retry-after": "soon"}, 0},
		"not a number":                    {429, map[string]string{"retry-after": "NaN"}, 0},
		"less than nothing":               {429, map[string]string{"retry-after": "-3"}, 0},
		"more than any duration":          {429, map[string]string{"retry-after": "1e300"}, 1_000_000 * time.Second},
		"OpenAI's requests are used up":   {429, map[string]string{"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}, 6 * time.Minute},
		"OpenAI's tokens are used up":     {429, map[string]string{"x-ratelimit-remaining-requests": "9", "x-ratelimit-reset-requests": "6m0s", "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "20ms"}, 20 * time.Millisecond},
		"one call was too large":          {429, map[string]string{"x-ratelimit-remaining-tokens": "900", "x-ratelimit-reset-tokens": "6m0s"}, 0},
		"Anthropic's tokens are used up":  {429, map[string]string{"anthropic-ratelimit-input-tokens-remaining": "0", "anthropic-ratelimit-input-tokens-reset": "2026-11-28T12:00:07Z"}, 7 * time.Second},
		"Anthropic is overloaded":         {529, map[string]string{"retry-after": "3"}, 3 * time.Second},
		"unavailable":                     {503, map[string]string{"retry-after": "3"}, 3 * time.Second},
		"unavailable, with other figures": {503, map[string]string{"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}, 0},
		"an answer":                       {200, map[string]string{"retry-after": "3", "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1s"}, 0},
		"another error":                   {500, map[string]string{"retry-after": "3"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Pause(tt.status, func(h string) string { return tt.headers[h] }, now); got != tt.want {
				t.Errorf("Pause(%d, %v) = %s, want %s", tt.status, tt.headers, got, tt.want)
			}
		})
	}
}
