package alerts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/slack-go/slack"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// SlackConfig is a Slack channel that a bot writes to.
type SlackConfig struct {
	Channel string                 // "#finops" or an id
	Token   func() sentinel.Secret // bot token, read at each send so that a rotated one is used
	API     string                 // base URL; empty: Slack's own
	Buttons bool                   // callbacks reach this gateway
	Dark    bool                   // charts are
}

// Slack posts a group's first message, edits it as the state changes, and puts the rest into its thread.
type Slack struct {
	config SlackConfig
	client *http.Client
}

// NewSlack makes a Slack channel.
func NewSlack(c SlackConfig, h *http.Client) *Slack { return &Slack{config: c, client: h} }

// Send posts, answers in the thread or edits. The reference is the conversation's id and the message's timestamp.
func (s *Slack) Send(ctx context.Context, o Outgoing) (string, error) {
	options := []slack.Option{slack.OptionHTTPClient(s.client)}
	if s.config.API != "" {
		options = append(options, slack.OptionAPIURL(strings.TrimSuffix(s.config.API, "/")+"/"))
	}
	token := s.config.Token()
	api := slack.New(token.Reveal(), options...)
	conversation, ts, rooted := strings.Cut(o.Root, "|")
	message := []slack.MsgOption{
		slack.MsgOptionText(slackEscape(headline(o.Message)), false),
		slack.MsgOptionBlocks(s.blocks(o.Message)...),
		slack.MsgOptionDisableLinkUnfurl(), slack.MsgOptionDisableMediaUnfurl(), slack.MsgOptionParse(false),
		slack.MsgOptionMetadata(slack.SlackMetadata{EventType: "sentinel_alert", EventPayload: map[string]any{"id": o.ID, "group": o.Group}}),
	}
	var err error
	switch {
	case o.Kind == sentinel.DeliverEdit:
		_, _, _, err = api.UpdateMessageContext(ctx, conversation, ts, message...)
		return o.Root, slackFault(err, token)
	case rooted:
		_, _, err = api.PostMessageContext(ctx, conversation, append(message, slack.MsgOptionTS(ts))...)
		return o.Root, slackFault(err, token)
	}
	conversation, ts, err = api.PostMessageContext(ctx, s.config.Channel, message...)
	if err != nil {
		return "", slackFault(err, token)
	}
	if err = s.upload(ctx, api, conversation, ts, o); err != nil {
		err = partly(fmt.Errorf("the chart is not there: %w", slackFault(err, token)))
	}
	return conversation + "|" + ts, err
}

// upload puts the chart into the thread. The message has arrived: a picture that does not is no reason to send it again.
func (s *Slack) upload(ctx context.Context, api *slack.Client, conversation, ts string, o Outgoing) error {
	png, err := o.picture(ctx, Picture{Dark: s.config.Dark})
	if err != nil || png == nil {
		return err
	}
	_, err = api.UploadFileContext(ctx, slack.UploadFileParameters{
		Filename: o.ID + ".png", Title: Plain(o.Title, 80), AltTxt: "Spend over time: " + Plain(o.Title, 80),
		Reader: bytes.NewReader(png), FileSize: len(png), Channel: conversation, ThreadTimestamp: ts,
	})
	return err
}

// blocks writes the message in Block Kit. Every text from outside is plain text.
func (s *Slack) blocks(m Message) []slack.Block {
	list := []slack.Block{slack.NewHeaderBlock(slackText(headline(m), 150))}
	for _, l := range m.Lines {
		list = append(list, slack.NewSectionBlock(slackText(m.lineText(l), 2000), nil, nil))
	}
	if m.More > 0 {
		list = append(list, slack.NewSectionBlock(slackText(fmt.Sprintf("and %d more", m.More), 100), nil, nil))
	}
	if buttons := s.buttons(m); len(buttons) > 0 {
		list = append(list, slack.NewActionBlock("sentinel", buttons...))
	}
	return append(list, slack.NewContextBlock("", slackText(footer(m), 300)))
}

