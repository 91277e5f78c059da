package provider

import (
	"testing"

	"github.com/tiktoken-go/tokenizer"
)

func TestOlderModelsHaveTheOlderVocabulary(t *testing.T) {
	for model, want := range map[string]tokenizer.Encoding{
		"gpt-4": tokenizer.Cl100kBase, "gpt-4-0613": tokenizer.Cl100kBase, "gpt-4-turbo": tokenizer.Cl100kBase, "gpt-3.5-turbo-0125": tokenizer.Cl100kBase,
		"gpt-35-turbo": tokenizer.Cl100kBase, "openai/gpt-4": tokenizer.Cl100kBase, "ft:gpt-3.5-turbo-0125:acme::abc": tokenizer.Cl100kBase, "davinci-002": tokenizer.Cl100kBase,
		"gpt-4o": tokenizer.O200kBase, "gpt-4.1-mini": tokenizer.O200kBase, "gpt-5": tokenizer.O200kBase, "ft:gpt-4o-mini-2024-07-18:acme::abc": tokenizer.O200kBase, "o3": tokenizer.O200kBase, "": tokenizer.O200kBase,
	} {
		if got := encodingOf(model); got != want {
			t.Errorf("%q is counted in %s, want %s", model, got, want)
		}
	}
}
