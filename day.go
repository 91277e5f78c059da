package sentinel

import "time"

// DayStart is a local day's first moment: the first at which the zone's clock shows midnight of that day or later.
// time.Date alone would not do where clocks jump over midnight, or pass it twice.
func DayStart(year int, month time.Month, day int, zone *time.Location) time.Time {
	midnight := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	at := midnight.Add(-27 * time.Hour) // before it in every zone: offsets stay under 16 hours
	for range 8 {
		local := at.In(zone)
		_, offset := local.Zone()
		reached := midnight.Add(-time.Duration(offset) * time.Second)
		if reached.Before(at) { // a jump went over it
			return at
		}
		_, change := local.ZoneBounds()
		if change.IsZero() || reached.Before(change) {
			return reached
		}
		at = change.UTC()
	}
	return at
}
