package admin

import "testing"

func TestMatch(t *testing.T) {
	for _, tt := range []struct {
		ifMatch, now string
		want         bool
	}{
		{"", "a1", true}, {"", "", true}, // nothing is asked for
		{`"a1"`, "a1", true}, {"a1", "a1", true}, {`"b2"`, "a1", false},
		{"*", "a1", true}, {" * ", "a1", true}, {"*", "", false}, {`""`, "", false},
		{`"b2", "a1"`, "a1", true}, {`"b2","c3" , "a1",`, "a1", true}, {`"b2", "c3"`, "a1", false}, {"b2, a1", "a1", true},
		{`"b2,a1"`, "a1", false}, {`"x, ", "a1"`, "a1", true}, // a comma may be a part of a tag
		{`W/"a1"`, "a1", false}, {`W/"a1", "a1"`, "a1", true},
		{`"*"`, "a1", false}, {`"a1`, "a1", false}, {",", "a1", false},
	} {
		if err := match(tt.ifMatch, tt.now, "it"); (err == nil) != tt.want {
			t.Errorf("If-Match: %s against %q: %v, want a match: %v", tt.ifMatch, tt.now, err, tt.want)
		}
	}
}
