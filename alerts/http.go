package alerts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// maxAnswer bounds what is read of a channel's answer.
const maxAnswer = 64 << 10

// NewClient is an HTTP client for channels: it follows no redirect, which could carry a credential elsewhere.
func NewClient() *http.Client {
	return &http.Client{Timeout: sendTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// request is one POST to a channel.
type request struct {
	name    string // of the channel's service, for errors
	method  string // POST when empty
	url     string
	body    []byte
	header  map[string]string
	secrets []sentinel.Secret // never part of an error
}

// exchange sends a request. An error has the status or the kind of network fault, never the URL, the body or the
// answer: each can hold a secret.
func exchange(ctx context.Context, c *http.Client, r request) ([]byte, error) {
	method := r.method
	if method == "" {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(ctx, method, r.url, bytes.NewReader(r.body))
	if err != nil {
		return nil, fmt.Errorf("%s: the address is not a URL: %w", r.name, ErrRefused)
	}
	for k, v := range r.header {
		req.Header.Set(k, v)
	}
	res, err := c.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s: %s", r.name, hide(networkFault(err), r.secrets))
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("%s: the answer was cut", r.name)
	}
	return body, judge(r.name, res.StatusCode, res.Header)
}

// judge turns an HTTP status into what to do next.
func judge(name string, status int, h http.Header) error {
	switch {
	case status >= 200 && status < 300:
		return nil
	case status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable && h.Get("Retry-After") != "":
		return &Limited{After: retryHeader(h.Get("Retry-After"), time.Now()), Err: fmt.Errorf("%s: answered %d, wants a pause", name, status)}
	case status == http.StatusRequestTimeout || status >= 500:
		return fmt.Errorf("%s: answered %d", name, status)
	}
	return fmt.Errorf("%s: answered %d: %w", name, status, ErrRefused)
}

// retryHeader reads seconds, with a fraction as Discord has it, or a date.
func retryHeader(text string, now time.Time) time.Duration {
	if s, err := strconv.ParseFloat(text, 64); err == nil && s >= 0 && s < 1e6 {
		return time.Duration(s * float64(time.Second))
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(at.Sub(now), 0)
	}
	return 30 * time.Second
}

// networkFault is an error without the URL that it happened at.
func networkFault(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return err.Error()
}

// hide blots secrets out of a text, also in the form in which a URL carries them.
func hide(text string, secrets []sentinel.Secret) string {
	for _, s := range secrets {
		if v := s.Reveal(); len(v) > 3 {
			text = strings.ReplaceAll(strings.ReplaceAll(text, v, "[secret]"), url.QueryEscape(v), "[secret]")
		}
	}
	return text
}
