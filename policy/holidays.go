package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rickar/cal/v2"
	"github.com/rickar/cal/v2/ar"
	"github.com/rickar/cal/v2/at"
	"github.com/rickar/cal/v2/be"
	"github.com/rickar/cal/v2/bg"
	"github.com/rickar/cal/v2/br"
	"github.com/rickar/cal/v2/ca"
	"github.com/rickar/cal/v2/ch"
	"github.com/rickar/cal/v2/cz"
	"github.com/rickar/cal/v2/de"
	"github.com/rickar/cal/v2/dk"
	"github.com/rickar/cal/v2/es"
	"github.com/rickar/cal/v2/fr"
	"github.com/rickar/cal/v2/gb"
	"github.com/rickar/cal/v2/gr"
	"github.com/rickar/cal/v2/hr"
	"github.com/rickar/cal/v2/ie"
	"github.com/rickar/cal/v2/it"
	"github.com/rickar/cal/v2/jp"
	"github.com/rickar/cal/v2/lt"
	"github.com/rickar/cal/v2/lv"
	"github.com/rickar/cal/v2/mw"
	"github.com/rickar/cal/v2/nc"
	"github.com/rickar/cal/v2/nl"
	"github.com/rickar/cal/v2/no"
	"github.com/rickar/cal/v2/nz"
	"github.com/rickar/cal/v2/pl"
	"github.com/rickar/cal/v2/ro"
	"github.com/rickar/cal/v2/ru"
	"github.com/rickar/cal/v2/se"
	"github.com/rickar/cal/v2/si"
	"github.com/rickar/cal/v2/sk"
	"github.com/rickar/cal/v2/ua"
	"github.com/rickar/cal/v2/us"
	"github.com/rickar/cal/v2/za"
)

// countries are the public holidays of a whole country, by its ISO 3166 code.
var countries = map[string][]*cal.Holiday{
	"ar": ar.Holidays, "at": at.Holidays, "be": be.Holidays, "bg": bg.Holidays, "br": br.Holidays, "ca": ca.Holidays, "ch": ch.Holidays,
	"cz": cz.Holidays, "de": de.Holidays, "dk": dk.Holidays, "es": es.Holidays, "fr": fr.Holidays, "gb": gb.Holidays, "gr": gr.Holidays,
	"hr": hr.Holidays, "ie": ie.Holidays, "it": it.Holidays, "jp": jp.Holidays, "lt": lt.Holidays, "lv": lv.Holidays, "mw": mw.Holidays,
	"nc": nc.Holidays, "nl": nl.Holidays, "no": no.Holidays, "nz": nz.Holidays, "pl": pl.Holidays, "ro": ro.Holidays, "ru": ru.Holidays,
	"se": se.Holidays, "si": si.Holidays, "sk": sk.Holidays, "ua": ua.Holidays, "us": us.Holidays, "za": za.Holidays,
}

// Bounds of holidays: entries of a list, and the years in which those of countries are known.
const (
	maxHolidays = 1000
	firstYear   = 2000
	lastYear    = 2100
)

// Holidays are the days on which a business is shut; the zero value has none. Forecasts learn what they do to spend.
type Holidays struct{ days map[holiday]bool }

type holiday struct {
	year  int
	month time.Month
	day   int
}

// ParseHolidays reads countries and dates, such as us and 2026-12-24. Days off for a holiday at a weekend are holidays too.
func ParseHolidays(list []string) (Holidays, error) {
	if len(list) > maxHolidays {
		return Holidays{}, fmt.Errorf("%d holidays: at most %d are read", len(list), maxHolidays)
	}
	out := Holidays{days: map[holiday]bool{}}
	add := func(day time.Time) {
		if !day.IsZero() {
			year, month, at := day.Date()
			out.days[holiday{year, month, at}] = true
		}
	}
	for _, one := range list {
		if country, ok := countries[strings.ToLower(one)]; ok {
			for _, h := range country {
				for year := firstYear; year <= lastYear; year++ {
					actual, observed := h.Calc(year)
					add(actual)
					add(observed)
				}
			}
			continue
		}
		day, err := time.Parse(time.DateOnly, one)
		if err != nil {
			return Holidays{}, fmt.Errorf("%q is neither a date such as 2026-12-24 nor one of the countries %s", clip(one), strings.Join(slices.Sorted(maps.Keys(countries)), ", "))
		}
		add(day)
	}
	return out, nil
}

// On tells whether a day is one.
func (h Holidays) On(year int, month time.Month, day int) bool {
	return h.days[holiday{year, month, day}]
}
