package provider

import (
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// class is a kind of character, as far as tokenizers tell them apart.
type class uint8

const (
	blank class = iota // before the first character, and spaces and tabs
	lineBreak
	lower
	upper
	digit
	sign
	twoBytes // Latin letters with accents, Greek, Hebrew, Arabic
	cyrillic
	threeBytes // the scripts of Asia
	fourBytes  // emoji and rare scripts
	rest       // of a character whose first byte was counted
	classes
)

// A character costs so many thousandths of a token, and so many more where it begins a run of its class. The figures were fitted to the
// counts of seven vocabularies (o200k_base, cl100k_base and those of Claude 2, Llama 3.1, Gemini, DeepSeek 3 and Mistral's Tekken) over prose, code, JSON,
// tables, logs and fifteen languages; ADR 42 has the errors on texts that they were not fitted to.
var (
	charCost = [classes]uint16{blank: 20, lineBreak: 1200, lower: 80, upper: 340, digit: 320, sign: 300, twoBytes: 440, cyrillic: 150, threeBytes: 600, fourBytes: 2700}
	runCost  = [classes]uint16{blank: 110, lineBreak: 110, lower: 520, upper: 520, digit: 1430, sign: 400, twoBytes: 150, cyrillic: 700, threeBytes: 150, fourBytes: 150}
)

// camelCost is that of a capital behind a small letter, in the place of its run's.
const camelCost = 860

// costs are those of a character by the class of the one before it; a word goes on where its capital was the first letter.
var costs = func() (table [classes][classes]uint16) {
	for before := range classes {
		for c := range rest {
			table[before][c] = charCost[c]
			if before != c {
				table[before][c] += runCost[c]
			}
		}
	}
	table[upper][lower] = charCost[lower]
	table[lower][upper] = charCost[upper] + camelCost
	table[blank][lineBreak], table[lineBreak][blank] = charCost[lineBreak], charCost[blank] // one run of white space
	for _, wide := range [...]class{twoBytes, cyrillic, threeBytes, fourBytes} {            // one run in whatever script
		for _, other := range [...]class{twoBytes, cyrillic, threeBytes, fourBytes} {
			table[wide][other] = charCost[other]
		}
	}
	return table
}()

// classOf is the class of a byte.
var classOf = func() (table [256]class) {
	for b := range table {
		switch {
		case b == '\n' || b == '\r':
			table[b] = lineBreak
		case b <= ' ':
			table[b] = blank
		case 'a' <= b && b <= 'z':
			table[b] = lower
		case 'A' <= b && b <= 'Z':
			table[b] = upper
		case '0' <= b && b <= '9':
			table[b] = digit
		case b < 0x80:
			table[b] = sign
		case b < 0xC0:
			table[b] = rest
		case 0xD0 <= b && b < 0xD4:
			table[b] = cyrillic
		case b < 0xE0:
			table[b] = twoBytes
		case b < 0xF0:
			table[b] = threeBytes
		default:
			table[b] = fourBytes
		}
	}
	return table
}()

// weigher sums what characters cost, in thousandths of a token.
type weigher struct{ milli int64 }

// tokens rounds up: a text has a token at least.
func (w *weigher) tokens() int64 { return (w.milli + milli - 1) / milli }

// weigh sums the texts, names and numbers of a JSON value, which is valid: what models are shown of it. Braces, commas and spaces
// between them are the API's own.
func (w *weigher) weigh(v jsontext.Value) {
	inString, before, sum := false, blank, w.milli
	for i := 0; i < len(v); i++ {
		c := classOf[v[i]]
		switch b := v[i]; {
		case b == '"':
			inString, before = !inString, blank
			continue
		case inString && b == '\\':
			c, i = escaped(v, i)
		case !inString && (c == blank || c == lineBreak || c == sign && b != '-' && b != '.'): // else it is a number or a literal
			before = blank
			continue
		}
		if c != rest {
			sum += int64(costs[before][c])
			before = c
		}
	}
	w.milli = sum
}

// escaped is the class of the character whose escape begins at i, and where the escape ends.
func escaped(v jsontext.Value, i int) (class, int) {
	const hexDigits = 4
	i++
	switch {
	case i >= len(v):
		return rest, i
	case v[i] == 'n' || v[i] == 'r':
		return lineBreak, i
	case v[i] == 't':
		return blank, i
	case v[i] != 'u' || i+hexDigits >= len(v):
		return sign, i
	}
	r, err := strconv.ParseUint(string(v[i+1:i+1+hexDigits]), 16, 16)
	i += hexDigits
	switch {
	case err != nil || 0xDC00 <= r && r < 0xE000: // the second half of a pair
		return rest, i
	case r < 0x80:
		return classOf[r], i
	case 0x400 <= r && r < 0x500:
		return cyrillic, i
	case r < 0x800:
		return twoBytes, i
	case 0xD800 <= r && r < 0xDC00: // the first half of a pair
		return fourBytes, i
	}
	return threeBytes, i
}

// weightOf is the weight of a plain text, in tokens.
func weightOf(text string) int64 {
	var w weigher
	before := blank
	for i := range len(text) {
		if c := classOf[text[i]]; c != rest {
			w.milli += int64(costs[before][c])
			before = c
		}
	}
	return w.tokens()
}
