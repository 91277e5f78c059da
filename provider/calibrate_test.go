package provider

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// prompts are calls of one service: its instructions, which are the same in each, and 100 to 4,000 bytes of a text of a kind out of this
// repository; with what the vocabulary of gpt-5 makes of them, and the eleven tokens that chat adds to two messages.
func prompts(t *testing.T, pattern string, n int) []Prompt {
	t.Helper()
	files, _ := filepath.Glob(pattern)
	var all strings.Builder
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	adr, err := os.ReadFile("../docs/adr/0001-a-call-travels-as-a-ticket.md")
	if err != nil {
		t.Fatal(err)
	}
	text, instructions, r := all.String(), string(adr), rand.New(rand.NewPCG(4, 35))
	out := make([]Prompt, n)
	for i := range out {
		length := 100 + r.IntN(3900)
		at := r.IntN(len(text) - length)
		var c textCounter
		c.add([]byte(instructions))
		c.add([]byte(strings.ToValidUTF8(text[at:at+length], "")))
		tokens, _ := c.count("gpt-5")
		out[i] = Prompt{TextBytes: int64(len(instructions) + length), Tokens: tokens + 11}
	}
	return out
}

// A model without a public tokenizer is estimated by what its earlier calls showed: of prompts of prose or code that it has not seen
// the median error is at most 5 %. The length of a token of dense JSON varies from text to text: there calibration helps, and
// does not reach that. The usual length of English text misses by more in each.
func TestCalibratedInputIsWithinFivePercent(t *testing.T) {
	for model, tt := range map[string]struct {
		pattern string
		most    int64 // thousandths
	}{"claude-prose-4": {"../docs/adr/*.md", 50}, "gemini-code-3": {"*.go", 50}, "command-json-1": {"../schemas/*.json", 200}} {
		t.Run(model, func(t *testing.T) {
			list := prompts(t, tt.pattern, 300)
			var c Calibrator
			for _, p := range list[:100] {
				p.Model = model
				c.Add(p)
			}
			ratios := c.Ratios()
			miss := func(ratio int64) int64 { // the median, in thousandths
				var errs []int64
				for _, p := range list[100:] {
					n, _ := inputEstimate(MeterSpec{TextBytes: p.TextBytes, MilliBytesPerToken: ratio})
					errs = append(errs, max(n-p.Tokens, p.Tokens-n)*1000/p.Tokens)
				}
				slices.Sort(errs)
				return errs[len(errs)/2]
			}
			calibrated, usual := miss(ratios.Of(model)), miss(0)
			t.Logf("median error %d.%d %%, by bytes/4 %d.%d %%", calibrated/10, calibrated%10, usual/10, usual%10)
			if calibrated > tt.most || calibrated >= usual {
				t.Errorf("the median error is %d/1000, at most %d and less than the %d without calibration", calibrated, tt.most, usual)
			}
		})
	}
}

func TestRatios(t *testing.T) {
	fill := func(model string, n int, bytes int64) (list []Prompt) {
		for range n {
			list = append(list, Prompt{model, bytes, 100})
		}
		return list
	}
	for name, tt := range map[string]struct {
		seen  []Prompt
		model string
		want  int64
	}{
		"nothing seen":            {nil, "m-1", 0},
		"one too few":             {fill("m-1", leastPrompts-1, 300), "m-1", 0},
		"enough":                  {fill("m-1", leastPrompts, 300), "m-1", 3000},
		"a sibling":               {fill("m-1", leastPrompts, 300), "m-2", 3000},
		"another family":          {fill("m-1", leastPrompts, 300), "n-1", 0},
		"its own before siblings": {append(fill("m-1", 90, 300), fill("m-2", leastPrompts, 400)...), "m-2", 4000},
		"outliers":                {append(fill("m-1", 40, 300), fill("m-1", 19, 1100)...), "m-1", 3000},
		"images in the text":      {fill("m-1", 90, 100*mostRatio/1000+100), "m-1", 0},
		"hidden prompts":          {fill("m-1", 90, 40), "m-1", 0},
		"no tokens":               {[]Prompt{{"m-1", 5, 0}}, "m-1", 0},
		"the newest":              {append(fill("m-1", 900, 300), fill("m-1", keptPrompts, 200)...), "m-1", 2000},
	} {
		t.Run(name, func(t *testing.T) {
			var c Calibrator
			for _, p := range tt.seen {
				c.Add(p)
			}
			if got := c.Ratios().Of(tt.model); got != tt.want {
				t.Errorf("after %d prompts %s has %d thousandths of a byte a token, want %d", len(tt.seen), tt.model, got, tt.want)
			}
		})
	}
}

// The estimates of a cut stream, and of an answer that never reports, say that they are calibrated.
func TestCalibratedEstimatesSaySo(t *testing.T) {
	spec := MeterSpec{Endpoint: chatEndpoint(t), Status: 200, ContentType: "text/event-stream", Model: "gpt-5-mini", TextBytes: 300, MilliBytesPerToken: 3000}
	m := openAI.NewMeter(spec)
	m.Write([]byte("data: {\"choices\":[{\"delta\":{\"content\":\" the\"}}]}\n\n"))
	if got := m.Finish(false); got.Usage[sentinel.InputTokens] != 100 || got.Usage[sentinel.OutputTokens] != 1 || got.Method != "o200k_base+calibrated" {
		t.Errorf("300 bytes at 3 a token gave %+v", got)
	}
	e, _ := gemini.Endpoint("embedContent")
	spec.Endpoint, spec.ContentType = e, "application/json"
	m = gemini.NewMeter(spec)
	m.Write([]byte(`{"embedding":{"values":[0.1]}}`))
	if got := m.Finish(true); got.Usage[sentinel.InputTokens] != 100 || got.Method != "calibrated" {
		t.Errorf("300 bytes at 3 a token gave %+v", got)
	}
}
