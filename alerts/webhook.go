package alerts

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Webhook posts JSON, signed as Standard Webhooks 1.0 has it: webhook-id is the incident's (a repeated
// message has the same), and webhook-signature is "v1," + base64(HMAC-SHA256(secret, id.timestamp.body)).
type Webhook struct {
	URL    string
	Secret Secret // "whsec_" + base64, or any text
	Client *http.Client
}

type webhookBody struct {
	Type      string      `json:"type"`
	Timestamp time.Time   `json:"timestamp"`
	Data      webhookData `json:"data"`
}

type webhookData struct {
	Incident string    `json:"incident"`
	Rule     string    `json:"rule"`
	Scope    string    `json:"scope"`
	Window   string    `json:"window,omitempty"`
	Severity string    `json:"severity"`
	State    string    `json:"state"`
	Title    string    `json:"title"`
	Text     string    `json:"text,omitempty"`
	Opened   time.Time `json:"opened"`
	Count    int64     `json:"count"`
}

// Send posts one message.
func (w Webhook) Send(ctx context.Context, d sentinel.Delivery) error {
	secret, err := w.Secret()
	if err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	i := d.Incident
	now := time.Now().UTC()
	body, err := json.Marshal(webhookBody{"incident." + i.State.String(), now, webhookData{
		i.ID, i.Rule, i.Scope, i.Window, i.Severity.String(), i.State.String(), i.Title, i.Text, i.At, i.Count,
	}})
	if err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	rq, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	stamp := strconv.FormatInt(now.Unix(), 10)
	rq.Header.Set("Content-Type", "application/json")
	rq.Header.Set("webhook-id", i.ID)
	rq.Header.Set("webhook-timestamp", stamp)
	rq.Header.Set("webhook-signature", "v1,"+sign(secret.Reveal(), i.ID+"."+stamp+"."+string(body)))
	return post(w.Client, rq, "webhook", secret)
}

// sign gives the signature of Standard Webhooks.
func sign(secret, text string) string {
	key := []byte(secret)
	if b, ok := strings.CutPrefix(secret, "whsec_"); ok {
		if decoded, err := base64.StdEncoding.DecodeString(b); err == nil {
			key = decoded
		}
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 4 << 10

// post sends a request and judges its answer: 2xx is delivered, 429 and 503 say when to come again.
func post(client *http.Client, rq *http.Request, who string, secret sentinel.Secret) error {
	rs, err := client.Do(rq)
	if err != nil {
		return fmt.Errorf("%s: %w", who, hide(err, secret))
	}
	defer rs.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(rs.Body, maxAnswer)) // only for the error's text
	if rs.StatusCode/100 == 2 {
		return nil
	}
	err = hide(fmt.Errorf("%s answered %d: %s", who, rs.StatusCode, bytes.TrimSpace(answer)), secret)
	if s, convErr := strconv.Atoi(rs.Header.Get("Retry-After")); convErr == nil && s >= 0 && s <= 86400 {
		return &Later{time.Duration(s) * time.Second, err}
	}
	return err
}
