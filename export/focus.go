// Package export writes the ledger for others: FOCUS 1.2 as CSV and Parquet, plain CSV for spreadsheets, and the
// chargeback report of a month. It is pure: charges in, bytes out.
package export

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// FOCUSVersion is the version of the FinOps Open Cost and Usage Specification that Row follows.
const FOCUSVersion = "1.2"

// FOCUSRow is one row of a FOCUS 1.2 cost and usage dataset, in the order of its columns. A nil pointer is null. Amounts are
// in billionths of the billing currency. Columns that begin with x_ are our own, as the specification asks.
//
// A row is one payer's use of one model or endpoint in one period. It is priced by the call, because an entry's cost is
// rounded once over all its units; so there is no unit price, and list, contracted and effective cost are what was booked.
type FOCUSRow struct {
	BilledCost         int64     `parquet:"BilledCost,decimal(9:18)"`
	BillingAccountID   string    `parquet:"BillingAccountId"`
	BillingAccountName *string   `parquet:"BillingAccountName,optional"`
	BillingCurrency    string    `parquet:"BillingCurrency"`
	BillingPeriodEnd   time.Time `parquet:"BillingPeriodEnd,timestamp(millisecond)"`
	BillingPeriodStart time.Time `parquet:"BillingPeriodStart,timestamp(millisecond)"`
	ChargeCategory     string    `parquet:"ChargeCategory"`
	ChargeClass        *string   `parquet:"ChargeClass,optional"`
	ChargeDescription  *string   `parquet:"ChargeDescription,optional"`
	ChargeFrequency    string    `parquet:"ChargeFrequency"`
	ChargePeriodEnd    time.Time `parquet:"ChargePeriodEnd,timestamp(millisecond)"`
	ChargePeriodStart  time.Time `parquet:"ChargePeriodStart,timestamp(millisecond)"`
	ConsumedQuantity   *int64    `parquet:"ConsumedQuantity,optional"`
	ConsumedUnit       *string   `parquet:"ConsumedUnit,optional"`
	ContractedCost     int64     `parquet:"ContractedCost,decimal(9:18)"`
	EffectiveCost      int64     `parquet:"EffectiveCost,decimal(9:18)"`
	InvoiceIssuerName  string    `parquet:"InvoiceIssuerName"`
	ListCost           int64     `parquet:"ListCost,decimal(9:18)"`
	PricingCategory    *string   `parquet:"PricingCategory,optional"`
	PricingQuantity    *int64    `parquet:"PricingQuantity,optional"`
	PricingUnit        *string   `parquet:"PricingUnit,optional"`
	ProviderName       string    `parquet:"ProviderName"`
	PublisherName      string    `parquet:"PublisherName"`
	ServiceCategory    string    `parquet:"ServiceCategory"`
	ServiceName        string    `parquet:"ServiceName"`
	ServiceSubcategory string    `parquet:"ServiceSubcategory"`
	SkuID              *string   `parquet:"SkuId,optional"`
	SkuMeter           *string   `parquet:"SkuMeter,optional"`
	SubAccountID       *string   `parquet:"SubAccountId,optional"`
	SubAccountName     *string   `parquet:"SubAccountName,optional"`
	Tags               *string   `parquet:"Tags,optional"`
	InputTokens        int64     `parquet:"x_InputTokens"`
	OutputTokens       int64     `parquet:"x_OutputTokens"`
	EstimatedCalls     int64     `parquet:"x_EstimatedCalls"`
	DoubtedCalls       int64     `parquet:"x_DoubtedCalls"` // beside whose reports the gateway's own counts stand
	OwnInputTokens     int64     `parquet:"x_OwnInputTokens"`
	OwnOutputTokens    int64     `parquet:"x_OwnOutputTokens"`
}

// FOCUS turns a charge into a row.
func FOCUS(c sentinel.Charge) FOCUSRow {
	month := time.Date(c.Start.Year(), c.Start.Month(), 1, 0, 0, 0, 0, time.UTC)
	s := serviceOf(c)
	cost := int64(c.Cost)
	r := FOCUSRow{
		BilledCost: cost, ContractedCost: cost, EffectiveCost: cost, ListCost: cost, BillingCurrency: "USD",
		BillingAccountID: text(c.Caller.Org), BillingAccountName: filled(c.Caller.Org),
		BillingPeriodStart: month, BillingPeriodEnd: month.AddDate(0, 1, 0), ChargePeriodStart: c.Start.UTC(), ChargePeriodEnd: c.End.UTC(),
		ChargeCategory: "Usage", ChargeDescription: filled(describe(c)), ChargeFrequency: "Usage-Based",
		PricingCategory: filled("Standard"), PricingQuantity: &c.Calls, PricingUnit: filled("Requests"),
		ConsumedQuantity: &c.Calls, ConsumedUnit: filled("Requests"),
		InvoiceIssuerName: s.provider, ProviderName: s.provider, PublisherName: s.provider,
		ServiceCategory: s.category, ServiceSubcategory: s.subcategory, ServiceName: s.name,
		SkuID: filled(sku(c)), SkuMeter: filled(text(c.Endpoint)), SubAccountID: filled(c.Caller.Team), SubAccountName: filled(c.Caller.Team),
		Tags:        tags(c.Caller),
		InputTokens: c.Usage.InputTokenSum(), OutputTokens: c.Usage.OutputTokenSum(), EstimatedCalls: c.Estimated,
		DoubtedCalls: c.Doubted, OwnInputTokens: c.Own.Input, OwnOutputTokens: c.Own.Output,
	}
	if n := c.Usage.TokenSum(); n > 0 {
		r.ConsumedQuantity, r.ConsumedUnit = &n, filled("Tokens")
	}
	return r
}

// filled is null for a text that says nothing: the specification forbids empty strings as a stand-in for null.
func filled(s string) *string {
	if strings.TrimSpace(s) == "" {
		return nil
	}
	return &s
}

// text names what may not be null.
func text(s string) string {
	if strings.TrimSpace(s) == "" {
		return "unknown"
	}
	return s
}

func describe(c sentinel.Charge) string {
	what := text(c.Endpoint)
	if c.Model != "" {
		what += " with " + c.Model
	}
	if c.Tier != "" {
		what += ", " + c.Tier
	}
	return fmt.Sprintf("%d calls of %s by %s", c.Calls, what, text(c.Caller.Service))
}

func sku(c sentinel.Charge) string {
	parts := []string{text(c.Provider)}
	for _, p := range []string{c.Endpoint, c.Model, c.Tier} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	return strings.Join(parts, "/")
}

// tags are a flat JSON object, as the specification's key-value format asks.
func tags(c sentinel.Caller) *string {
	m := map[string]string{}
	for k, v := range map[string]string{"team": c.Team, "service": c.Service} {
		if v != "" {
			m[k] = v
		}
	}
	if len(m) == 0 {
		return nil
	}
	b, _ := json.Marshal(m) // strings always marshal
	return filled(string(b))
}

// decimal is an amount in dollars as a plain number.
func decimal(n int64) string {
	sign, u := "", uint64(n)
	if n < 0 {
		sign, u = "-", -u
	}
	whole, part := strconv.FormatUint(u/uint64(sentinel.USD), 10), fmt.Sprintf("%09d", u%uint64(sentinel.USD))
	if part = strings.TrimRight(part, "0"); part == "" {
		return sign + whole
	}
	return sign + whole + "." + part
}
