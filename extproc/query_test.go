package extproc

import "testing"

func TestAParameterIsTheOnlyOneOfItsName(t *testing.T) {
	for name, tt := range map[string]struct{ query, want string }{
		"no query":              {"", "key=s"},
		"others stay as sent":   {"q=a%20b&units=m&empty=&flag", "q=a%20b&units=m&empty=&flag&key=s"},
		"a second":              {"key=evil&q=a", "q=a&key=s"},
		"several":               {"key=1&q=a&key=2&key", "q=a&key=s"},
		"escaped":               {"%6bey=evil&k%65%79=evil", "key=s"},
		"another case":          {"KEY=evil&Key=evil", "key=s"},
		"behind a semicolon":    {"q=a;key=evil&x=1", "x=1&key=s"},
		"blanks":                {"+key=evil&%20key=evil&%09key=evil", "key=s"},
		"a broken escape":       {"%6=evil&q=a", "q=a&key=s"},
		"a longer name":         {"keys=1&apikey=2", "keys=1&apikey=2&key=s"},
		"the name as a value":   {"q=key", "q=key&key=s"},
		"empty pieces":          {"&&q=a&&", "q=a&key=s"},
		"a name within a value": {"q=a?key=evil", "q=a?key=evil&key=s"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := withParameter(tt.query, "key=s"); got != tt.want {
				t.Errorf("withParameter(%q) = %q, want %q", tt.query, got, tt.want)
			}
		})
	}
}
