package admin

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// etag is a strong entity tag (RFC 9110, 8.8.3) of what makes up a state, without its quotes.
func etag(of ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(of, "\x00")))
	return hex.EncodeToString(sum[:12])
}

// match refuses a change of what is not what the client saw (RFC 9110, 13.1.1); now is empty where there is nothing. Without If-Match everything matches.
func match(ifMatch, now, what string) error {
	if ifMatch == "" || now != "" && tagged(ifMatch, now) {
		return nil
	}
	return huma.NewError(http.StatusPreconditionFailed, what+" is not what you saw: somebody has changed it since, look at it again")
}

// tagged tells whether a tag is in a list of If-Match, by the strong comparison: weak ones are like none. Tags without quotes are taken as well.
func tagged(list, tag string) bool {
	if strings.TrimSpace(list) == "*" {
		return true
	}
	for rest := strings.TrimLeft(list, " \t,"); rest != ""; rest = strings.TrimLeft(rest, " \t,") {
		one, weak := strings.CutPrefix(rest, "W/")
		opaque, quoted := strings.CutPrefix(one, `"`)
		if quoted {
			var closed bool
			if one, rest, closed = strings.Cut(opaque, `"`); !closed {
				return false
			}
		} else {
			one, rest, _ = strings.Cut(one, ",")
		}
		if !weak && strings.TrimSpace(one) == tag {
			return true
		}
	}
	return false
}

func trimETag(s string) string {
	if len(s) > 1 && s[0] == '"' && s[len(s)-1] == '"' {
		return s[1 : len(s)-1]
	}
	return s
}
