package export

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"maps"
	"math/big"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// rule is what FOCUS 1.2 says about a column: feature level, data type, nulls, allowed values. Source: the column definitions of
// github.com/FinOps-Open-Cost-and-Usage-Spec/FOCUS_Spec, tag v1.2, specification/columns/*.md, "Content Constraints" and
// "Normative" parts, read on 2026-11-24.
type rule struct {
	mandatory bool
	kind      string // Decimal, String, Date/Time, JSON
	null      bool
	allowed   []string
}

var categories = []string{"AI and Machine Learning", "Analytics", "Business Applications", "Compute", "Databases", "Developer Tools", "Multicloud",
	"Identity", "Integration", "Internet of Things", "Management and Governance", "Media", "Migration", "Mobile", "Networking", "Security",
	"Storage", "Web", "Other"}

var specification = map[string]rule{
	"BilledCost":         {true, "Decimal", false, nil},
	"BillingAccountId":   {true, "String", false, nil},
	"BillingAccountName": {true, "String", true, nil},
	"BillingCurrency":    {true, "String", false, []string{"USD"}}, // ISO 4217; ours is the dollar
	"BillingPeriodEnd":   {true, "Date/Time", false, nil},
	"BillingPeriodStart": {true, "Date/Time", false, nil},
	"ChargeCategory":     {true, "String", false, []string{"Usage", "Purchase", "Tax", "Credit", "Adjustment"}},
	"ChargeClass":        {true, "String", true, []string{"Correction"}},
	"ChargeDescription":  {true, "String", true, nil},
	"ChargePeriodEnd":    {true, "Date/Time", false, nil},
	"ChargePeriodStart":  {true, "Date/Time", false, nil},
	"ContractedCost":     {true, "Decimal", false, nil},
	"EffectiveCost":      {true, "Decimal", false, nil},
	"InvoiceIssuerName":  {true, "String", false, nil},
	"ListCost":           {true, "Decimal", false, nil},
	"PricingQuantity":    {true, "Decimal", true, nil},
	"PricingUnit":        {true, "String", true, nil},
	"ProviderName":       {true, "String", false, nil},
	"PublisherName":      {true, "String", false, nil},
	"ServiceCategory":    {true, "String", false, categories},
	"ServiceName":        {true, "String", false, nil},
	"ChargeFrequency":    {false, "String", false, []string{"One-Time", "Recurring", "Usage-Based"}},
	"ServiceSubcategory": {false, "String", false, []string{"Generative AI", "Messaging", "Other (Business Applications)", "Other (Web)", "Other (Storage)", "Other (Other)"}},
	"ConsumedQuantity":   {false, "Decimal", true, nil},
	"ConsumedUnit":       {false, "String", true, nil},
	"PricingCategory":    {false, "String", true, []string{"Standard", "Dynamic", "Committed", "Other"}},
	"SkuId":              {false, "String", true, nil},
	"SkuMeter":           {false, "String", true, nil},
	"SubAccountId":       {false, "String", true, nil},
	"SubAccountName":     {false, "String", true, nil},
	"Tags":               {false, "JSON", true, nil},
}

