package provider

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/tiktoken-go/tokenizer"
)

// words are common ones of twenty languages, code, signs and emoji: what texts are drawn from.
var words = map[string]string{
	"english": "the quick brown fox jumps over lazy dogs although nobody's watching it's 1,234.56 don't WE'LL", "german": "Größe Straße über fließend Überraschung möchte Donaudampfschifffahrt und nicht während",
	"french": "l'été où garçon français aujourd'hui peut-être être cœur déjà voilà", "spanish": "mañana niño corazón también ¿qué? ¡hola! año señor llegó pingüino",
	"portuguese": "coração não amanhã português ação mãe avô você têm lições", "italian": "perché città più così libertà c'è un'altra università lunedì",
	"polish": "źdźbło żółw łódź dziękuję święta książka ćwiczenie mąż się proszę", "czech": "příliš žluťoučký kůň úpěl ďábelské ódy děkuji řeka šťastný",
	"turkish": "İstanbul ığdır güneş çocuk öğretmen şeker değil yağmur ışık için", "vietnamese": "tiếng Việt người được không những đường nước quê hương phở",
	"russian": "съешь ещё этих мягких французских булок да выпей чаю привет", "ukrainian": "їжак ґанок щастя п'ять Україна сьогодні дякую будь ласка",
	"greek": "καλημέρα κόσμε ελληνικά ευχαριστώ θάλασσα άνθρωπος σήμερα", "hebrew": "שלום עולם תודה רבה היום ירושלים ספר ילד", "arabic": "السلام عليكم شكرا جزيلا اليوم كتاب مدرسة الشمس",
	"hindi": "नमस्ते दुनिया धन्यवाद आज किताब पानी विद्यालय हिन्दी", "thai": "สวัสดีชาวโลก ขอบคุณครับ วันนี้ โรงเรียน น้ำ", "chinese": "你好世界 今天天气很好 学校 谢谢大家 机器学习 人工智能",
	"japanese": "こんにちは世界 今日は天気がいい 学校 ありがとうございます カタカナ 東京タワー", "korean": "안녕하세요 세계 오늘 날씨가 좋아요 감사합니다 학교 한국어",
	"code": "func (s *Server) if err != nil { return } => :: std::vector<int> __init__(self): 0xDEADBEEF /* c */ #include<x> $HOME/.ssh SELECT * FROM x;",
	"json": `{"usage":{"input_tokens":12}} [1,2.5e-3,null] "key":"va\"lue" \u00e9 <|endoftext|>`, "emoji": "😀 👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽 🇩🇪 ✈️ ☃ 🤷‍♀️ e\u0301 \u200b zero",
	"breaks": "a\n\u00a0\n b.\n\t\n\n \n {\r\n\r\n\r\n\v\n\n//\n/\n\u3000\n\u2028\n\u0301\n\t\r",
	"space":  "a  b   c\td\r\ne\n\n\nf     \u00a0g \u3000h", "digits": "1 12 123 1234 12345 3.14159 1e10 2026-11-24 +49-30-123456 00000000",
}

const (
	drawnTexts = 10_000
	tokenSeed  = 20261124
	tokenCount = "testdata/tiktoken.txt"
)

// texts draws the same texts every time, each of up to forty words of one to three of the kinds.
func texts() []string {
	kinds := []string{"english", "german", "french", "spanish", "portuguese", "italian", "polish", "czech", "turkish", "vietnamese", "russian", "ukrainian",
		"greek", "hebrew", "arabic", "hindi", "thai", "chinese", "japanese", "korean", "code", "json", "emoji", "space", "digits", "breaks"}
	r := rand.New(rand.NewPCG(tokenSeed, 1))
	out := make([]string, drawnTexts)
	for i := range out {
		var b strings.Builder
		from := words[kinds[i%len(kinds)]]
		for range 1 + r.IntN(40) {
			if r.IntN(5) == 0 {
				from = words[kinds[r.IntN(len(kinds))]]
			}
			list := strings.Split(from, " ")
			b.WriteString(list[r.IntN(len(list))])
			b.WriteString([]string{" ", " ", " ", "\n", "", ", ", ". "}[r.IntN(7)])
		}
		out[i] = b.String()
	}
	return out
}

// TestTokensAreThoseOfTiktoken compares with the counts of Python's tiktoken 0.14 in both vocabularies, one line a text:
// the file was written by testdata/count_tokens.py. With WRITE_TEXTS, the texts are written there for it.
func TestTokensAreThoseOfTiktoken(t *testing.T) {
	list := texts()
	if file := os.Getenv("WRITE_TEXTS"); file != "" {
		var b strings.Builder
		for _, s := range list {
			fmt.Fprintf(&b, "%q\n", s)
		}
		if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Open(tokenCount)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	different, spaced := 0, 0
	for i, s := range list {
		var want [2]int64
		if spacedBreak.MatchString(s) {
			spaced++
		}
		if !lines.Scan() {
			t.Fatalf("%s ends at line %d", tokenCount, i)
		}
		if _, err := fmt.Sscan(lines.Text(), &want[0], &want[1]); err != nil {
			t.Fatal(err)
		}
		for j, model := range []string{"gpt-5", "gpt-4"} {
			var c textCounter
			c.add([]byte(s))
			got, method := c.count(model)
			if encoding := []tokenizer.Encoding{tokenizer.O200kBase, tokenizer.Cl100kBase}[j]; got != want[j] || method != string(encoding) {
				if different++; different < 5 {
					t.Errorf("%q has %d tokens of %s, tiktoken counts %d", s, got, method, want[j])
				}
			}
		}
	}
	if spaced < drawnTexts/100 {
		t.Errorf("%d texts have spaced line breaks: too few to tell", spaced)
	}
	if different > 0 {
		t.Errorf("%d of %d counts differ", different, 2*len(list))
	}
}

// A model that writes nothing but line breaks and spaces must not keep the counter busy for seconds.
func TestALongRunOfWhiteSpaceIsCounted(t *testing.T) {
	const tokens = 15_000 // by tiktoken, in either vocabulary
	for _, model := range []string{"gpt-5", "gpt-4"} {
		var c textCounter
		c.add([]byte(strings.Repeat("\n \n \n \n \n\t", tokens/3)))
		if got, method := c.count(model); got < tokens || got > tokens*103/100 {
			t.Errorf("%d tokens of %s, tiktoken counts %d", got, method, tokens)
		}
	}
}
