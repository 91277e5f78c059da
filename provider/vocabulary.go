package provider

import (
	"math"
	"regexp"
	"strings"
	"sync"

	"github.com/dlclark/regexp2/v2"
	"github.com/tiktoken-go/tokenizer"
)

// vocabulary counts as OpenAI's tiktoken does. The tokenizer's compiled expression takes a run of white space apart after its first line break, where
// tiktoken takes it up to its last: such runs are found, and counted here by the vocabulary's own ranks.
type vocabulary struct {
	codec  tokenizer.Codec
	pieces func() *regexp2.Regexp   // as tiktoken splits a text
	ranks  func() map[string]uint64 // of tokens of white space, and of parts of its characters
}

// The expressions by which tiktoken splits. The group around each keeps regexp2 from the compiled one, which is the one that is wrong.
const (
	cl100kPieces = `(?:(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)`
	o200kPieces  = `(?:[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?` +
		`|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?` +
		`|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)`
)

func newVocabulary(e tokenizer.Encoding) (*vocabulary, error) {
	codec, err := tokenizer.Get(e)
	if err != nil {
		return nil, err
	}
	expression := o200kPieces
	if e == tokenizer.Cl100kBase {
		expression = cl100kPieces
	}
	return &vocabulary{
		codec:  codec,
		pieces: sync.OnceValue(func() *regexp2.Regexp { return regexp2.MustCompile(expression, regexp2.None) }),
		ranks:  sync.OnceValue(func() map[string]uint64 { return whiteRanks(codec) }),
	}, nil
}

// spacedBreak is white space between two line breaks of one run.
var spacedBreak = regexp.MustCompile(`[\r\n][\t\v\f \x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]+[\r\n]`)

// maxMerged bounds the run, in bytes, whose parts are merged at once, in time that grows by its square. A longer one, which no model writes
// unasked, is counted in pieces of this length, with a few tokens more than tiktoken's; the tokenizer would take seconds for it.
const maxMerged = 128

// count gives the tokens of a valid text.
func (v *vocabulary) count(text string) (int64, error) {
	if !spacedBreak.MatchString(text) {
		n, err := v.codec.Count(text)
		return int64(n), err
	}
	var sum int64
	var plain strings.Builder // pieces that the tokenizer splits as tiktoken does
	piece, err := v.pieces().FindStringMatch(text)
	for ; piece != nil && err == nil; piece, err = v.pieces().FindNextMatch(piece) {
		s := piece.String()
		if !spacedBreak.MatchString(s) {
			plain.WriteString(s)
			continue
		}
		n, err := v.codec.Count(plain.String())
		if err != nil {
			return 0, err
		}
		plain.Reset()
		sum += int64(n)
		for ; len(s) > maxMerged; s = s[maxMerged:] {
			sum += v.merged(s[:maxMerged])
		}
		sum += v.merged(s)
	}
	if err != nil {
		return 0, err
	}
	n, err := v.codec.Count(plain.String())
	return sum + int64(n), err
}

// merged counts the parts into which byte-pair encoding merges a piece: of all pairs of neighbours the one of the lowest rank first, the
// leftmost of equals.
func (v *vocabulary) merged(piece string) int64 {
	ranks := v.ranks()
	ends := make([]int, 0, len(piece)+1) // where parts begin and the last one ends
	for i := range len(piece) + 1 {
		ends = append(ends, i)
	}
	for {
		at, lowest := 0, uint64(math.MaxUint64)
		for i := range len(ends) - 2 {
			if rank, ok := ranks[piece[ends[i]:ends[i+2]]]; ok && rank < lowest {
				at, lowest = i+1, rank
			}
		}
		if at == 0 {
			return int64(len(ends) - 1)
		}
		ends = append(ends[:at], ends[at+1:]...)
	}
}

// maxRank is above the ranks of both vocabularies.
const maxRank = 200_100

// whiteRanks reads the tokens that white space can be merged to from a vocabulary, which gives a text for a rank and not the reverse.
func whiteRanks(codec tokenizer.Codec) map[string]uint64 {
	const bytesOfSpaces = "\t\n\v\f\r \u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
	ranks := map[string]uint64{}
	for rank := range uint(maxRank) {
		s, err := codec.Decode([]uint{rank})
		if err != nil {
			continue // no token has it
		}
		white := true
		for i := range len(s) {
			white = white && strings.IndexByte(bytesOfSpaces, s[i]) >= 0
		}
		if white {
			ranks[s] = uint64(rank)
		}
	}
	return ranks
}