var formats = map[string]*regexp.Regexp{
	"Decimal":   regexp.MustCompile(`^-?\d+(\.\d+)?$`), // attributes/numeric_format.md: no sign for positives, no separators
	"Date/Time": regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$`),
	"String":    regexp.MustCompile(`(?s)\S`), // attributes/null_handling.md: no empty text instead of null
}

// charges are of every kind: known and unknown providers, empty names, credits, amounts at the edges.
func charges() (list []sentinel.Charge) {
	at := time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)
	add := func(provider, model string, cost sentinel.NanoUSD, u sentinel.Usage) {
		list = append(list, sentinel.Charge{Start: at, End: at.AddDate(0, 0, 1), Caller: sentinel.Caller{Org: "acme", Team: "growth", Service: "summariser"},
			Provider: provider, Endpoint: "chat.completions", Model: model, Calls: 3, Estimated: 1, Usage: u, Cost: cost})
		at = at.AddDate(0, 0, 1)
	}
	add("openai", "gpt-5-mini", 37, sentinel.Usage{sentinel.Requests: 3, sentinel.InputTokens: 100, sentinel.OutputTokens: 7})
	add("stripe", "", 290_000_001, sentinel.Usage{sentinel.Requests: 3})
	add("weather", "", 0, sentinel.Usage{sentinel.Requests: 3})
	add("own-llm", "=HYPERLINK(\"x\")", 1<<62, sentinel.Usage{sentinel.OutputTokens: 9})
	add("twilio", "", -1, sentinel.Usage{sentinel.Messages: 3})
	for _, provider := range slices.Sorted(maps.Keys(known)) {
		add(provider, "m", 5, sentinel.Usage{})
	}
	list = append(list, sentinel.Charge{Start: at, End: at.Add(time.Hour), Calls: 1})
	return list
}

func written(t *testing.T, w Writer) {
	t.Helper()
	for _, c := range charges() {
		if err := w.Write(c); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// focusCSV gives the columns and the rows, by column.
func focusCSV(t *testing.T) (columns []string, rows []map[string]string) {
	t.Helper()
	var b bytes.Buffer
	w, err := NewFOCUSCSV(&b)
	if err != nil {
		t.Fatal(err)
	}
	written(t, w)
	lines, err := csv.NewReader(&b).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range lines[1:] {
		row := map[string]string{}
		for i, name := range lines[0] {
			row[name] = line[i]
		}
		rows = append(rows, row)
	}
	return lines[0], rows
}

func TestFOCUSColumnsTypesNullsAndValues(t *testing.T) {
	columns, rows := focusCSV(t)
	mandatory := 0
	for name, r := range specification {
		if !slices.Contains(columns, name) {
			t.Errorf("column %s is missing", name)
			continue
		}
		if r.mandatory {
			mandatory++
		}
		for i, row := range rows {
			if fault := r.fault(row[name]); fault != "" {
				t.Errorf("row %d: %s is %q: %s", i, name, row[name], fault)
			}
		}
	}
	if mandatory != 21 {
		t.Errorf("%d mandatory columns, FOCUS 1.2 has 21", mandatory)
	}
	for _, name := range columns {
		if _, ok := specification[name]; !ok && name[:2] != "x_" {
			t.Errorf("column %s is neither of the specification nor named x_", name)
		}
	}
}

func (r rule) fault(cell string) string {
	if cell == "" {
		if !r.null {
			return "null is not allowed"
		}
		return ""
	}
	if f := formats[r.kind]; f != nil && !f.MatchString(cell) {
		return "it is not a " + r.kind
	}
	if r.kind == "JSON" { // attributes/key_value_format.md: a flat object
		var m map[string]string
		if err := json.Unmarshal([]byte(cell), &m); err != nil {
			return err.Error()
		}
	}
	if r.allowed != nil && !slices.Contains(r.allowed, cell) {
		return "it is not an allowed value"
	}
	return ""
}

// The specification's rules between columns.
func TestFOCUSColumnsAgree(t *testing.T) {
	_, rows := focusCSV(t)
	for i, row := range rows {
		for name, ok := range map[string]bool{
			"ChargeClass is null for what is no correction":      row["ChargeClass"] == "",
			"PricingQuantity is set for usage":                   row["PricingQuantity"] != "",
			"PricingUnit is null with PricingQuantity":           (row["PricingUnit"] == "") == (row["PricingQuantity"] == ""),
			"ConsumedQuantity is set for usage":                  row["ConsumedQuantity"] != "",
			"ConsumedUnit is null with ConsumedQuantity":         (row["ConsumedUnit"] == "") == (row["ConsumedQuantity"] == ""),
			"PricingCategory is set for usage":                   row["PricingCategory"] != "",
			"SkuId is set for usage":                             row["SkuId"] != "",
			"SkuMeter is null with SkuId":                        row["SkuId"] != "" || row["SkuMeter"] == "",
			"the charge period lies in the billing period":       row["ChargePeriodStart"] >= row["BillingPeriodStart"] && row["ChargePeriodEnd"] <= row["BillingPeriodEnd"],
			"the charge period is not empty":                     row["ChargePeriodStart"] < row["ChargePeriodEnd"],
			"a charge unrelated to others costs what was billed": row["ContractedCost"] == row["BilledCost"],
		} {
			if !ok {
				t.Errorf("row %d: not so: %s: %v", i, name, row)
			}
		}
	}
}

func TestFOCUSTotalsEqualTheLedgerToTheNanoDollar(t *testing.T) {
	want := new(big.Rat)
	for _, c := range charges() {
		want.Add(want, big.NewRat(int64(c.Cost), int64(sentinel.USD)))
	}
	_, rows := focusCSV(t)
	for _, column := range []string{"BilledCost", "EffectiveCost", "ListCost", "ContractedCost"} {
		got := new(big.Rat)
		for _, row := range rows {
			n, ok := new(big.Rat).SetString(row[column])
			if !ok {
				t.Fatalf("%s is %q", column, row[column])
			}
			got.Add(got, n)
		}
		if got.Cmp(want) != 0 {
			t.Errorf("the sum of %s is %s, want %s", column, got.FloatString(9), want.FloatString(9))
		}
	}
}

func TestParquetHoldsTheSameRows(t *testing.T) {
	var b bytes.Buffer
	w, err := NewFOCUSParquet(&b)
	if err != nil {
		t.Fatal(err)
	}
	written(t, w)
	got, err := parquet.Read[FOCUSRow](bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	var want []FOCUSRow
	for _, c := range charges() {
		want = append(want, FOCUS(c))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	f, err := parquet.OpenFile(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range f.Schema().Fields() {
		r, ok := specification[field.Name()]
		if !ok {
			continue
		}
		if field.Optional() && !r.null {
			t.Errorf("%s is nullable", field.Name())
		}
		wantType := map[string]string{"Decimal": "DECIMAL(18,9)", "String": "STRING", "Date/Time": "TIMESTAMP(isAdjustedToUTC=true,unit=MILLIS)", "JSON": "STRING"}[r.kind]
		if field.Type().String() != wantType && (r.kind != "Decimal" || field.Type().String() != "INT64" && field.Type().String() != "INT(64,true)") {
			t.Errorf("%s is %s, want %s", field.Name(), field.Type(), wantType)
		}
	}
}
