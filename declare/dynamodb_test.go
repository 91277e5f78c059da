package declare

import (
	"encoding/json"
	"strings"
	"testing"

	"cel.dev/cel-go/common/types"
)

// The sizes are worked out by hand from AWS's rules: names and texts by their bytes, numbers a byte for two digits and one more, lists and maps
// three and one for each element.
func TestItemsOfDynamoDBHaveTheirSize(t *testing.T) {
	for item, want := range map[string]int64{
		`{}`:                              0,
		`{"k":{"S":"abc"}}`:               4,
		`{"k":{"S":"é"}}`:                 3,
		`{"k":{"N":"1234"}}`:              4, // 1 + 2 + 1
		`{"k":{"N":"-120.50"}}`:           4, // 1205 is significant: 1 + 2 + 1
		`{"k":{"B":"aGVsbG8="}}`:          6, // hello
		`{"k":{"BOOL":true}}`:             2,
		`{"k":{"NULL":true}}`:             2,
		`{"k":{"SS":["ab","c"]}}`:         4,
		`{"k":{"L":[{"S":"a"}]}}`:         6, // 1 + 3 + 1 + 1
		`{"k":{"M":{"a":{"S":"b"}}}}`:     7, // 1 + 3 + 1 + 1 + 1
		`{"Item":{"k":{"S":"abc"}}}`:      4, // within an operation: its own names are none of the item's
		`{"S":{"S":"x"}}`:                 2, // an attribute of that name
		`{"TableName":"t","Key":{"a":1}}`: 0,
	} {
		var v map[string]any
		if err := json.Unmarshal([]byte(item), &v); err != nil {
			t.Fatal(err)
		}
		if got := itemBytes(v); got != want {
			t.Errorf("%s has %d bytes, want %d", item, got, want)
		}
	}
}

func TestBlocksOfItemsAreRoundedUpEach(t *testing.T) {
	item := func(n int) any {
		return map[string]any{"k": map[string]any{"S": strings.Repeat("x", n-1)}}
	}
	for name, tt := range map[string]struct {
		items any
		per   int64
		want  any
	}{
		"each for itself":      {[]any{item(1), item(1024), item(1025)}, 1024, int64(4)},
		"by table":             {map[string]any{"a": []any{item(10)}, "b": []any{item(5000)}}, 4096, int64(3)},
		"none":                 {[]any{}, 1024, int64(0)},
		"no list":              {"text", 1024, nil},
		"blocks of no size":    {[]any{item(1)}, 0, nil},
		"a table without list": {map[string]any{"a": "b"}, 1024, nil},
	} {
		got := itemBlocks(types.DefaultTypeAdapter.NativeToValue(tt.items), types.Int(tt.per))
		if types.IsError(got) != (tt.want == nil) || tt.want != nil && got.Value() != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}
