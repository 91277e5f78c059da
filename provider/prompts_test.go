package provider

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// vocabularies are those by which the drawn prompts are counted: o200k_base and cl100k_base here, the others in promptCounts.
var vocabularies = []string{"o200k", "cl100k", "claude2", "llama3.1", "gemini", "deepseek3", "tekken"}

const (
	embedded     = 2 // of vocabularies
	promptCounts = "testdata/prompts/counts.txt"
	promptsEach  = 120 // of a kind
	chatTokens   = 7   // what chat adds to one message
)

// promptTexts are the kinds of texts: the first three are files.
var promptTexts = []string{"prose", "code", "json", "records", "log"}

// drawn is a prompt of a kind, with its weight as the request of a chat, and its tokens by each vocabulary.
type drawn struct {
	text   string
	weight int64
	tokens []int64
}

// drawPrompts draws the same prompts every time, of 100 to 4,000 bytes: the first half of each kind from the first half of its text.
// With WRITE_PROMPTS, they are written there for count_prompts.mjs and count_prompts.py.
func drawPrompts(t *testing.T) map[string][]drawn {
	t.Helper()
	r := rand.New(rand.NewPCG(4, 42))
	kinds := map[string][]drawn{}
	var order []string
	for _, kind := range promptTexts[:3] {
		b, err := os.ReadFile("testdata/prompts/" + kind + ".txt")
		if err != nil {
			t.Fatal(err)
		}
		kinds[kind], order = drawFrom(r, string(b)), append(order, kind)
	}
	kinds["records"], kinds["log"] = drawFrom(r, records(r)), drawFrom(r, logLines(r))
	order = append(order, "records", "log")
	for _, language := range []string{"german", "french", "vietnamese", "russian", "arabic", "hindi", "chinese", "japanese", "korean"} {
		kinds[language], order = drawFrom(r, sentences(t, r, language)), append(order, language)
	}
	if file := os.Getenv("WRITE_PROMPTS"); file != "" {
		writePrompts(t, file, order, kinds)
	}
	f, err := os.Open(promptCounts)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	counts := bufio.NewScanner(f)
	for _, kind := range order {
		for i := range kinds[kind] {
			kinds[kind][i].count(t, counts)
		}
	}
	return kinds
}

// count fills in the weight and the tokens; the next line of counts has those of the vocabularies that are not embedded.
func (d *drawn) count(t *testing.T, counts *bufio.Scanner) {
	t.Helper()
	text, err := jsontext.AppendQuote(nil, d.text)
	if err != nil {
		t.Fatal(err)
	}
	rq, err := openAI.ReadRequest(chatEndpoint(t), RawRequest{Body: fmt.Appendf(nil, `{"model":"m-1","messages":[{"role":"user","content":%s}]}`, text)})
	if err != nil {
		t.Fatal(err)
	}
	d.weight, d.tokens = rq.Weight, make([]int64, len(vocabularies))
	for v, model := range []string{"gpt-5", "gpt-4"} {
		var c textCounter
		c.add([]byte(d.text))
		n, _ := c.count(model)
		d.tokens[v] = n + chatTokens
	}
	if !counts.Scan() {
		t.Fatalf("%s ends before %.40q", promptCounts, d.text)
	}
	for v, n := range strings.Fields(counts.Text()) {
		if _, err := fmt.Sscan(n, &d.tokens[embedded+v]); err != nil {
			t.Fatal(err)
		}
		d.tokens[embedded+v] += chatTokens
	}
}

func writePrompts(t *testing.T, file string, order []string, kinds map[string][]drawn) {
	t.Helper()
	var b strings.Builder
	for _, kind := range order {
		for _, d := range kinds[kind] {
			text, err := jsontext.AppendQuote(nil, d.text)
			if err != nil {
				t.Fatal(err)
			}
			b.Write(append(text, '\n'))
		}
	}
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

func drawFrom(r *rand.Rand, text string) []drawn {
	out := make([]drawn, promptsEach)
	half := len(text) / 2
	for i := range out {
		length := 100 + r.IntN(3900)
		at := r.IntN(half - length)
		if i >= promptsEach/2 {
			at += half
		}
		out[i].text = strings.ToValidUTF8(text[at:at+length], "")
	}
	return out
}

// records are dense JSON, one object a line: keys, numbers, times, identifiers and names.
func records(r *rand.Rand) string {
	var b strings.Builder
	for b.Len() < 48_000 {
		fmt.Fprintf(&b, `{"id":%d,"uuid":"%016x%016x","name":%q,"balance":%.2f,"active":%t,"created_at":"20%02d-%02d-%02dT%02d:%02d:%02dZ","tags":[%q,%q],"lat":%.5f}`+"\n",
			r.IntN(1e9), r.Uint64(), r.Uint64(), oneOf(r, words["english"]), r.Float64()*1e5, r.IntN(2) == 0,
			10+r.IntN(16), 1+r.IntN(12), 1+r.IntN(28), r.IntN(24), r.IntN(60), r.IntN(60), oneOf(r, words["german"]), oneOf(r, words["code"]), r.Float64()*180-90)
	}
	return b.String()
}

// logLines are lines of an access log.
func logLines(r *rand.Rand) string {
	var b strings.Builder
	for b.Len() < 48_000 {
		fmt.Fprintf(&b, "2026-%02d-%02dT%02d:%02d:%02dZ %s [%d] \"GET /v1/%s/%d HTTP/1.1\" %d %d %.3f\n", 1+r.IntN(12), 1+r.IntN(28), r.IntN(24), r.IntN(60), r.IntN(60),
			oneOf(r, "INFO WARN ERROR"), r.IntN(65_000), oneOf(r, "users orders items"), r.IntN(99_999), 200+r.IntN(300), r.IntN(99_999), r.Float64())
	}
	return b.String()
}

// sentences draws those of a language, which has ten.
func sentences(t *testing.T, r *rand.Rand, language string) string {
	t.Helper()
	file, err := os.ReadFile("testdata/prompts/sentences.txt")
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for line := range strings.Lines(string(file)) {
		if s, ok := strings.CutPrefix(line, language+": "); ok {
			list = append(list, strings.TrimSuffix(s, "\n")+" ")
		}
	}
	var b strings.Builder
	for b.Len() < 48_000 {
		b.WriteString(list[r.IntN(len(list))])
	}
	return b.String()
}

func oneOf(r *rand.Rand, list string) string {
	all := strings.Split(list, " ")
	return all[r.IntN(len(all))]
}

// medianMiss is the median error of the estimates by a ratio, in thousandths.
func medianMiss(list []drawn, vocabulary int, ratio int64) int64 {
	errs := make([]int64, len(list))
	for i, p := range list {
		errs[i] = Observed{Weight: p.weight, Tokens: p.tokens[vocabulary]}.missed(ratio)
	}
	return middle(errs)
}
