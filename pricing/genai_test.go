package pricing

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/saas-sentinel/saas-sentinel/internal/strictyaml"
)

// Every model of genai-prices is in the catalog, or left out for a reason that stands beside it: tools/prices/genai_prices.py writes the account
// when it makes the catalog's files.
func TestTheCatalogHasTheModelsOfGenaiPrices(t *testing.T) {
	data, err := os.ReadFile("testdata/genai_prices.json")
	if err != nil {
		t.Fatal(err)
	}
	var account struct {
		Release   string
		Providers map[string]struct {
			Models  int
			LeftOut map[string]string `json:"left_out"`
		}
	}
	if err := json.Unmarshal(data, &account); err != nil {
		t.Fatal(err)
	}
	all, absent := 0, 0
	for name, a := range account.Providers {
		file, err := files.ReadFile("catalog/" + name + ".yaml")
		if err != nil && len(a.LeftOut) < a.Models {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var y catalogYAML
		if err := strictyaml.Join(strictyaml.Decode(name+".yaml", file, &y).Faults()); err != nil {
			t.Fatal(err)
		}
		models := map[string]bool{} // one model stands several times, once by date or hours
		for _, m := range y.Models {
			models[m.Model] = true
		}
		if want := a.Models - len(a.LeftOut); len(models) != want {
			t.Errorf("%s: %d models, want the %d of the data without the %d that are left out", name, len(models), a.Models, len(a.LeftOut))
		}
		for model, why := range a.LeftOut {
			if why == "" || embedded(t).Known(name, model, "") && !models[model] {
				t.Errorf("%s of %s is left out because %q, and has a price", model, name, why)
			}
		}
		all, absent = all+a.Models, absent+len(a.LeftOut)
	}
	t.Logf("genai-prices %s: %d of %d models, %d left out", account.Release, all-absent, all, absent)
	if all < 2000 || absent > all/100 {
		t.Errorf("%d of %d models are left out", absent, all)
	}
}
