package declare

import (
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// functions are what bills are made of, beside CEL's own:
//
//	segments(text)     SMS segments, by the alphabet that the text needs
//	ceil_div(n, per)   how many blocks of per hold n
//	sum(list)          the sum of a list of whole numbers
//	within(a, b)       whether every part of a, a list with commas, is in the list b; parts end at their first dot
//	item_blocks(items, per)  DynamoDB items, of a list or of lists by table, in blocks of per bytes, each item for itself
//	scaled(x, places)  a decimal number or its text as whole units of 10^-places, half to even: scaled("12.34", 2) = 1234
func functions() []cel.EnvOption {
	return []cel.EnvOption{
		cel.Function("segments", cel.Overload("segments_string", []*cel.Type{cel.StringType}, cel.IntType,
			cel.UnaryBinding(func(v ref.Val) ref.Val {
				s, ok := v.Value().(string)
				if !ok {
					return types.MaybeNoSuchOverloadErr(v)
				}
				return types.Int(Segments(s))
			}))),
		cel.Function("ceil_div", cel.Overload("ceil_div_int_int", []*cel.Type{cel.IntType, cel.IntType}, cel.IntType,
			cel.BinaryBinding(func(a, b ref.Val) ref.Val {
				n, ok1 := a.Value().(int64)
				per, ok2 := b.Value().(int64)
				if !ok1 || !ok2 || per <= 0 || n < 0 || n > math.MaxInt64-per {
					return types.NewErr("ceil_div: numbers of at least 0, and blocks above 0, are needed")
				}
				return types.Int((n + per - 1) / per)
			}))),
		cel.Function("sum", cel.Overload("sum_list", []*cel.Type{cel.ListType(cel.DynType)}, cel.IntType, cel.UnaryBinding(sum))),
		cel.Function("item_blocks", cel.Overload("item_blocks_dyn_int", []*cel.Type{cel.DynType, cel.IntType}, cel.IntType, cel.BinaryBinding(itemBlocks))),
		cel.Function("within", cel.Overload("within_string_string", []*cel.Type{cel.StringType, cel.StringType}, cel.BoolType,
			cel.BinaryBinding(func(a, b ref.Val) ref.Val {
				some, ok1 := a.Value().(string)
				all, ok2 := b.Value().(string)
				if !ok1 || !ok2 {
					return types.MaybeNoSuchOverloadErr(a)
				}
				return types.Bool(within(some, all))
			}))),
		cel.Function("scaled", cel.Overload("scaled_dyn_int", []*cel.Type{cel.DynType, cel.IntType}, cel.IntType,
			cel.BinaryBinding(scaled))),
	}
}

// sum adds whole numbers.
func sum(v ref.Val) ref.Val {
	list, ok := v.(traits.Lister)
	if !ok {
		return types.MaybeNoSuchOverloadErr(v)
	}
	var n int64
	for it := list.Iterator(); it.HasNext() == types.True; {
		x, ok := it.Next().Value().(int64)
		if !ok || x > maxCount || x < -maxCount {
			return types.NewErr("sum: whole numbers are needed")
		}
		if n += x; n > maxCount || n < -maxCount {
			return types.NewErr("sum: too large")
		}
	}
	return types.Int(n)
}

// within tells whether every part of some is among all.
func within(some, all string) bool {
	known := strings.Split(all, ",")
	for part := range strings.SplitSeq(some, ",") {
		head, _, _ := strings.Cut(strings.TrimSpace(part), ".")
		if !slices.Contains(known, head) {
			return false
		}
	}
	return true
}

// scaled reads a number as whole units of 10^-places.
func scaled(v, places ref.Val) ref.Val {
	p, ok := places.Value().(int64)
	if !ok || p < 0 || p > picoPlaces {
		return types.NewErr("scaled: 0 to %d places", picoPlaces)
	}
	var text string
	switch x := v.Value().(type) {
	case string:
		text = x
	case int64:
		text = strconv.FormatInt(x, 10)
	case float64:
		text = strconv.FormatFloat(x, 'f', -1, 64) // the shortest text of a number is the one that stood in the JSON
	}
	if len(text) > 40 || strings.Trim(text, "-0123456789.") != "" {
		return types.NewErr("scaled: not a decimal number")
	}
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		return types.NewErr("scaled: not a decimal number")
	}
	r.Mul(r, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(p), nil)))
	n := halfEven(r)
	if !n.IsInt64() {
		return types.NewErr("scaled: too large")
	}
	return types.Int(n.Int64())
}

// halfEven rounds to a whole number, halves to the even one.
func halfEven(r *big.Rat) *big.Int {
	quo, rem := new(big.Int).DivMod(r.Num(), r.Denom(), new(big.Int)) // the remainder is at least 0
	twice := rem.Lsh(rem, 1)
	if c := twice.Cmp(r.Denom()); c > 0 || c == 0 && quo.Bit(0) == 1 {
		quo.Add(quo, big.NewInt(1))
	}
	return quo
}

// Characters of one segment, alone and within a message of several (3GPP TS 23.038 and 23.040): the header that
// joins segments takes seven septets, or three UTF-16 units.
const (
	gsmAlone, gsmJoined   = 160, 153
	ucs2Alone, ucs2Joined = 70, 67
)

// gsm is the basic alphabet of 3GPP TS 23.038, and gsmEscaped has the characters that take two septets.
const (
	gsm = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ ÆæßÉ!\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿" +
		"abcdefghijklmnopqrstuvwxyzäöñüà"
	gsmEscaped = "\f^{}\\[~]|€"
)

// septets are the widths of the characters that the GSM alphabet has.
var septets = func() map[rune]int {
	m := map[rune]int{}
	for _, r := range gsm {
		m[r] = 1
	}
	for _, r := range gsmEscaped {
		m[r] = 2
	}
	return m
}()

// Segments counts the SMS segments of a text. A character of two septets, or of two UTF-16 units, is never split
// between segments.
func Segments(text string) int64 {
	if text == "" {
		return 1
	}
	widths := make([]int, 0, len(text))
	alone, joined := gsmAlone, gsmJoined
	for _, r := range text {
		w := septets[r]
		if w == 0 {
			alone, joined = ucs2Alone, ucs2Joined
			break
		}
		widths = append(widths, w)
	}
	if alone == ucs2Alone {
		widths = widths[:0]
		for _, r := range text {
			widths = append(widths, max(1, utf16.RuneLen(r)))
		}
	}
	return fill(widths, alone, joined)
}

// fill counts the segments that characters of these widths need.
func fill(widths []int, alone, joined int) int64 {
	sum := 0
	for _, w := range widths {
		sum += w
	}
	if sum <= alone {
		return 1
	}
	segments, used := int64(1), 0
	for _, w := range widths {
		if used+w > joined {
			segments, used = segments+1, 0
		}
		used += w
	}
	return segments
}
