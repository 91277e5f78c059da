package alerts

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// WebhookConfig is a URL that gets alerts as signed JSON.
type WebhookConfig struct {
	URL    func() sentinel.Secret
	Secret func() sentinel.Secret // "whsec_" and base64, as Standard Webhooks writes it; other text is the key itself
}

// Webhook posts the message as JSON with the headers of Standard Webhooks: webhook-id (the same at every try),
// webhook-timestamp and webhook-signature (https://www.standardwebhooks.com).
type Webhook struct {
	config WebhookConfig
	client *http.Client
}

// NewWebhook makes a webhook channel.
func NewWebhook(c WebhookConfig, h *http.Client) *Webhook { return &Webhook{config: c, client: h} }

// Send posts the message.
func (w *Webhook) Send(ctx context.Context, o Outgoing) (string, error) {
	body, err := json.Marshal(struct {
		Type      string    `json:"type"`
		Timestamp time.Time `json:"timestamp"`
		Data      Message   `json:"data"`
	}{"incident." + o.State, o.At.UTC(), o.Message})
	if err != nil {
		return "", err
	}
	at := strconv.FormatInt(time.Now().Unix(), 10)
	key := w.config.Secret()
	to := w.config.URL()
	_, err = exchange(ctx, w.client, request{name: "webhook", url: to.Reveal(), body: body, secrets: []sentinel.Secret{key, to}, header: map[string]string{
		"Content-Type": "application/json", "webhook-id": o.ID, "webhook-timestamp": at,
		"webhook-signature": SignWebhook(key, o.ID, at, body),
	}})
	return o.ID, err
}

// SignWebhook is the version 1 signature of Standard Webhooks: "v1," and base64 of HMAC-SHA256 over id.timestamp.body.
func SignWebhook(secret sentinel.Secret, id, timestamp string, body []byte) string {
	key := []byte(secret.Reveal())
	if text, ok := strings.CutPrefix(secret.Reveal(), "whsec_"); ok {
		if raw, err := base64.StdEncoding.DecodeString(text); err == nil {
			key = raw
		}
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + timestamp + "."))
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
