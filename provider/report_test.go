package provider

import "testing"

// read gives the prompt and the cached tokens of a usage object.
func readCounts(s string) (prompt, cached count, ok bool) {
	var r openAIReport
	ok = r.read([]byte(s))
	return r.prompt, r.in.cached, ok
}

func TestCounts(t *testing.T) {
	for text, want := range map[string]struct {
		prompt, cached count
		ok             bool
	}{
		`{"prompt_tokens":12,"prompt_tokens_details":{"cached_tokens":5}}`:               {count{12, true}, count{5, true}, true},
		`{ "x" : [1,{"prompt_tokens":9},"}"] , "prompt_tokens" : -3 }`:                   {count{-3, true}, count{}, true},
		`{"prompt_tokens":null,"prompt_tokens_details":null}`:                            {count{}, count{}, true},
		`{"prompt_tokens":9223372036854775807}`:                                          {count{9223372036854775807, true}, count{}, true},
		`{"a":"\"","b":true,"c":1.5e3,"d":{"e":[]},"prompt_tokens":1,"prompt_tokens":2}`: {count{2, true}, count{}, true},
		`{"prompt_tokens":9223372036854775808}`:                                          {},
		`{"prompt_tokens":"12"}`:                                                         {},
		`{"prompt_tokens":1.0}`:                                                          {},
		`{"prompt_tokens":1e3}`:                                                          {},
		`{"prompt_tokens":01}`:                                                           {},
		`{"prompt_tokens":[1]}`:                                                          {},
		`{"prompt_tokens":-}`:                                                            {},
		`{"prompt_tokens_details":[]}`:                                                   {},
		`{"prompt_tokens":1`:                                                             {},
		`{"prompt_tokens":1}}`:                                                           {},
		``:                                                                               {},
		`null`:                                                                           {ok: true},
	} {
		prompt, cached, ok := readCounts(text)
		if ok != want.ok || ok && (prompt != want.prompt || cached != want.cached) {
			t.Errorf("%.60s: %v %v %v, want %v", text, prompt, cached, ok, want)
		}
	}
}
