package provider

import (
	"slices"
	"strings"
	"sync"

	"github.com/tiktoken-go/tokenizer"
)

// maxText bounds the streamed text that is kept for counting. What goes beyond is counted at the
// rate of what was kept.
const maxText = 128 << 10

// textCounter gathers streamed text and counts its tokens when they are asked for.
type textCounter struct {
	text    []byte
	lost    int64  // bytes that were not kept
	scratch []byte // of a text without its escapes
}

func (t *textCounter) add(s []byte) {
	if len(t.text)+len(s) > maxText {
		t.lost += int64(len(s))
		return
	}
	t.text = append(t.text, s...)
}

// bytesPerToken is the usual length of a token of English text, for text that was not kept.
const bytesPerToken = 4

// count gives the tokens of the text so far and the name of the encoding. Vocabularies are
// loaded when first needed: most processes never count.
func (t *textCounter) count(model string) (int64, string) {
	enc := encodingOf(model)
	kept := int64(len(t.text))
	if kept == 0 {
		return (t.lost + bytesPerToken - 1) / bytesPerToken, string(enc)
	}
	vocabulary, err := vocabularyOf(enc)
	if err != nil {
		return (kept + t.lost + bytesPerToken - 1) / bytesPerToken, string(enc)
	}
	n, err := vocabulary.count(strings.ToValidUTF8(string(t.text), "\uFFFD"))
	if err != nil {
		return (kept + t.lost + bytesPerToken - 1) / bytesPerToken, string(enc)
	}
	return n + t.lost*n/kept, string(enc)
}

// encodingOf names the vocabulary of a model, fine-tuned (ft:MODEL:…) and by a reseller's name (openai/MODEL) too: OpenAI's models before
// gpt-4o use cl100k_base.
func encodingOf(model string) tokenizer.Encoding {
	base, _, _ := strings.Cut(strings.TrimPrefix(model[strings.LastIndexByte(model, '/')+1:], "ft:"), ":")
	for _, old := range []string{"gpt-3.5", "gpt-35-", "gpt-4-", "davinci-002", "babbage-002", "text-embedding-"} {
		if strings.HasPrefix(base, old) {
			return tokenizer.Cl100kBase
		}
	}
	if base == "gpt-4" {
		return tokenizer.Cl100kBase
	}
	return tokenizer.O200kBase
}

// foreign tells whether a model has another vocabulary than those that OpenAI publishes: a count by one of them is an estimate, even of a whole text.
func foreign(model string) bool {
	base := strings.TrimPrefix(model[strings.LastIndexByte(model, '/')+1:], "ft:")
	return !slices.ContainsFunc([]string{"gpt-", "chatgpt-", "o1", "o3", "o4", "codex-", "computer-use-", "davinci-", "babbage-", "text-embedding-"},
		func(prefix string) bool { return strings.HasPrefix(base, prefix) })
}

var (
	loadedMu sync.Mutex
	loaded   = map[tokenizer.Encoding]*vocabulary{}
)

func vocabularyOf(e tokenizer.Encoding) (*vocabulary, error) {
	loadedMu.Lock()
	defer loadedMu.Unlock()
	if v, ok := loaded[e]; ok {
		return v, nil
	}
	v, err := newVocabulary(e)
	if err == nil {
		loaded[e] = v
	}
	return v, err
}
