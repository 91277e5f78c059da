package alerts

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// SocketConfig is a Slack app that is listened to by a connection that the gateway opens (Socket Mode): nothing of Slack's has to
// reach the gateway.
type SocketConfig struct {
	Token func() sentinel.Secret // app-level token, read at each connection so that a rotated one is used
	API   string                 // base URL; empty: Slack's own
}

// socketRetry is the pause after a connection that Slack refused.
const socketRetry = 10 * time.Second

// Socket takes what people press in Slack over a connection, until ctx ends. Slack knows the gateway by its token, and TLS says that it
// is Slack; what is late or seen before does nothing, as over HTTP.
func (c *Callbacks) Socket(ctx context.Context, config SocketConfig) {
	for ctx.Err() == nil {
		token := config.Token()
		if err := c.connect(ctx, token, config.API); ctx.Err() == nil {
			c.Log.Warn().Err(slackFault(err, token)).Msg("slack does not take the connection for buttons")
		}
		pause(ctx, socketRetry)
	}
}

// connect holds a connection, also over Slack's own requests to open a new one, until Slack refuses it.
func (c *Callbacks) connect(ctx context.Context, token sentinel.Secret, api string) error {
	options := []slack.Option{slack.OptionHTTPClient(c.Client), slack.OptionAppLevelToken(token.Reveal())}
	if api != "" {
		options = append(options, slack.OptionAPIURL(strings.TrimSuffix(api, "/")+"/"))
	}
	client := socketmode.New(slack.New("", options...), socketmode.OptionReadLimit(maxCallback))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- client.RunContext(ctx) }()
	for {
		select {
		case err := <-ended:
			if err == nil {
				err = errors.New("the connection ended")
			}
			return err
		case e := <-client.Events:
			c.event(ctx, client, e, token)
		}
	}
}

// event takes one event of a connection.
func (c *Callbacks) event(ctx context.Context, client *socketmode.Client, e socketmode.Event, token sentinel.Secret) {
	switch data := e.Data.(type) {
	case *slack.ConnectionErrorEvent:
		c.Log.Warn().Err(slackFault(data.ErrorObj, token)).Dur("again_in", data.Backoff).Msg("no connection to slack for buttons")
	case slack.InteractionCallback:
		if c.overSocket(ctx, &data) {
			if err := client.AckCtx(ctx, e.Request.EnvelopeID, nil); err != nil && ctx.Err() == nil {
				c.Log.Warn().Msg("a pressed button was not confirmed to slack")
			}
		}
	}
}

// overSocket does what was pressed, and tells whether Slack may forget it. Where not, Slack tells the member that it failed.
func (c *Callbacks) overSocket(ctx context.Context, press *slack.InteractionCallback) bool {
	if !oneButton(press) {
		return true // of another part of the app
	}
	action := press.ActionCallback.BlockActions[0]
	seconds, _, _ := strings.Cut(action.ActionTs, ".")
	if at, err := strconv.ParseInt(seconds, 10, 64); err != nil || !recent(at, time.Now()) {
		c.Log.Warn().Str("member", press.User.ID).Msg("a button pressed over five minutes ago was not taken")
		c.reply(ctx, press.ResponseURL, "That was pressed over five minutes ago, and did nothing: press again.")
		return true
	}
	first, err := c.first(ctx, fmt.Sprint("socket", action.ActionTs, press.User.ID, action.ActionID, action.Value), 2*callbackAge)
	if err != nil {
		return false
	}
	if !first {
		return true
	}
	status, _ := c.pressed(ctx, press)
	return status < http.StatusInternalServerError
}
