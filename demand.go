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
	// List is the price list that the request asks for, where the record's may be another: that which the answer told, or which a setting at the provider chose. It is
	// ListUnnamed, ListAuto, ListDefault or another list's name; empty where the record has what was asked for, or a release did not write it.
	List string
	// User and Session are pseudonyms of whom the call is for; empty where the request does not say, or nobody wants to know.
	User, Session string
	// Credential is the fingerprint of the one that the call goes out with, where its provider has several; else empty.
	Credential string
}

// Lists that have no name of their own in a call's Tier.
const (
	ListUnnamed = "-"       // none is named: a setting at the provider chooses one
	ListAuto    = "auto"    // the provider is asked to choose one
	ListDefault = "default" // the standard one, by its name
)

// Demand writes a demand, such as "0:1,1:2s;1;wq0;f": units, choices, and what else there is.
func (w Wanted) Demand() Demand {
	text := w.Bound.Text() + ";" + strconv.FormatInt(w.Choices, 36)
	if w.Weight > 0 {
		text += ";w" + strconv.FormatInt(w.Weight, 36)
	}
	if w.Fixed {
		text += ";f"
	}
	if w.List != "" {
		text += ";p" + w.List
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

// Credential is the fingerprint of the credential that a call goes out with; empty where its provider has one alone. It is looked for from the
// end, where it stands.
func (d Demand) Credential() string {
	if at := strings.LastIndexByte(string(d), ';'); at >= 0 && strings.HasPrefix(string(d[at:]), credentialPart) {
		return string(d[at+len(credentialPart):])
	}
	return ""
}

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
const demandParts = "twfpusk"

// Read is the inverse, and takes nothing else; it is not ok where the demand is not known.
func (d Demand) Read() (w Wanted, ok bool) {
	rest, ok := w.Bound.read(string(d))
	if !ok || rest == "" {
		return Wanted{}, false
	}
	if w.Choices, rest, ok = read36(rest[1:]); !ok {
		return Wanted{}, false
	}
	for last := -1; rest != ""; {
		if rest[0] != ';' || len(rest) == 1 {
			return Wanted{}, false
		}
		place, value := strings.IndexByte(demandParts, rest[1]), rest[2:]
		if end := strings.IndexByte(value, ';'); end >= 0 {
			value = value[:end]
		}
		ok = place > last && (value == "") == (rest[1] == 'f')
		switch last = place; rest[1] {
		case 'w':
			var more string
			var known bool
			w.Weight, more, known = read36(value)
			ok = ok && known && more == "" && w.Weight > 0
		case 'f':
			w.Fixed = true
		case 'p':
			w.List = value
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
		rest = rest[2+len(value):]
	}
	return w, true
}

// read36 reads the number in base 36 that a text begins with, as strconv.AppendInt writes it: without a plus, zeros before it or capitals. It
// gives what follows, too.
func read36(s string) (n int64, rest string, ok bool) {
	const most = 12 // digits, which cannot overflow; longer ones are read the long way
	from := 0
	if s != "" && s[0] == '-' {
		from = 1
	}
	end := from
digits:
	for ; end < len(s); end++ {
		switch c := s[end]; {
		case '0' <= c && c <= '9':
			n = n*36 + int64(c-'0')
		case 'a' <= c && c <= 'z':
			n = n*36 + int64(c-'a') + 10
		default:
			break digits
		}
	}
	switch {
	case end == from, s[from] == '0' && end > 1:
		return 0, "", false
	case end-from > most:
		n, err := strconv.ParseInt(s[:end], 36, 64)
		return n, s[end:], err == nil
	case from > 0:
		n = -n
	}
	return n, s[end:], true
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
	if rest, ok := u.read(s); !ok || rest != "" {
		return Usage{}, ErrUsage
	}
	return u, nil
}

// read sets the units that a text begins with, up to a semicolon or its end, and gives what follows.
func (u *Usage) read(s string) (rest string, ok bool) {
	if s == "" || s[0] == ';' {
		return s, true
	}
	for last := int64(-1); ; {
		unit, rest, ok := read36(s)
		if !ok || unit <= last || unit >= UnitCount || rest == "" || rest[0] != ':' {
			return "", false
		}
		n, rest, ok := read36(rest[1:])
		if !ok || n == 0 {
			return "", false
		}
		u[unit], last = n, unit
		switch {
		case rest == "" || rest[0] == ';':
			return rest, true
		case rest[0] != ',':
			return "", false
		}
		s = rest[1:]
	}
}
