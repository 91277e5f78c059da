package provider

import (
	"testing"
	"time"
)

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
