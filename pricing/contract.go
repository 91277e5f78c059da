package pricing

import (
	"errors"
	"fmt"
)

// CheckRates tells what is wrong with rates that an operator gives a model, by the catalog's own names.
func CheckRates(rates map[string]string) error {
	_, err := Agreed("", "", rates, "")
	return err
}

// Agreed gives a model's price by contract. Classes without a rate are billed as in the catalog.
func Agreed(provider, model string, rates map[string]string, version string) (Override, error) {
	if len(rates) == 0 {
		return Override{}, errors.New("give a rate, such as input: 1.00")
	}
	var r reader
	list := List{Rates: r.tokens(rates)}
	if r.err != nil {
		return Override{}, fmt.Errorf("%w: rates are input, cached_input, cache_write, output and so on, in dollars a million tokens", r.err)
	}
	return Override{Key: Key{Provider: provider, Model: model}, Price: Price{Version: version, List: list, Source: "contract"}}, nil
}
