package provider

import (
	"bytes"
	"slices"
	"testing"

	"github.com/go-json-experiment/json"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// dialectReport is a dialect's report as its own reader has it, and as a decoder of JSON does.
type dialectReport struct {
	seeds []string
	read  func(raw []byte) (counts []int64, ok bool)
	// plain says nothing where a decoder reads something else on purpose.
	plain func(raw []byte) (counts []int64, ok bool)
}

// plainly decodes a report strictly: names that stand twice, bad UTF-8 and other numbers than whole ones are faults.
func plainly[T any](counts func(r T) []int64) func(raw []byte) ([]int64, bool) {
	return func(raw []byte) ([]int64, bool) {
		var r T
		if json.Unmarshal(raw, &r) != nil {
			return nil, false
		}
		return counts(r), true
	}
}

// summed is what several counts come to, each within what is possible.
func summed(counts ...int64) (sum int64) {
	for _, n := range counts {
		sum = min(sum+max(0, min(n, maxReported)), maxReported)
	}
	return sum
}

type plainOpenAIDetails struct {
	Cached    int64 `json:"cached_tokens"`
	Written   int64 `json:"cache_write_tokens"`
	Text      int64 `json:"text_tokens"`
	Reasoning int64 `json:"reasoning_tokens"`
	Audio     int64 `json:"audio_tokens"`
	Image     int64 `json:"image_tokens"`
	Of        struct {
		Audio int64 `json:"audio_tokens"`
		Image int64 `json:"image_tokens"`
	} `json:"cached_tokens_details"`
}

func (d plainOpenAIDetails) counts() []int64 {
	return []int64{d.Cached, d.Written, d.Text, d.Reasoning, d.Audio, d.Image, d.Of.Audio, d.Of.Image}
}

type plainModality struct {
	Modality string `json:"modality"`
	Tokens   int64  `json:"tokenCount"`
}

// plainModalities sums a list by what the tokens stand for.
func plainModalities(list []plainModality) []int64 {
	out := make([]int64, 3)
	for _, m := range list {
		if at := map[string]int{"AUDIO": 1, "IMAGE": 2, "DOCUMENT": 2, "VIDEO": 3}[m.Modality]; at > 0 {
			out[at-1] = summed(out[at-1], m.Tokens)
		}
	}
	return out
}

var dialectReports = []dialectReport{
	{
		seeds: []string{chatReport, `{"input_tokens":3,"output_tokens":4,"input_tokens_details":{"cached_tokens":1,"cached_tokens_details":{"audio_tokens":1}}}`},
		read: func(raw []byte) ([]int64, bool) {
			var r openAIReport
			ok := r.read(raw)
			out := []int64{r.prompt.n, r.completion.n, r.input.n, r.output.n, r.total.n, r.cacheHit.n, r.cached.n}
			for _, d := range []openAIDetails{r.in, r.out} {
				out = append(out, d.cached.n, d.written.n, d.text.n, d.reasoning.n, d.audio.n, d.image.n, d.cachedAudio.n, d.cachedImage.n)
			}
			return out, ok
		},
		plain: func(raw []byte) ([]int64, bool) {
			var r struct {
				Prompt     int64               `json:"prompt_tokens"`
				Completion int64               `json:"completion_tokens"`
				Input      int64               `json:"input_tokens"`
				Output     int64               `json:"output_tokens"`
				Total      int64               `json:"total_tokens"`
				CacheHit   int64               `json:"prompt_cache_hit_tokens"`
				Cached     int64               `json:"cached_tokens"`
				PromptIn   *plainOpenAIDetails `json:"prompt_tokens_details"`
				InputsIn   *plainOpenAIDetails `json:"input_tokens_details"`
				InputIn    *plainOpenAIDetails `json:"input_token_details"`
				Out        *plainOpenAIDetails `json:"completion_tokens_details"`
				OutputOut  *plainOpenAIDetails `json:"output_tokens_details"`
			}
			if json.Unmarshal(raw, &r) != nil {
				return nil, false
			}
			in, out := onlyOne(r.PromptIn, r.InputsIn, r.InputIn), onlyOne(r.Out, r.OutputOut)
			if in == nil || out == nil {
				return nil, false // names of one thing, each of which adds to it
			}
			return slices.Concat([]int64{r.Prompt, r.Completion, r.Input, r.Output, r.Total, r.CacheHit, r.Cached}, in.counts(), out.counts()), true
		},
	},
	{
		seeds: []string{
			`{"input_tokens":10,"cache_creation_input_tokens":5,"cache_read_input_tokens":7,"cache_creation":{"ephemeral_5m_input_tokens":2,"ephemeral_1h_input_tokens":3},"output_tokens":60,"service_tier":"standard","server_tool_use":{"web_search_requests":2}}`,
			`{"input_tokens":1,"output_tokens":2,"iterations":[{"type":"message","input_tokens":1},{"type":"compaction","input_tokens":9,"output_tokens":8,"cache_creation_input_tokens":4,"cache_creation":{"ephemeral_1h_input_tokens":3}}]}`,
		},
		read: func(raw []byte) ([]int64, bool) {
			var r anthropicReport
			ok := r.read(raw)
			u := r.compactions.used
			return []int64{
				r.input.n, r.cacheRead.n, r.cacheWrite.n, r.hour.n, r.output.n, r.searches.n, u[sentinel.InputTokens], u[sentinel.CachedInputTokens],
				u[sentinel.CacheWriteTokens] + u[sentinel.CacheWriteLongTokens], u[sentinel.OutputTokens],
			}, ok
		},
		plain: plainly(func(r struct {
			Input  int64 `json:"input_tokens"`
			Read   int64 `json:"cache_read_input_tokens"`
			Write  int64 `json:"cache_creation_input_tokens"`
			Output int64 `json:"output_tokens"`
			Of     struct {
				Hour int64 `json:"ephemeral_1h_input_tokens"`
			} `json:"cache_creation"`
			Tools struct {
				Searches int64 `json:"web_search_requests"`
			} `json:"server_tool_use"`
			Tier       string `json:"service_tier"`
			Speed      string `json:"speed"`
			Geo        string `json:"inference_geo"`
			Iterations []struct {
				Type   string `json:"type"`
				Input  int64  `json:"input_tokens"`
				Read   int64  `json:"cache_read_input_tokens"`
				Write  int64  `json:"cache_creation_input_tokens"`
				Output int64  `json:"output_tokens"`
				Of     struct {
					Hour int64 `json:"ephemeral_1h_input_tokens"`
				} `json:"cache_creation"`
			} `json:"iterations"`
		}) []int64 {
			out := make([]int64, 10)
			copy(out, []int64{r.Input, r.Read, r.Write, r.Of.Hour, r.Output, r.Tools.Searches})
			var short, long int64
			for _, i := range r.Iterations {
				if i.Type == "compaction" {
					hour := min(max(0, i.Of.Hour), summed(i.Write))
					long, short = summed(long, hour), summed(short, summed(i.Write)-hour)
					out[6], out[7], out[9] = summed(out[6], i.Input), summed(out[7], i.Read), summed(out[9], i.Output)
				}
			}
			out[8] = short + long
			return out
		}),
	},
	{
		seeds: []string{
			`{"promptTokenCount":10,"candidatesTokenCount":60,"thoughtsTokenCount":5,"cachedContentTokenCount":2,"toolUsePromptTokenCount":3,"trafficType":"ON_DEMAND","promptTokensDetails":[{"modality":"TEXT","tokenCount":4},{"modality":"AUDIO","tokenCount":6}],"candidatesTokensDetails":[{"modality":"IMAGE","tokenCount":1},{"modality":"DOCUMENT","tokenCount":2}]}`,
		},
		read: func(raw []byte) ([]int64, bool) {
			var r geminiReport
			ok := r.read(raw)
			out := []int64{r.prompt.n, r.candidates.n, r.cached.n, r.thoughts.n, r.toolPrompt.n}
			for _, d := range []geminiDetails{r.promptBy, r.toolBy, r.cachedBy, r.outputBy} {
				for _, p := range []part{d.audio, d.image, d.video} {
					out = append(out, min(p.n, maxReported)) // one more than is possible says that there were more
				}
			}
			return out, ok
		},
		plain: plainly(func(r struct {
			Prompt     int64           `json:"promptTokenCount"`
			Candidates int64           `json:"candidatesTokenCount"`
			Cached     int64           `json:"cachedContentTokenCount"`
			Thoughts   int64           `json:"thoughtsTokenCount"`
			Tools      int64           `json:"toolUsePromptTokenCount"`
			PromptBy   []plainModality `json:"promptTokensDetails"`
			ToolsBy    []plainModality `json:"toolUsePromptTokensDetails"`
			CachedBy   []plainModality `json:"cacheTokensDetails"`
			OutputBy   []plainModality `json:"candidatesTokensDetails"`
			Traffic    string          `json:"trafficType"`
		}) []int64 {
			return slices.Concat([]int64{r.Prompt, r.Candidates, r.Cached, r.Thoughts, r.Tools},
				plainModalities(r.PromptBy), plainModalities(r.ToolsBy), plainModalities(r.CachedBy), plainModalities(r.OutputBy))
		}),
	},
	{
		seeds: []string{`{"inputTokens":10,"outputTokens":20,"cacheReadInputTokens":3,"cacheWriteInputTokens":4,"cacheDetails":[{"ttl":"1h","inputTokens":2},{"ttl":"5m","inputTokens":2}]}`},
		read: func(raw []byte) ([]int64, bool) {
			var r converseReport
			ok := r.read(raw)
			return []int64{r.input.n, r.output.n, r.cacheRead.n, r.cacheWrite.n, min(r.long.n, maxReported)}, ok
		},
		plain: plainly(func(r struct {
			Input   int64 `json:"inputTokens"`
			Output  int64 `json:"outputTokens"`
			Read    int64 `json:"cacheReadInputTokens"`
			Write   int64 `json:"cacheWriteInputTokens"`
			Details []struct {
				TTL    string `json:"ttl"`
				Tokens int64  `json:"inputTokens"`
			} `json:"cacheDetails"`
		}) []int64 {
			var long int64
			for _, d := range r.Details {
				if d.TTL == "1h" {
					long = summed(long, d.Tokens)
				}
			}
			return []int64{r.Input, r.Output, r.Read, r.Write, long}
		}),
	},
	{
		seeds: []string{`{"billed_units":{"input_tokens":7,"output_tokens":8,"images":1},"tokens":{"input_tokens":70,"output_tokens":8}}`},
		read: func(raw []byte) ([]int64, bool) {
			var r cohereReport
			ok := r.read(raw)
			return []int64{r.input.n, r.output.n, r.images.n}, ok
		},
		plain: plainly(func(r struct {
			Billed struct {
				Input  int64 `json:"input_tokens"`
				Output int64 `json:"output_tokens"`
				Images int64 `json:"images"`
			} `json:"billed_units"`
		}) []int64 {
			return []int64{r.Billed.Input, r.Billed.Output, r.Billed.Images}
		}),
	},
}

// onlyOne gives the one that is there, an empty one for none, and nil for several.
func onlyOne(of ...*plainOpenAIDetails) *plainOpenAIDetails {
	of = slices.DeleteFunc(of, func(d *plainOpenAIDetails) bool { return d == nil })
	switch len(of) {
	case 0:
		return &plainOpenAIDetails{}
	case 1:
		return of[0]
	}
	return nil
}

// FuzzCounts compares every dialect's reader with a strict decoder of JSON: what that reads, this reads, and to the same counts. The other way round it
// need not be: this does not check what it skips, because the provider wrote it. Names are compared as they are written, without escapes.
func FuzzCounts(f *testing.F) {
	for i, d := range dialectReports {
		for _, s := range d.seeds {
			f.Add([]byte(s), uint8(i))
		}
		f.Add([]byte(`{"input_tokens":-1,"prompt_tokens":null,"x":{"y":[1,"z"]}}`), uint8(i))
		f.Add([]byte(`null`), uint8(i))
	}
	f.Fuzz(func(t *testing.T, raw []byte, which uint8) {
		d := dialectReports[int(which)%len(dialectReports)]
		got, ok := d.read(raw)
		want, plain := d.plain(raw)
		if !plain || bytes.IndexByte(raw, '\\') >= 0 {
			return
		}
		if !ok || !slices.Equal(got, want) {
			t.Errorf("dialect %d, %q: read %v, %t; a decoder reads %v", int(which)%len(dialectReports), raw, got, ok, want)
		}
	})
}
