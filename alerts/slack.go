package alerts

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/slack-go/slack"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// Secret gives a channel's credential as it is now: it may have been rotated since the last message.
type Secret func() (sentinel.Secret, error)

// Slack posts to a channel as a bot.
type Slack struct {
	Channel string // such as #finops, or an id
	Token   Secret
	API     string // of a stand-in; empty is Slack's own
}

// Send posts one message.
func (s Slack) Send(ctx context.Context, d sentinel.Delivery) error {
	token, err := s.Token()
	if err != nil {
		return fmt.Errorf("slack: %w", err)
	}
	var options []slack.Option
	if s.API != "" {
		options = append(options, slack.OptionAPIURL(strings.TrimSuffix(s.API, "/")+"/"))
	}
	_, _, err = slack.New(token.Reveal(), options...).PostMessageContext(ctx, s.Channel,
		slack.MsgOptionText(escapeMrkdwn(line(d.Incident)), false), slack.MsgOptionBlocks(blocks(d.Incident)...),
		slack.MsgOptionDisableLinkUnfurl())
	var limited *slack.RateLimitedError
	if errors.As(err, &limited) {
		return &Later{limited.RetryAfter, errors.New("slack: asks for a pause")}
	}
	if err != nil {
		return fmt.Errorf("slack %s: %w", s.Channel, hide(err, token))
	}
	return nil
}

var marks = map[sentinel.Severity]string{sentinel.Notice: ":information_source:", sentinel.Warning: ":warning:", sentinel.Critical: ":rotating_light:"}

// maxBlock is Slack's own bound of a section, with room for escapes.
const maxBlock = 2500

func blocks(i sentinel.Incident) []slack.Block {
	head := slack.NewTextBlockObject(slack.MarkdownType, marks[i.Severity]+" *"+escapeMrkdwn(cut(i.Title, 300))+"*", false, false)
	out := []slack.Block{slack.NewSectionBlock(head, nil, nil)}
	if i.Text != "" {
		out = append(out, slack.NewSectionBlock(slack.NewTextBlockObject(slack.MarkdownType, escapeMrkdwn(cut(i.Text, maxBlock)), false, false), nil, nil))
	}
	foot := slack.NewTextBlockObject(slack.MarkdownType, escapeMrkdwn(fmt.Sprintf("incident %s · %s · %s", short(i.ID), i.Severity, i.At.UTC().Format("2006-01-02 15:04:05 UTC"))), false, false)
	return append(out, slack.NewContextBlock("", foot))
}

// escapeMrkdwn makes text of any origin plain in Slack's markup: no mention, link or @channel, and no formatting.
func escapeMrkdwn(s string) string {
	return mrkdwn.Replace(s)
}

// A word joiner after the characters that format or mention keeps them what they are.
var mrkdwn = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;",
	"*", "*\u2060", "_", "_\u2060", "~", "~\u2060", "`", "`\u2060", "@", "@\u2060")
