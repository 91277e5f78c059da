package provider

import "strings"

// encodedMeter is the meter of an answer in an encoding that nobody asked for: the gateway sends accept-encoding: identity. It
// is never decoded, so that no answer can become larger than what came, and booked at the bound of its admission.
type encodedMeter struct{ spec MeterSpec }

// Write passes everything on.
func (encodedMeter) Write(chunk []byte) []byte { return chunk }

// Finish gives the most that the call can have used, whole or cut off.
func (m encodedMeter) Finish(bool) Metered {
	return Metered{Usage: m.spec.atBound(), Method: methodBound}
}

// encoded tells whether the body of a metered, successful answer cannot be read as it is.
func (s MeterSpec) encoded() bool {
	if s.Header == nil || !s.Endpoint.Meters || s.Status >= 300 {
		return false
	}
	coding := strings.ToLower(strings.TrimSpace(s.Header("content-encoding")))
	return coding != "" && coding != "identity"
}
