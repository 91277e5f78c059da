package policy

import (
	"strings"
	"testing"
	"time"
)

func TestHolidays(t *testing.T) {
	for text, c := range map[string]struct {
		list []string
		want bool
	}{
		"2026-07-04": {[]string{"us"}, true},
		"2026-07-03": {[]string{"US"}, true}, // the 4th is a Saturday
		"2026-11-26": {[]string{"us"}, true}, // the fourth Thursday
		"2026-11-27": {[]string{"us"}, false},
		"2026-04-06": {[]string{"2026-12-24", "de"}, true}, // Monday after Easter
		"2026-12-24": {[]string{"2026-12-24", "de"}, true},
		"2027-12-24": {[]string{"2026-12-24", "de"}, false},
		"2026-01-01": {nil, false},
	} {
		h, err := ParseHolidays(c.list)
		if err != nil {
			t.Fatal(err)
		}
		day, err := time.Parse(time.DateOnly, text)
		if err != nil {
			t.Fatal(err)
		}
		if got := h.On(day.Date()); got != c.want {
			t.Errorf("%v: %s is %v, want %v", c.list, text, got, c.want)
		}
	}
	if (Holidays{}).On(2026, time.January, 1) {
		t.Error("the zero value has a holiday")
	}
}

func TestHolidaysRefuse(t *testing.T) {
	for name, c := range map[string]struct {
		list []string
		want string
	}{
		"no country":  {[]string{"us", "xx"}, `"xx" is neither a date such as 2026-12-24 nor one of the countries ar, at,`},
		"no such day": {[]string{"2026-02-30"}, `"2026-02-30" is neither`},
		"too many":    {strings.Split(strings.Repeat("us,", 1000)+"us", ","), "1001 holidays: at most 1000"},
	} {
		if _, err := ParseHolidays(c.list); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	_, err := Compile(File{Name: "p", Data: []byte("org: acme\ncalendar: {holidays: [mars]}\n")}, Options{})
	if err == nil || !strings.Contains(err.Error(), "calendar.holidays") {
		t.Errorf("a policy with a holiday of mars: %v", err)
	}
}
