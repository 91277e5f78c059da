package alerts

import (
	"bytes"
	"context"
	"encoding/json"
	"mime/multipart"
	"net/http"
	"regexp"
	"strings"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// DiscordConfig is a webhook of a Discord channel; its URL is its credential.
type DiscordConfig struct {
	URL  func() sentinel.Secret
	Dark bool // charts are
}

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
	Title       string        `json:"title"`
	Description string        `json:"description"`
	Color       int           `json:"color"`
	Image       *discordImage `json:"image,omitempty"`
	Footer      struct {
		Text string `json:"text"`
	} `json:"footer"`
}

type discordImage struct {
	URL string `json:"url"`
}

var discordColors = map[string]int{"info": 0x0969DA, "warning": 0xBF8700, "critical": 0xCF222E}

// Send posts a message or edits the first one. The reference is the message's id, and whether it has a chart.
func (d *Discord) Send(ctx context.Context, o Outgoing) (string, error) {
	root, charted := strings.CutSuffix(o.Root, discordCharted)
	edit := o.Kind == sentinel.DeliverEdit
	png, undrawn := o.picture(ctx, Picture{Dark: d.config.Dark})
	payload, err := discordPayload(o.Message, png != nil || charted && edit)
	if err != nil {
		return "", err
	}
	to := d.config.URL()
	r := request{name: "discord", url: to.Reveal() + "?wait=true", body: payload, secrets: []sentinel.Secret{to}, header: map[string]string{"Content-Type": "application/json"}}
	if png != nil {
		r.body, r.header["Content-Type"] = discordForm(payload, png)
	}
	if edit {
		r.method, r.url = http.MethodPatch, to.Reveal()+"/messages/"+root
	}
	answer, err := exchange(ctx, d.client, r)
	if err != nil || o.Root != "" {
		return o.Root, err
	}
	var sent struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(answer, &sent) != nil || !snowflake.MatchString(sent.ID) {
		return "", partly(undrawn) // it has arrived; without an id it cannot be edited
	}
	if png != nil {
		sent.ID += discordCharted
	}
	return sent.ID, partly(undrawn)
}

// discordCharted ends the reference of a message with a chart: an edit must name the file again, or the message loses it.
const discordCharted = "|chart"

const discordFile = "chart.png"

func discordPayload(m Message, chart bool) ([]byte, error) {
	var lines []string
	for _, l := range m.Lines {
		lines = append(lines, markdownEscape(m.lineText(l)))
	}
	out := discordMessage{Embeds: []discordEmbed{{
		Title: clip(markdownEscape(headline(m)), 250), Description: clip(strings.Join(lines, "\n"), 4000), Color: discordColors[m.Severity],
	}}}
	out.Embeds[0].Footer.Text = footer(m)
	out.AllowedMentions.Parse = []string{}
	if chart {
		out.Embeds[0].Image = &discordImage{URL: "attachment://" + discordFile}
	}
	return json.Marshal(out)
}

// discordForm puts a message and its file into one form.
func discordForm(payload, png []byte) (body []byte, kind string) {
	var out bytes.Buffer
	form := multipart.NewWriter(&out)
	_ = form.WriteField("payload_json", string(payload))
	w, _ := form.CreateFormFile("files[0]", discordFile)
	_, _ = w.Write(png)
	_ = form.Close()
	return out.Bytes(), form.FormDataContentType()
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
