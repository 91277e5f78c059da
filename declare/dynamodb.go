package declare

import (
	"strings"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// itemBlocks counts the blocks of so many bytes that DynamoDB items hold: each item is rounded up for itself, and
// none is less than one. The items stand in a list, or in lists by table.
func itemBlocks(v, size ref.Val) ref.Val {
	per, ok := size.Value().(int64)
	if !ok || per <= 0 {
		return types.NewErr("item_blocks: blocks above 0 bytes are needed")
	}
	lists := []ref.Val{v}
	if tables, ok := v.(traits.Mapper); ok {
		lists = lists[:0]
		for it := tables.Iterator(); it.HasNext() == types.True; {
			lists = append(lists, tables.Get(it.Next()))
		}
	}
	var n int64
	for _, l := range lists {
		items, ok := l.(traits.Lister)
		if !ok {
			return types.NewErr("item_blocks: a list of items is needed")
		}
		for it := items.Iterator(); it.HasNext() == types.True; {
			n += max(1, (itemBytes(it.Next().Value())+per-1)/per)
		}
	}
	return types.Int(n)
}

// itemBytes is the size of an item, or of the items within an operation, by AWS's rules
// (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html): the bytes of the
// attributes' names and of their values. Names of tables and expressions are no attributes.
func itemBytes(v any) (n int64) {
	m, _ := v.(map[string]any)
	for name, value := range m {
		if size, ok := attributeBytes(value); ok {
			n += int64(len(name)) + size
		} else {
			n += itemBytes(value)
		}
	}
	return n
}

// attributeBytes is the size of a value as {"S": "text"} writes it; false for what is no such value.
func attributeBytes(v any) (int64, bool) {
	m, _ := v.(map[string]any)
	if len(m) != 1 {
		return 0, false
	}
	for kind, value := range m {
		switch x := value.(type) {
		case string:
			return scalarBytes(kind, x)
		case bool:
			return 1, kind == "BOOL" || kind == "NULL"
		case []any:
			return listBytes(kind, x)
		case map[string]any:
			if kind == "M" {
				return 3 + int64(len(x)) + itemBytes(x), true
			}
		}
	}
	return 0, false
}

func scalarBytes(kind, text string) (int64, bool) {
	switch kind {
	case "S":
		return int64(len(text)), true
	case "B": // base64
		return int64(len(strings.TrimRight(text, "=")) * 3 / 4), true
	case "N": // a byte for two significant digits, and one
		digits := strings.TrimLeft(strings.Trim(strings.Replace(text, ".", "", 1), "0"), "-")
		return int64(len(digits)+1)/2 + 1, true
	}
	return 0, false
}

// listBytes is the size of a list or a set.
func listBytes(kind string, list []any) (n int64, ok bool) {
	switch kind {
	case "L":
		n = 3
		for _, v := range list {
			size, ok := attributeBytes(v)
			if !ok {
				return 0, false
			}
			n += 1 + size
		}
		return n, true
	case "SS", "NS", "BS":
		for _, v := range list {
			text, _ := v.(string)
			size, _ := scalarBytes(kind[:1], text)
			n += size
		}
		return n, true
	}
	return 0, false
}
