package sentinel

import "testing"

func TestDemandIsReadAsItWasWritten(t *testing.T) {
	var bound Usage
	bound[InputTokens], bound[OutputTokens] = 100, -1
	for text, want := range map[Demand]Wanted{
		"1:2s,4:-1;1":       {Bound: bound, Choices: 1},
		"1:2s,4:-1;1;f":     {Bound: bound, Choices: 1, Fixed: true},
		"1:2s,4:-1;2;wb4":   {Bound: bound, Choices: 2, Weight: 400},
		"1:2s,4:-1;2;wb4;f": {Bound: bound, Choices: 2, Weight: 400, Fixed: true},
		"1:2s,4:-1;1;p-":    {Bound: bound, Choices: 1, List: ListUnnamed},
		"1:2s,4:-1;1;uA-b":  {Bound: bound, Choices: 1, User: "A-b"},

		"1:2s,4:-1;2;wb4;f;uA_;sZ":   {Bound: bound, Choices: 2, Weight: 400, Fixed: true, User: "A_", Session: "Z"},
		"1:2s,4:-1;1;pflex;uA;sZ;kQ": {Bound: bound, Choices: 1, List: "flex", User: "A", Session: "Z", Credential: "Q"},
	} {
		if got, ok := text.Read(); !ok || got != want || want.Demand() != text {
			t.Errorf("%s reads as %+v and %v, and is written %s", text, got, ok, want.Demand())
		}
	}
	if got, ok := Demand("1:2s,4:-1;2;tb4;f").Read(); !ok || got != (Wanted{Bound: bound, Choices: 2, Fixed: true}) {
		t.Errorf("a demand with the bytes of its text reads as %+v and %v", got, ok)
	}
	for _, text := range []Demand{"", "1:2s", "1:2s;x!", "1:2s;1;g", "1:2s;1;w!", "1:2s;1;w1;f;f", "99:1;1", "1:2s;1;sZ;uA", "1:2s;1;u", "1:2s;1;", "1:2s;01", "1:2S;1", "1:2s;+1",
		"1:2s;1;w0", "1:2s;1;w-1", "1:2s;1;f1", "1:2s;1;p", "1:2s;1;p-;f", "1:2s,1:2s;1", "4:1,1:2s;1", "1:0;1", "1:2s,;1", "-1:1;1"} {
		if got, ok := text.Read(); ok {
			t.Errorf("%q reads as %+v", text, got)
		}
	}
}

func TestADemandSaysWhomItsCallIsFor(t *testing.T) {
	d := Wanted{Choices: 1, Weight: 5, Fixed: true, User: Pseudonym("acme", "user", "ada"), Session: Pseudonym("acme", "session", "ada")}.Demand()
	if d.User() == "" || d.Session() == "" || d.User() == d.Session() || d.User() != Pseudonym("acme", "user", "ada") {
		t.Errorf("%s is for user %q in session %q", d, d.User(), d.Session())
	}
	if other := Pseudonym("umbrella", "user", "ada"); other == d.User() {
		t.Error("two organisations give a user the same pseudonym")
	}
	if d := (Wanted{Choices: 1, Fixed: true}).Demand(); d.User() != "" || d.Session() != "" {
		t.Errorf("%s is for user %q in session %q, want none", d, d.User(), d.Session())
	}
}
