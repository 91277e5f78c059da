package provider

import "testing"

func TestMember(t *testing.T) {
	for name, tt := range map[string]struct{ body, path, want string }{
		"of the top level":    {`{"model":"m","user":"ada"}`, "user", "ada"},
		"with escapes":        {`{"user":"a\u0064a \"x\""}`, "user", `ada "x"`},
		"of an object":        {`{"metadata":{"x":1,"user_id":"ada"},"user_id":"bob"}`, "metadata.user_id", "ada"},
		"not of a deeper one": {`{"messages":[{"user":"eve"}]}`, "user", ""},
		"no text":             {`{"user":7}`, "user", ""},
		"null":                {`{"user":null}`, "user", ""},
		"no object":           {`{"metadata":"user_id"}`, "metadata.user_id", ""},
		"absent":              {`{}`, "user", ""},
		"no body":             {``, "user", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Member([]byte(tt.body), tt.path); got != tt.want {
				t.Errorf("Member(%s, %s) = %q, want %q", tt.body, tt.path, got, tt.want)
			}
		})
	}
}
