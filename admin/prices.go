package admin

import (
	"context"
	"net/http"
	"strconv"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/pricing"
)

// Prices are those by which calls are priced now, contracts among them.
type Prices interface {
	PriceList() *pricing.Catalog
}

// Price is what a model or an endpoint costs at a time.
type Price struct {
	Provider string      `json:"provider" doc:"The catalog's name of it; contract/NAME for what the policy's provider NAME agreed."`
	Model    string      `json:"model,omitempty"`
	Endpoint string      `json:"endpoint,omitempty" doc:"Of what has no models."`
	Region   string      `json:"region,omitempty" doc:"The provider's region in which it holds; empty for everywhere else."`
	Version  string      `json:"version" doc:"Stored on every entry."`
	Source   string      `json:"source" doc:"Where it was published."`
	Read     string      `json:"read" doc:"The day on which it was read there."`
	Lists    []PriceList `json:"lists" nullable:"false" doc:"The standard list first."`
}

// PriceList is one price list.
type PriceList struct {
	Tier  string            `json:"tier" doc:"Empty for the standard list."`
	From  *time.Time        `json:"from,omitempty" doc:"Since when it holds; left out where it always has."`
	Until *time.Time        `json:"until,omitempty" doc:"It no longer holds from here on; left out where no end is known."`
	Rates map[string]string `json:"rates" doc:"By the unit, in pico-dollars (a millionth of a millionth) for one of it."`
	Steps []PriceStep       `json:"steps" nullable:"false" doc:"Rates of long contexts, the shortest first."`
}

// PriceStep has the rates of calls with more input tokens than Above.
type PriceStep struct {
	Above int64             `json:"above"`
	Rates map[string]string `json:"rates"`
}

// PricePage is a page of prices, by provider and name.
type PricePage struct {
	At     time.Time `json:"at"`
	Prices []Price   `json:"prices" nullable:"false"`
	Next   string    `json:"next" doc:"Cursor of the next page; empty on the last."`
}

func (s *Server) priceRoutes() {
	register(s, operation{id: "list-prices", method: http.MethodGet, path: "/prices", tag: "prices", summary: "What models and endpoints cost, since when, and where that was published", role: sentinel.RoleViewer}, s.prices)
}

func (s *Server) prices(_ context.Context, in *struct {
	Provider string    `query:"provider" maxLength:"100" doc:"The catalog's name of it. Default: all that are published."`
	Name     string    `query:"name" maxLength:"200" doc:"A part of the model's or the endpoint's name."`
	At       time.Time `query:"at" doc:"When the prices hold. Default: now."`
	Cursor   string    `query:"cursor" maxLength:"10"`
	Limit    int       `query:"limit" minimum:"1" maximum:"1000" default:"200"`
}) (*answer[PricePage], error) {
	out := PricePage{At: in.At.UTC(), Prices: []Price{}}
	if in.At.IsZero() {
		out.At = s.Now().UTC()
	}
	first := 0
	if in.Cursor != "" {
		var err error
		if first, err = strconv.Atoi(in.Cursor); err != nil || first < 0 {
			return nil, badCursor()
		}
	}
	list := s.Backend.PriceList().Listing(in.Provider, in.Name, out.At)
	end := min(first+in.Limit, len(list))
	for _, l := range list[min(first, end):end] {
		out.Prices = append(out.Prices, priced(l, out.At))
	}
	if end < len(list) {
		out.Next = strconv.Itoa(end)
	}
	return &answer[PricePage]{out}, nil
}

func priced(l pricing.Listed, at time.Time) Price {
	out := Price{Provider: l.Provider, Model: l.Model, Endpoint: l.Endpoint, Region: l.Region, Version: l.Price.Version, Source: l.Price.Source, Read: l.Price.Read}
	for _, list := range l.Price.Lists(at) {
		one := PriceList{Tier: list.Tier, From: set(list.From), Until: set(list.Until), Rates: rates(list.Rates), Steps: []PriceStep{}}
		for _, step := range list.Steps {
			one.Steps = append(one.Steps, PriceStep{step.Above, rates(step.Rates)})
		}
		out.Lists = append(out.Lists, one)
	}
	return out
}

func rates(r sentinel.Rates) map[string]string {
	out := map[string]string{}
	for u, rate := range r {
		if rate != 0 {
			out[sentinel.Unit(u).String()] = strconv.FormatInt(int64(rate), 10)
		}
	}
	return out
}
