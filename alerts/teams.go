package alerts

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// TeamsConfig is a workflow of a Microsoft Teams channel ("post to a channel when a webhook request is received");
// its URL is its credential.
type TeamsConfig struct {
	URL  func() sentinel.Secret
	Dark bool // charts are
}

// maxCard bounds a card: Teams takes messages of 28 KB.
const maxCard = 27 << 10

// Teams posts Adaptive Cards.
type Teams struct {
	config TeamsConfig
	client *http.Client
}

// NewTeams makes a Teams channel.
func NewTeams(c TeamsConfig, h *http.Client) *Teams { return &Teams{config: c, client: h} }

// Send posts a card. Its texts are text runs, which Teams shows as they are: a text block would read Markdown.
func (t *Teams) Send(ctx context.Context, o Outgoing) (string, error) {
	png, undrawn := o.picture(ctx, Picture{Dark: t.config.Dark, Small: true})
	body, err := card(o.Message, png)
	if err == nil && len(body) > maxCard && png != nil {
		undrawn = errors.New("the chart is too large for a card")
		body, err = card(o.Message, nil)
	}
	if err != nil {
		return "", err
	}
	to := t.config.URL()
	_, err = exchange(ctx, t.client, request{name: "teams", url: to.Reveal(), body: body, secrets: []sentinel.Secret{to}, header: map[string]string{"Content-Type": "application/json"}})
	if err != nil {
		return "", err
	}
	return o.ID, partly(undrawn)
}

// card writes an Adaptive Card. The picture is a part of it: a workflow has no place for files.
func card(m Message, png []byte) ([]byte, error) {
	type object = map[string]any
	run := func(text string, heavy bool) object {
		inline := object{"type": "TextRun", "text": text}
		if heavy {
			inline["weight"], inline["size"] = "Bolder", "Medium"
		}
		return object{"type": "RichTextBlock", "inlines": []object{inline}}
	}
	list := []object{run(headline(m), true)}
	for _, l := range m.Lines {
		list = append(list, run(m.lineText(l), false))
	}
	if png != nil {
		list = append(list, object{"type": "Image", "url": "data:image/png;base64," + base64.StdEncoding.EncodeToString(png), "altText": "Spend over time"})
	}
	list = append(list, run(footer(m), false))
	return json.Marshal(object{"type": "message", "attachments": []object{{
		"contentType": "application/vnd.microsoft.card.adaptive",
		"content":     object{"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4", "body": list},
	}}})
}
