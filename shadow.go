package sentinel

import (
	"strconv"
	"strings"
)

// MaxShadows is how many shadows judge a call: the rules in shadow of the policy in force, and a candidate policy.
const MaxShadows = 2

// Shadow is what a shadow would have made of a call that the policy in force has judged.
type Shadow struct {
	Policy string // the candidate's version; empty for the rules in shadow of the policy in force
	Same   bool   // as the policy in force did; the fields below are empty
	Action Action
	Reason Reason
	Limit  string // name of the limit or rule that decided, when one did
	Model  string // of a downgrade or fallback; PROVIDER/MODEL of the latter
}

// Rule is the rule or scope whose limit decided.
func (s Shadow) Rule() string {
	rule, _, _ := strings.Cut(s.Limit, ": ")
	return rule
}

// Shadows are what shadows would have made of a call, as a short text: it travels with the call, and stands on its entry where one differs.
type Shadows string

const (
	shadowSame   = "="
	shadowFields = 5
)

var shadowText = strings.NewReplacer("|", "/", ";", ",", "\x1f", " ")

// ShadowsOf writes what shadows said.
func ShadowsOf(list []Shadow) Shadows {
	texts := make([]string, len(list))
	for i, s := range list {
		if texts[i] = shadowSame; !s.Same {
			texts[i] = strings.Join([]string{s.Policy, strconv.Itoa(int(s.Action)), string(s.Reason), shadowText.Replace(s.Limit), shadowText.Replace(s.Model)}, "|")
		}
	}
	return Shadows(strings.Join(texts, ";"))
}

// Read is ShadowsOf's inverse. What is malformed is left out.
func (s Shadows) Read() []Shadow {
	if s == "" {
		return nil
	}
	var out []Shadow
	for text := range strings.SplitSeq(string(s), ";") {
		f := strings.Split(text, "|")
		action, err := strconv.ParseUint(f[min(1, len(f)-1)], 10, 8)
		switch {
		case text == shadowSame:
			out = append(out, Shadow{Same: true})
		case len(f) == shadowFields && err == nil && len(out) < MaxShadows:
			out = append(out, Shadow{Policy: f[0], Action: Action(action), Reason: Reason(f[2]), Limit: f[3], Model: f[4]})
		}
	}
	return out
}

// Different keeps the shadows that judge otherwise; it is empty where none does.
func (s Shadows) Different() Shadows {
	var out []Shadow
	for _, one := range s.Read() {
		if !one.Same {
			out = append(out, one)
		}
	}
	return ShadowsOf(out)
}
