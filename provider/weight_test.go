package provider

import (
	"fmt"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

func TestWeights(t *testing.T) {
	for value, want := range map[string]int64{
		`""`:                0,
		`"a"`:               600,                          // 520 + 80
		`"ab cd"`:           680 + 130 + 680,              // the space begins a run: 110 + 20
		`"Ab"`:              860 + 80,                     // the word begins with its capital
		`"aB"`:              600 + 1200,                   // 340 + 860
		`"AB"`:              860 + 340,                    // one run
		`"a1"`:              600 + 1750,                   // 1430 + 320
		`"12"`:              1750 + 320,                   //
		`"!!"`:              700 + 300,                    //
		`"a\n\n b"`:         600 + 1310 + 1200 + 20 + 600, // white space is one run
		`"é"`:               590,                          // 150 + 440
		`"é漢😀"`:             590 + 600 + 2700,             // one run
		`"\u00e9"`:          590,                          // as it is without its escape
		`"\ud83d\ude00"`:    2850,                         // a pair is one character
		`"\"\\\/"`:          700 + 300 + 300,              //
		`"\tA\u0041"`:       20 + 860 + 340,               //
		`{"ab":1}`:          680 + 1750,                   // the name and the number
		`[1,-2.5,"a",null]`: 1750 + (700 + 1750 + 700 + 1750) + 600 + 840,
		`{"a" : {"b":[ ]}}`: 600 + 600,
	} {
		var w weigher
		if w.weigh(jsontext.Value(value)); w.milli != want {
			t.Errorf("%s weighs %d, want %d", value, w.milli, want)
		}
	}
	if got := weightOf("ab cd"); got != 2 {
		t.Errorf("1.49 tokens are rounded up to %d, want 2", got)
	}
}

// A text weighs the same however JSON writes it.
func FuzzWeightOfEscapes(f *testing.F) {
	f.Add("a \"quoted\" line\r\n\tnext é漢😀 <x> 12.5\\")
	f.Fuzz(func(t *testing.T, text string) {
		text = strings.ToValidUTF8(text, "")
		var escaped strings.Builder
		for _, r := range text {
			if r >= 0x10000 {
				fmt.Fprintf(&escaped, `\u%04x\u%04x`, 0xD800+(r-0x10000)>>10, 0xDC00+(r-0x10000)&0x3FF)
			} else {
				fmt.Fprintf(&escaped, `\u%04X`, r)
			}
		}
		var w weigher
		w.weigh(jsontext.Value(`"` + escaped.String() + `"`))
		if got, want := w.tokens(), weightOf(text); got != want {
			t.Errorf("%q weighs %d with escapes, and %d as it is", text, got, want)
		}
	})
}

func BenchmarkWeight(b *testing.B) {
	text, err := jsontext.AppendQuote(nil, strings.Repeat(words["english"]+" "+words["json"]+" ", 50))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		var w weigher
		w.weigh(text)
	}
}