// buttons are those that a message's state allows. What an anomaly was, people often know only when they have it in hand, or after its end.
func (s *Slack) buttons(m Message) (list []slack.BlockElement) {
	if !s.config.Buttons || m.Test || m.Note {
		return nil
	}
	value := m.Group
	button := func(a Act, label string) *slack.ButtonBlockElement {
		return slack.NewButtonBlockElement(string(a), value, slackText(label, 75))
	}
	waits, anomaly := m.State == sentinel.IncidentOpen.String() || m.State == sentinel.IncidentSnoozed.String(), strings.HasSuffix(m.Scope, "/any")
	if m.State == sentinel.IncidentResolved.String() {
		value += afterEnd
	}
	if waits {
		list = append(list, button(Acknowledge, "Acknowledge").WithStyle(slack.StylePrimary), button(Snooze, "Snooze 1 h"))
	}
	if waits || anomaly {
		list = append(list, button(Plan, "Mark as planned"))
	}
	if waits && m.Budget {
		raise := slack.NewButtonBlockElement(string(Raise), m.Group+raiseOf+m.Scope, slackText("Raise the budget by 20 %", 75))
		list = append(list, raise.WithConfirm(slack.NewConfirmationBlockObject(slackText("Raise the budget?", 100),
			slackText("It gets 20 % more until its window ends. Who may: alerts.people of the policy.", 300), slackText("Raise", 30), slackText("Cancel", 30))))
	}
	if anomaly { // what people say changes what counts as one
		list = append(list, button(Confirm, "It is abuse"), button(Dismiss, "False alarm"))
	}
	return list
}

// slackText is plain text, which Slack does not interpret, of at most so many bytes.
func slackText(text string, most int) *slack.TextBlockObject {
	return slack.NewTextBlockObject(slack.PlainTextType, Plain(text, most), false, false)
}

// afterEnd follows the group in a button of a message that tells of the end: an incident that opened since is not meant.
const afterEnd = "\nended"

// raiseOf parts a group from the budget in a button's value; neither has a line break.
const raiseOf = "\n"

// headline is the first line: severity, state and title.
func headline(m Message) string {
	text := fmt.Sprintf("[%s] %s: %s", m.Severity, m.State, m.Title)
	if m.Note {
		text = m.Title
	}
	if m.Test {
		text = "TEST " + text
	}
	if m.Kind == sentinel.DeliverPage {
		text = "ESCALATED " + text
	}
	return Plain(text, 200)
}

func (m Message) lineText(l Line) string {
	text := fmt.Sprintf("%s · %s · %s", l.Severity, l.State, l.Title)
	if m.Note {
		text = l.Title
	}
	if l.Detail != "" {
		text += " — " + l.Detail
	}
	if l.Flaps > 0 {
		text += fmt.Sprintf(" (came back %d times)", l.Flaps)
	}
	return text
}

// footer has the id that is the same however often the message is sent.
func footer(m Message) string {
	text := "rule " + m.Rule + " · " + m.At.UTC().Format("2006-01-02 15:04:05 UTC") + " · " + m.ID
	if m.By != "" {
		text = m.State + " by " + m.By + " · " + text
	}
	return Plain(text, 300)
}

// slackEscape keeps data from being read as a mention or a link, as Slack's documentation asks. An @ before a word is
// parted from it by a zero-width non-joiner.
func slackEscape(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "@", "@\u200c", "*", "∗", "_", "＿", "`", "ʼ", "~", "∼").Replace(text)
}

// slackFault says what to do after an error of Slack, without what Slack or the network may have quoted.
func slackFault(err error, token sentinel.Secret) error {
	if err == nil {
		return nil
	}
	if limited, ok := errors.AsType[*slack.RateLimitedError](err); ok {
		return &Limited{After: limited.RetryAfter, Err: errors.New("slack: answered 429, wants a pause")}
	}
	if status, ok := errors.AsType[slack.StatusCodeError](err); ok {
		return judge("slack", status.Code, http.Header{})
	}
	if answer, ok := errors.AsType[slack.SlackErrorResponse](err); ok {
		word := hide(Plain(answer.Err, 60), []sentinel.Secret{token})
		switch answer.Err {
		case "ratelimited", "internal_error", "fatal_error", "service_unavailable", "request_timeout":
			return fmt.Errorf("slack: %s", word)
		}
		return fmt.Errorf("slack: %s: %w", word, ErrRefused)
	}
	return fmt.Errorf("slack: %s", hide(Plain(networkFault(err), 200), []sentinel.Secret{token}))
}
