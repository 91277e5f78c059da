package sentinel

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
)

// Demand is what a request lets its call use, whatever model serves it, as a short text: with it a call of the ledger can be judged
// again under another policy. It is empty where the request was not read.
type Demand string

// Wanted is what a demand says.
type Wanted struct {
	Bound   Usage // tokens below 0 are as many as the model allows
	Choices int64 // answers asked for
	Weight  int64 // of the prompt, see provider.Request; 0 where a release did not write it
	Fixed   bool  // it cannot be sent for another model
	// User and Session are pseudonyms of whom the call is for; empty where the request does not say, or nobody wants to know.
	User, Session string
	// Credential is the fingerprint of the one that the call goes out with, where its provider has several; else empty.
	Credential string
}

// Demand writes a demand, such as "0:1,1:2s;1;wq0;f": units, choices, and what else there is.
func (w Wanted) Demand() Demand {
	text := w.Bound.Text() + ";" + strconv.FormatInt(w.Choices, 36)
	if w.Weight > 0 {
		text += ";w" + strconv.FormatInt(w.Weight, 36)
	}
	if w.Fixed {
		text += ";f"
	}
	if w.User != "" {
		text += userPart + w.User
	}
	if w.Session != "" {
		text += sessionPart + w.Session
	}
	return Demand(text).By(w.Credential)
}

// What begins the parts of a demand that say whom its call is for, and by which credential; the last ends it.
const userPart, sessionPart, credentialPart = ";u", ";s", ";k"

// By is the demand of a call that goes out with another credential, or with its provider's only one.
func (d Demand) By(credential string) Demand {
	rest, _, _ := strings.Cut(string(d), credentialPart)
	if credential != "" {
		rest += credentialPart + credential
	}
	return Demand(rest)
}

// Credential is the fingerprint of the credential that a call goes out with; empty where its provider has one alone.
func (d Demand) Credential() string { return d.part(credentialPart) }

// Fingerprint stands for a credential, named by where it lies, in demands and in the ledger. It is the same in all organisations.
func Fingerprint(place string) string { return Pseudonym("", "credential", place) }

// User is the pseudonym of the end user that a call is for; empty for none.
func (d Demand) User() string { return d.part(userPart) }

// Session is the pseudonym of the session that a call is part of; empty for none.
func (d Demand) Session() string { return d.part(sessionPart) }

func (d Demand) part(begin string) string {
	_, rest, _ := strings.Cut(string(d), begin)
	value, _, _ := strings.Cut(rest, ";")
	return value
}

// Pseudonym stands for an end user or a session wherever they are counted: who reads counters or the ledger does not learn the name, and
// the same name is always the same pseudonym within an organisation.
func Pseudonym(org, kind, name string) string {
	if name == "" {
		return ""
	}
	const bytes = 9 // two of a million names share a pseudonym once in ten billion organisations
	sum := sha256.Sum256([]byte("saas-sentinel " + kind + "\x00" + org + "\x00" + name))
	return base64.RawURLEncoding.EncodeToString(sum[:bytes])
}

// demandParts begin the parts of a demand after its choices, in their order. In earlier rows the bytes of the prompt's text stand in the
// place of its weight, which is not known then.
const demandParts = "twfusk"

// Read is the inverse, and takes nothing else; it is not ok where the demand is not known.
func (d Demand) Read() (w Wanted, ok bool) {
	bound, rest, found := strings.Cut(string(d), ";")
	if !found {
		return Wanted{}, false
	}
	var err error
	if w.Bound, err = ParseUsage(bound); err != nil {
		return Wanted{}, false
	}
	choices, rest, more := strings.Cut(rest, ";")
	if w.Choices, ok = parse36(choices); !ok {
		return Wanted{}, false
	}
	for last := -1; more; {
		var p string
		if p, rest, more = strings.Cut(rest, ";"); p == "" {
			return Wanted{}, false
		}
		place, value := strings.IndexByte(demandParts, p[0]), p[1:]
		ok = place > last && (value == "") == (p[0] == 'f')
		switch last = place; p[0] {
		case 'w':
			var known bool
			w.Weight, known = parse36(value)
			ok = ok && known && w.Weight > 0
		case 'f':
			w.Fixed = true
		case 'u':
			w.User = value
		case 's':
			w.Session = value
		case 'k':
			w.Credential = value
		}
		if !ok {
			return Wanted{}, false
		}
	}
	return w, true
}

// parse36 reads a number in base 36 as strconv.AppendInt writes it: without a plus, zeros before it or capitals.
func parse36(s string) (n int64, ok bool) {
	const most = 12 // digits, which cannot overflow; longer ones are read the long way
	digits := strings.TrimPrefix(s, "-")
	if digits == "" || digits[0] == '0' && len(s) > 1 {
		return 0, false
	}
	for i := range len(digits) {
		switch c := digits[i]; {
		case '0' <= c && c <= '9':
			n = n*36 + int64(c-'0')
		case 'a' <= c && c <= 'z':
			n = n*36 + int64(c-'a') + 10
		default:
			return 0, false
		}
	}
	if len(digits) > most {
		n, err := strconv.ParseInt(s, 36, 64)
		return n, err == nil
	}
	if len(digits) < len(s) {
		n = -n
	}
	return n, true
}

// ErrUsage says that a text is no usage.
var ErrUsage = errors.New("malformed usage")

// Text gives the units that are not zero, such as "1:2s,4:e8", in base 36.
func (u *Usage) Text() string {
	var b []byte
	for unit, n := range u {
		if n == 0 {
			continue
		}
		if len(b) > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(unit), 36)
		b = append(b, ':')
		b = strconv.AppendInt(b, n, 36)
	}
	return string(b)
}

// ParseUsage is Text's inverse, and takes nothing else.
func ParseUsage(s string) (u Usage, err error) {
	for last := int64(-1); s != ""; {
		pair, rest, more := strings.Cut(s, ",")
		name, value, _ := strings.Cut(pair, ":")
		unit, ok1 := parse36(name)
		n, ok2 := parse36(value)
		if !ok1 || !ok2 || unit <= last || unit >= UnitCount || n == 0 || more && rest == "" {
			return Usage{}, ErrUsage
		}
		u[unit], last, s = n, unit, rest
	}
	return u, nil
}
