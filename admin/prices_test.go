package admin_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/saas-sentinel/saas-sentinel/admin"
	"github.com/saas-sentinel/saas-sentinel/pricing"
)

type listed struct {
	accounts
	catalog *pricing.Catalog
}

func (l listed) PriceList() *pricing.Catalog { return l.catalog }

func TestPricesHaveTheirDatesAndSources(t *testing.T) {
	catalog, err := pricing.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	h := admin.New(admin.Options{Backend: listed{catalog: catalog}, Log: zerolog.Nop(), Now: func() time.Time { return noon }}).Handler()
	get := func(query string) (page admin.PricePage, code int) {
		w := ask(h, "GET", "/api/v1/prices"+query, viewer, "")
		if w.Code == http.StatusOK {
			if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil {
				t.Fatal(err)
			}
		}
		return page, w.Code
	}
	page, _ := get("?provider=openai&name=gpt-5-mini")
	if len(page.Prices) == 0 || page.Next != "" || !page.At.Equal(noon) {
		t.Fatalf("prices %+v", page)
	}
	for _, p := range page.Prices {
		if p.Provider != "openai" || !strings.Contains(p.Model+p.Endpoint, "gpt-5-mini") || p.Version == "" || !strings.HasPrefix(p.Source, "https://") || len(p.Read) != len(time.DateOnly) || len(p.Lists) == 0 || p.Lists[0].Tier != "" {
			t.Errorf("price %+v", p)
		}
	}
	all, seen := len(catalog.Listing("", "", noon)), 0
	for cursor := ""; ; {
		page, code := get("?limit=1000&cursor=" + cursor)
		if seen += len(page.Prices); code != http.StatusOK || page.Next == "" {
			break
		}
		cursor = page.Next
	}
	if seen != all || seen < 100 {
		t.Errorf("pages have %d prices, the catalog has %d", seen, all)
	}
	if page, _ := get("?provider=nobody"); len(page.Prices) != 0 {
		t.Errorf("nobody's prices are %+v", page.Prices)
	}
	for _, query := range []string{"?cursor=x", "?cursor=-1"} {
		if _, code := get(query); code != http.StatusBadRequest {
			t.Errorf("%s is answered %d", query, code)
		}
	}
}
