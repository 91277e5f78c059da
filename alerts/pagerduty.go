package alerts

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// PagerDutyConfig is a PagerDuty service, by the integration key of its Events API v2.
type PagerDutyConfig struct {
	RoutingKey func() sentinel.Secret
	API        string // base URL; empty: PagerDuty's own
	Source     string // the organisation
}

// PagerDuty triggers, acknowledges and resolves an alert of PagerDuty's for each episode of a group.
type PagerDuty struct {
	config PagerDutyConfig
	client *http.Client
}

// NewPagerDuty makes a PagerDuty channel.
func NewPagerDuty(c PagerDutyConfig, h *http.Client) *PagerDuty {
	if c.API == "" {
		c.API = "https://events.pagerduty.com"
	}
	return &PagerDuty{config: c, client: h}
}

type pagerDutyEvent struct {
	RoutingKey string            `json:"routing_key"`
	Action     string            `json:"event_action"`
	DedupKey   string            `json:"dedup_key"`
	Payload    *pagerDutyPayload `json:"payload,omitempty"`
}

type pagerDutyPayload struct {
	Summary  string         `json:"summary"`
	Source   string         `json:"source"`
	Severity string         `json:"severity"`
	Group    string         `json:"group"`
	Class    string         `json:"class"`
	Details  map[string]any `json:"custom_details"`
}

// Send sends one event. The reference is the alert's deduplication key: a repeated trigger makes no second alert.
func (p *PagerDuty) Send(ctx context.Context, o Outgoing) (string, error) {
	key := p.config.RoutingKey()
	dedup := o.Root
	if dedup == "" {
		dedup = o.ID
	}
	e := pagerDutyEvent{RoutingKey: key.Reveal(), DedupKey: dedup, Action: "trigger"}
	switch o.State {
	case sentinel.IncidentResolved.String():
		e.Action = "resolve"
	case sentinel.IncidentAcknowledged.String(), sentinel.IncidentSnoozed.String():
		e.Action = "acknowledge"
	default:
		var lines []string
		for _, l := range o.Lines {
			lines = append(lines, o.lineText(l))
		}
		e.Payload = &pagerDutyPayload{
			Summary: Plain(headline(o.Message), 1024), Source: p.config.Source, Severity: o.Severity, Group: o.Group, Class: o.Rule,
			Details: map[string]any{"incidents": lines, "more": o.More, "delivery": o.ID},
		}
	}
	body, err := json.Marshal(e)
	if err != nil {
		return "", err
	}
	_, err = exchange(ctx, p.client, request{
		name: "pagerduty", url: strings.TrimSuffix(p.config.API, "/") + "/v2/enqueue", body: body, secrets: []sentinel.Secret{key},
		header: map[string]string{"Content-Type": "application/json"},
	})
	return dedup, err
}
