package alerts

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// DiscordConfig is a webhook of a Discord channel; its URL is its credential.
type DiscordConfig struct{ URL func() sentinel.Secret }

// Discord posts and edits messages by a webhook.
type Discord struct {
	config DiscordConfig
	client *http.Client
}

// NewDiscord makes a Discord channel.
func NewDiscord(c DiscordConfig, h *http.Client) *Discord { return &Discord{config: c, client: h} }

type discordMessage struct {
	Content         string         `json:"content"`
	Embeds          []discordEmbed `json:"embeds"`
	AllowedMentions struct {
		Parse []string `json:"parse"` // empty, not absent: nobody is mentioned whatever the text says
	} `json:"allowed_mentions"`
}

type discordEmbed struct {
	Title       string `json:"title"`
	Description string `json:"description"`
	Color       int    `json:"color"`
	Footer      struct {
		Text string `json:"text"`
	} `json:"footer"`
}

var discordColors = map[string]int{"info": 0x0969DA, "warning": 0xBF8700, "critical": 0xCF222E}

// Send posts a message or edits the first one. The reference is the message's id.
func (d *Discord) Send(ctx context.Context, o Outgoing) (string, error) {
	var lines []string
	for _, l := range o.Lines {
		lines = append(lines, markdownEscape(o.lineText(l)))
	}
	m := discordMessage{Embeds: []discordEmbed{{
		Title: clip(markdownEscape(headline(o.Message)), 250), Description: clip(strings.Join(lines, "\n"), 4000), Color: discordColors[o.Severity],
	}}}
	m.Embeds[0].Footer.Text = footer(o.Message)
	m.AllowedMentions.Parse = []string{}
	body, err := json.Marshal(m)
	if err != nil {
		return "", err
	}
	to := d.config.URL()
	r := request{name: "discord", url: to.Reveal() + "?wait=true", body: body, secrets: []sentinel.Secret{to}, header: map[string]string{"Content-Type": "application/json"}}
	if o.Kind == sentinel.DeliverEdit {
		r.method, r.url = http.MethodPatch, to.Reveal()+"/messages/"+o.Root
	}
	answer, err := exchange(ctx, d.client, r)
	if err != nil || o.Root != "" {
		return o.Root, err
	}
	var sent struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(answer, &sent) != nil || !snowflake.MatchString(sent.ID) {
		return "", nil //nolint:nilerr // it has arrived; without an id it cannot be edited
	}
	return sent.ID, nil
}

var snowflake = regexp.MustCompile(`^[0-9]{1,20}$`)

// markdownEscape keeps data from being read as Markdown or as a mention.
func markdownEscape(text string) string {
	var b strings.Builder
	for _, r := range text {
		if strings.ContainsRune("\\`*_{}[]()<>#+-.!|~>:@", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
		if r == '@' {
			b.WriteRune('\u200c')
		}
	}
	return b.String()
}

// clip shortens a text to most bytes at a rune's border.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "")
}
