package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

// Change is one key that two policies set otherwise. An empty side does not set it.
type Change struct {
	Key string // such as policies[abuse guard].limits.requests
	Was string
	Is  string
}

// Changes lists the keys that differ, sorted, whatever their places in the files: items of a list are known by their names. Rules in
// another order are a change of their own. Files that do not compile are the caller's fault.
func Changes(was, is []File) ([]Change, error) {
	a, err := flat(was)
	if err != nil {
		return nil, err
	}
	b, err := flat(is)
	if err != nil {
		return nil, err
	}
	var out []Change
	for _, key := range slices.Sorted(maps.Keys(joined(a, b))) {
		if a[key] != b[key] {
			out = append(out, Change{key, a[key], b[key]})
		}
	}
	return out, nil
}

func joined(a, b map[string]string) map[string]string {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// flat gives every value that files set, by its key.
func flat(files []File) (map[string]string, error) {
	out := map[string]string{}
	for _, f := range files {
		var tree any
		if err := yaml.UnmarshalWithOptions(f.Data, &tree, yaml.UseOrderedMap()); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		flatten("", tree, out)
	}
	return out, nil
}

func flatten(key string, value any, out map[string]string) {
	switch v := value.(type) {
	case yaml.MapSlice:
		for _, item := range v {
			flatten(strings.TrimPrefix(fmt.Sprintf("%s.%v", key, item.Key), "."), item.Value, out)
		}
		if len(v) == 0 {
			out[key] = "{}"
		}
	case []any:
		flattenList(key, v, out)
	case nil:
		out[key] = "null"
	default:
		out[key] = fmt.Sprint(v)
	}
}

// flattenList names items by their names; a list of plain values is one value.
func flattenList(key string, list []any, out map[string]string) {
	var plain, order []string
	for i, item := range list {
		m, ok := item.(yaml.MapSlice)
		if !ok {
			plain = append(plain, fmt.Sprint(item))
			continue
		}
		name, named := fmt.Sprint(i), false
		for _, field := range m {
			if field.Key == "name" {
				name, named = fmt.Sprint(field.Value), true
			}
		}
		if named {
			order = append(order, name)
		}
		flatten(fmt.Sprintf("%s[%s]", key, name), item, out)
	}
	if len(plain) > 0 || len(list) == 0 {
		out[key] = "[" + strings.Join(plain, ", ") + "]"
	}
	if len(order) > 1 {
		out[key+" in order"] = strings.Join(order, ", ")
	}
}
