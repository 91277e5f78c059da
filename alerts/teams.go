package alerts

import (
	"context"
	"encoding/json"
	"net/http"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// TeamsConfig is a workflow of a Microsoft Teams channel ("post to a channel when a webhook request is received");
// its URL is its credential.
type TeamsConfig struct{ URL func() sentinel.Secret }

// Teams posts Adaptive Cards.
type Teams struct {
	config TeamsConfig
	client *http.Client
}

// NewTeams makes a Teams channel.
func NewTeams(c TeamsConfig, h *http.Client) *Teams { return &Teams{config: c, client: h} }

// Send posts a card. Its texts are text runs, which Teams shows as they are: a text block would read Markdown.
func (t *Teams) Send(ctx context.Context, o Outgoing) (string, error) {
	type object = map[string]any
	run := func(text string, heavy bool) object {
		inline := object{"type": "TextRun", "text": text}
		if heavy {
			inline["weight"], inline["size"] = "Bolder", "Medium"
		}
		return object{"type": "RichTextBlock", "inlines": []object{inline}}
	}
	card := []object{run(headline(o.Message), true)}
	for _, l := range o.Lines {
		card = append(card, run(o.lineText(l), false))
	}
	card = append(card, run(footer(o.Message), false))
	body, err := json.Marshal(object{"type": "message", "attachments": []object{{
		"contentType": "application/vnd.microsoft.card.adaptive",
		"content":     object{"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4", "body": card},
	}}})
	if err != nil {
		return "", err
	}
	to := t.config.URL()
	_, err = exchange(ctx, t.client, request{name: "teams", url: to.Reveal(), body: body, secrets: []sentinel.Secret{to}, header: map[string]string{"Content-Type": "application/json"}})
	return o.ID, err
}
