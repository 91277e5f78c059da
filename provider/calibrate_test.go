package provider

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// A model without a public tokenizer is estimated by what its earlier calls showed: for each of seven vocabularies and each kind of
// text, the prompts of the kind's second half are estimated after those of its first half were seen. The counts of the five that are not
// embedded are in a file. Errors are in thousandths of what the vocabulary counts.
func TestCalibratedInputIsWithinFivePercent(t *testing.T) {
	const most = 50
	kinds := drawPrompts(t)
	table := "median error in thousandths, calibrated (by weight alone)\n"
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		list := kinds[kind]
		table += fmt.Sprintf("%-10s", kind)
		for v, vocabulary := range vocabularies {
			var c Calibrator
			seen, unseen := list[:len(list)/2], list[len(list)/2:]
			for _, p := range seen {
				c.Add(Observed{Model: vocabulary + "-1", Weight: p.weight, Tokens: p.tokens[v]})
			}
			calibrated, plain := medianMiss(unseen, v, c.Ratios().Of(vocabulary+"-1")), medianMiss(unseen, v, 0)
			table += fmt.Sprintf("  %s %d (%d)", vocabulary, calibrated, plain)
			if calibrated > most {
				t.Errorf("%s by %s: the median error is %d/1000, at most %d", kind, vocabulary, calibrated, most)
			}
		}
		table += "\n"
	}
	t.Log(table)
}

func TestRatios(t *testing.T) {
	fill := func(model string, n int, tokens int64) (list []Observed) {
		for range n {
			list = append(list, Observed{model, 100, tokens})
		}
		return list
	}
	for name, tt := range map[string]struct {
		seen  []Observed
		model string
		want  int64
	}{
		"nothing seen":            {nil, "m-1", 0},
		"one too few":             {fill("m-1", leastPrompts-1, 300), "m-1", 0},
		"enough":                  {fill("m-1", leastPrompts, 300), "m-1", 3000},
		"a sibling":               {fill("m-1", leastPrompts, 300), "m-2", 3000},
		"another family":          {fill("m-1", leastPrompts, 300), "n-1", 0},
		"its own before siblings": {append(fill("m-1", 90, 300), fill("m-2", leastPrompts, 400)...), "m-2", 4000},
		"outliers":                {append(fill("m-1", 40, 300), fill("m-1", 19, 700)...), "m-1", 3000},
		"images in the text":      {fill("m-1", 90, 20), "m-1", 0},
		"hidden prompts":          {fill("m-1", 90, 100*mostRatio/1000+100), "m-1", 0},
		"no tokens":               {fill("m-1", 90, 0), "m-1", 0},
		"no weight":               {slices.Repeat([]Observed{{"m-1", 0, 5}}, 90), "m-1", 0},
		"the newest":              {append(fill("m-1", 900, 300), fill("m-1", keptPrompts, 200)...), "m-1", 2000},
	} {
		t.Run(name, func(t *testing.T) {
			var c Calibrator
			for _, p := range tt.seen {
				c.Add(p)
			}
			if got := c.Ratios().Of(tt.model); got != tt.want {
				t.Errorf("after %d prompts %s has %d thousandths of a token by weight, want %d", len(tt.seen), tt.model, got, tt.want)
			}
		})
	}
}

// Each prompt is judged by those before it: the first ones by weight alone, those behind by what the model, or its family, came to.
func TestPromptsAreJudgedByThoseBeforeThem(t *testing.T) {
	var list []Observed
	for i := range 300 {
		list = append(list, Observed{"m-1", 1000, 1500 + int64(i%3-1)*60}, Observed{"m-2", 1000, 1500}) // 1440, 1500, 1560
	}
	list = append(list, Observed{"other", 1000, 800}, Observed{"other", 0, 800}, Observed{"other", 1000, 0})
	want := []Judged{
		// 1,000 instead of 1,500 is 333 thousandths less; of the calibrated ones two of three miss by 60 of 1,440 or 1,560, which the median has.
		{Model: "m-1", Prompts: 300, Calibrated: 250, Ratio: 1500, Miss: 38, Plain: 333},
		{Model: "m-2", Prompts: 300, Calibrated: 250, Ratio: 1500, Miss: 0, Plain: 333},
		{Model: "other", Prompts: 1, Plain: 250},
	}
	if got := Judge(list); !slices.Equal(got, want) {
		t.Errorf("Judge = %+v, want %+v", got, want)
	}
}

// The estimates of a cut stream, and of an answer that never reports, say that they are calibrated.
func TestCalibratedEstimatesSaySo(t *testing.T) {
	spec := MeterSpec{Endpoint: chatEndpoint(t), Status: 200, ContentType: "text/event-stream", Model: "gpt-5-mini", Weight: 80, MilliTokens: 1250}
	m := openAI.NewMeter(spec)
	m.Write([]byte("data: {\"choices\":[{\"delta\":{\"content\":\" the\"}}]}\n\n"))
	if got := m.Finish(false); got.Usage[sentinel.InputTokens] != 100 || got.Usage[sentinel.OutputTokens] != 1 || got.Method != "o200k_base+calibrated" {
		t.Errorf("a weight of 80 at 1.25 tokens gave %+v", got)
	}
	e, _ := gemini.Endpoint("embedContent")
	spec.Endpoint, spec.ContentType = e, "application/json"
	m = gemini.NewMeter(spec)
	m.Write([]byte(`{"embedding":{"values":[0.1]}}`))
	if got := m.Finish(true); got.Usage[sentinel.InputTokens] != 100 || got.Method != "calibrated" {
		t.Errorf("a weight of 80 at 1.25 tokens gave %+v", got)
	}
}
