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
	return Demand(text)
}

// What begins the parts of a demand that say whom its call is for.
const userPart, sessionPart = ";u", ";s"

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

// Read is the inverse; it is not ok where the demand is not known.
func (d Demand) Read() (w Wanted, ok bool) {
	bound, rest, found := strings.Cut(string(d), ";")
	if !found {
		return Wanted{}, false
	}
	choices, rest, more := strings.Cut(rest, ";")
	var err error
	if w.Choices, err = strconv.ParseInt(choices, 36, 64); err != nil {
		return Wanted{}, false
	}
	for more {
		var p string
		p, rest, more = strings.Cut(rest, ";")
		switch number, isWeight := strings.CutPrefix(p, "w"); {
		case p == "f":
			w.Fixed = true
		case strings.HasPrefix(p, userPart[1:]):
			w.User = p[1:]
		case strings.HasPrefix(p, sessionPart[1:]):
			w.Session = p[1:]
		case strings.HasPrefix(p, "t"): // the bytes of the prompt's text, in earlier rows: its weight is not known
			d = Demand(strings.Replace(string(d), ";"+p, "", 1))
		case isWeight:
			if w.Weight, err = strconv.ParseInt(number, 36, 64); err != nil {
				return Wanted{}, false
			}
		default:
			return Wanted{}, false
		}
	}
	w.Bound, err = ParseUsage(bound)
	return w, err == nil && w.Demand() == d // each part once, and in its place
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

// ParseUsage is Text's inverse.
func ParseUsage(s string) (u Usage, err error) {
	for s != "" {
		var pair string
		pair, s, _ = strings.Cut(s, ",")
		name, value, _ := strings.Cut(pair, ":")
		unit, err1 := strconv.ParseUint(name, 36, 8)
		n, err2 := strconv.ParseInt(value, 36, 64)
		if err1 != nil || err2 != nil || unit >= UnitCount {
			return Usage{}, ErrUsage
		}
		u[unit] = n
	}
	return u, nil
}
