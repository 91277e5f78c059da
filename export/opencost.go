package export

import (
	"encoding/json"
	"io"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// CustomCosts is what a plugin of OpenCost answers for one window, in protobuf's JSON. Source of the names:
// github.com/opencost/opencost, protos/customcost/messages.proto, message CustomCostResponse, read on 2026-11-28. Amounts there are
// floats, in dollars: OpenCost shows them, the ledger has them exactly.
type CustomCosts struct {
	Metadata   map[string]string `json:"metadata"`
	CostSource string            `json:"costSource"`
	Domain     string            `json:"domain"`
	Version    string            `json:"version"`
	Currency   string            `json:"currency"`
	Start      time.Time         `json:"start"`
	End        time.Time         `json:"end"`
	Costs      []CustomCost      `json:"costs"`
}

// CustomCost is message CustomCost.
type CustomCost struct {
	ID             string             `json:"id"`
	AccountName    string             `json:"accountName"`
	ChargeCategory string             `json:"chargeCategory"`
	Description    string             `json:"description"`
	ResourceName   string             `json:"resourceName"`
	ResourceType   string             `json:"resourceType"`
	ProviderID     string             `json:"providerId"`
	BilledCost     float64            `json:"billedCost"`
	ListCost       float64            `json:"listCost"`
	UsageQuantity  float64            `json:"usageQuantity"`
	UsageUnit      string             `json:"usageUnit"`
	Labels         map[string]string  `json:"labels"`
	Extended       extendedCustomCost `json:"extendedAttributes"`
}

// extendedCustomCost is message CustomCostExtendedAttributes, as far as the ledger knows it.
type extendedCustomCost struct {
	BillingPeriodStart time.Time `json:"billingPeriodStart"`
	BillingPeriodEnd   time.Time `json:"billingPeriodEnd"`
	AccountID          string    `json:"accountId"`
	ChargeFrequency    string    `json:"chargeFrequency"`
	EffectiveCost      float64   `json:"effectiveCost"`
	InvoiceIssuer      string    `json:"invoiceIssuer"`
	Provider           string    `json:"provider"`
	Publisher          string    `json:"publisher"`
	ServiceCategory    string    `json:"serviceCategory"`
	ServiceName        string    `json:"serviceName"`
	SkuID              *string   `json:"skuId,omitempty"`
	SubAccountID       *string   `json:"subAccountId,omitempty"`
	SubAccountName     *string   `json:"subAccountName,omitempty"`
	PricingQuantity    *int64    `json:"pricingQuantity,omitempty"`
	PricingUnit        *string   `json:"pricingUnit,omitempty"`
	PricingCategory    *string   `json:"pricingCategory,omitempty"`
}

// openCost writes one answer a window; charges come in the order of time.
type openCost struct {
	to   io.Writer
	now  CustomCosts
	next string // what stands before the next window
}

// NewOpenCost writes charges as an array of the answers that a plugin of OpenCost gives, one a day or hour.
func NewOpenCost(w io.Writer) (Writer, error) { return &openCost{to: w, next: "["}, nil }

func (o *openCost) Write(c sentinel.Charge) error {
	if !c.Start.Equal(o.now.Start) && len(o.now.Costs) > 0 {
		if err := o.flush(); err != nil {
			return err
		}
	}
	if len(o.now.Costs) == 0 {
		o.now = CustomCosts{Metadata: map[string]string{"source": "ledger"}, CostSource: "third-party APIs", Domain: "saas-sentinel", Version: "v1",
			Currency: "USD", Start: c.Start.UTC(), End: c.End.UTC()}
	}
	o.now.Costs = append(o.now.Costs, customCost(c))
	return nil
}

// customCost says of a charge what FOCUS says of it.
func customCost(c sentinel.Charge) CustomCost {
	const dollar = float64(sentinel.USD)
	r := FOCUS(c)
	labels := map[string]string{"team": c.Caller.Team, "service": c.Caller.Service}
	return CustomCost{
		ID: c.Start.UTC().Format(time.RFC3339) + "/" + c.Caller.Team + "/" + c.Caller.Service + "/" + sku(c), AccountName: r.BillingAccountID,
		ChargeCategory: r.ChargeCategory, Description: describe(c), ResourceName: text(c.Model), ResourceType: text(c.Endpoint), ProviderID: sku(c),
		BilledCost: float64(r.BilledCost) / dollar, ListCost: float64(r.ListCost) / dollar, UsageQuantity: float64(*r.ConsumedQuantity), UsageUnit: *r.ConsumedUnit,
		Labels: labels,
		Extended: extendedCustomCost{
			BillingPeriodStart: r.BillingPeriodStart, BillingPeriodEnd: r.BillingPeriodEnd, AccountID: r.BillingAccountID, ChargeFrequency: r.ChargeFrequency,
			EffectiveCost: float64(r.EffectiveCost) / dollar, InvoiceIssuer: r.InvoiceIssuerName, Provider: r.ProviderName, Publisher: r.PublisherName,
			ServiceCategory: r.ServiceCategory, ServiceName: r.ServiceName, SkuID: r.SkuID, SubAccountID: r.SubAccountID, SubAccountName: r.SubAccountName,
			PricingQuantity: r.PricingQuantity, PricingUnit: r.PricingUnit, PricingCategory: r.PricingCategory,
		},
	}
}

// flush writes the window.
func (o *openCost) flush() error {
	if _, err := io.WriteString(o.to, o.next+"\n"); err != nil {
		return err
	}
	o.next = ","
	text, err := json.Marshal(o.now)
	if err != nil {
		return err
	}
	o.now.Costs = nil
	_, err = o.to.Write(text)
	return err
}

func (o *openCost) Close() error {
	if len(o.now.Costs) > 0 {
		if err := o.flush(); err != nil {
			return err
		}
	}
	end := "\n]\n"
	if o.next == "[" {
		end = "[]\n"
	}
	_, err := io.WriteString(o.to, end)
	return err
}
