package pricing

import (
	"fmt"
	"maps"
	"math/big"
	"slices"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/declare"
)

// rate says what a name in the catalog is the rate of.
type rate struct {
	unit sentinel.Unit
	per  int64 // units that the published figure is for; an hour for seconds
}

const (
	million  = 1_000_000
	thousand = 1_000
)

// rateNames are the names. Tokens and characters are by the million, as they are published.
var rateNames = map[string]rate{
	"input": {sentinel.InputTokens, million}, "cached_input": {sentinel.CachedInputTokens, million},
	"cache_write": {sentinel.CacheWriteTokens, million}, "cache_write_1h": {sentinel.CacheWriteLongTokens, million},
	"output": {sentinel.OutputTokens, million}, "reasoning": {sentinel.ReasoningTokens, million},
	"audio_input": {sentinel.AudioInputTokens, million}, "cached_audio": {sentinel.CachedAudioTokens, million},
	"audio_output": {sentinel.AudioOutputTokens, million},
	"image_input":  {sentinel.ImageInputTokens, million}, "cached_image": {sentinel.CachedImageTokens, million},
	"image_output": {sentinel.ImageOutputTokens, million},
	"video_input":  {sentinel.VideoInputTokens, million}, "video_output": {sentinel.VideoOutputTokens, million},
	"mchars": {sentinel.Characters, million}, "hour": {sentinel.Seconds, 1},
	"kwebsearches": {sentinel.WebSearches, thousand}, "kfilesearches": {sentinel.FileSearches, thousand},
	"kpages": {sentinel.Pages, thousand}, "kmessages": {sentinel.Messages, thousand}, "krequests": {sentinel.Requests, thousand},
	"mrequests": {sentinel.Requests, million}, "request": {sentinel.Requests, 1}, "message": {sentinel.Messages, 1},
	"page": {sentinel.Pages, 1}, "image": {sentinel.Images, 1}, "tool_call": {sentinel.ToolCalls, 1},
	"amount_cent": {sentinel.AmountCents, 1}, "gigabyte": {sentinel.Bytes, 1_000_000_000},
}

// billedAs says by which rate a class of tokens is billed that has none of its own, so that nothing is
// free by omission: in this order, so that a cached class can follow what its own class follows.
var billedAs = [][2]string{
	{"cached_input", "input"}, {"cache_write", "input"}, {"cache_write_1h", "cache_write"},
	{"audio_input", "input"}, {"image_input", "input"}, {"video_input", "input"},
	{"reasoning", "output"}, {"audio_output", "output"}, {"image_output", "output"}, {"video_output", "output"},
}

// cachedAs says by which rate cached media are billed: as their own kind where that has a rate, else as cached text.
var cachedAs = [][2]string{{"cached_audio", "audio_input"}, {"cached_image", "image_input"}}

// with gives rates in which those of other stand before those of base.
func with(base, other declare.RatesYAML) declare.RatesYAML {
	out := make(declare.RatesYAML, len(base)+len(other))
	maps.Copy(out, base)
	maps.Copy(out, other)
	return out
}

// tokens reads a model's rates.
func (r *reader) tokens(y declare.RatesYAML) sentinel.Rates {
	rates, err := units(y)
	if err != nil { // said of what stands in the file, not of what follows from it
		r.fail(err)
		return rates
	}
	full := with(nil, y)
	for _, as := range cachedAs {
		if full[as[0]] == "" {
			full[as[0]] = full[as[1]]
		}
	}
	for _, as := range billedAs {
		if full[as[0]] == "" {
			full[as[0]] = full[as[1]]
		}
	}
	for _, as := range cachedAs {
		if full[as[0]] == "" {
			full[as[0]] = full["cached_input"]
		}
	}
	for name, text := range full {
		if text == "" {
			delete(full, name)
		}
	}
	if rates, err = units(full); err != nil {
		r.fail(err)
	}
	return rates
}

// units turns dollars into exact pico-dollars a unit.
func units(y declare.RatesYAML) (rates sentinel.Rates, err error) {
	for _, name := range slices.Sorted(maps.Keys(y)) {
		r, ok := rateNames[name]
		if !ok {
			return rates, fmt.Errorf("%q is not the name of a rate: rates are input, cached_input, cache_write, output and so on", name)
		}
		if rates[r.unit], err = pico(string(y[name]), r.per); err != nil {
			return rates, fmt.Errorf("%s: %w", name, err)
		}
	}
	return rates, nil
}

// picoPerUSD turns dollars into pico-dollars, which are so many decimals of a dollar.
const (
	picoPerUSD = 1_000_000_000_000
	picoPlaces = 12
)

// pico reads a decimal amount of dollars for so many units as exact pico-dollars a unit.
func pico(text string, units int64) (sentinel.PicoUSD, error) {
	usd, ok := new(big.Rat).SetString(text)
	if !ok || usd.Sign() < 0 {
		return 0, fmt.Errorf("%q is not an amount of dollars: write for instance 1.25", text)
	}
	usd.Mul(usd, big.NewRat(picoPerUSD, units))
	if !usd.IsInt() || !usd.Num().IsInt64() {
		return 0, fmt.Errorf("%s dollars for %d units is not a whole number of pico-dollars a unit", text, units)
	}
	return sentinel.PicoUSD(usd.Num().Int64()), nil
}
