package policy

import "time"

// Capture says which bodies of a call are stored, sealed, and for how long. The zero value is none.
type Capture struct {
	Request, Response bool
	MaxBytes          int // of each body; what follows is not kept
	Keep              time.Duration
}

// Any tells whether a body is stored.
func (c Capture) Any() bool { return c.Request || c.Response }

// Bounds of capture. A body waits in memory until it is sealed and written, so it is a sample of a long one.
const (
	minCaptureBytes     = 256
	maxCaptureBytes     = 256 << 10
	defaultCaptureBytes = 16 << 10
	minCaptureKeep      = time.Minute
	maxCaptureKeep      = 90 * 24 * time.Hour
)

type captureYAML struct {
	Bodies   []string      `yaml:"bodies,required" enum:"request,response" doc:"Which bodies: the request as its client sent it, where the price or the policy has it read, and the response as its client gets it."`
	Keep     time.Duration `yaml:"keep,required" doc:"After this time they are deleted, 1m to 2160h."`
	MaxBytes int           `yaml:"max_bytes" doc:"The most that is kept of each body, from its beginning, 256 to 262144. Default: 16384."`
}

// capture reads which bodies of a rule's calls are stored.
func (c *compiler) capture(key string, y ruleYAML, r *rule) {
	in := y.Capture
	if in == nil {
		return
	}
	r.capture = Capture{MaxBytes: defaultCaptureBytes, Keep: in.Keep}
	for _, body := range in.Bodies {
		r.capture.Request = r.capture.Request || body == "request"
		r.capture.Response = r.capture.Response || body == "response"
	}
	if len(in.Bodies) == 0 && c.Sound(key+".bodies") {
		c.Fault(key+".bodies", "say which: request, response or both")
	}
	if c.Sound(key+".keep") && (in.Keep < minCaptureKeep || in.Keep > maxCaptureKeep || in.Keep%time.Second != 0) {
		c.Fault(key+".keep", "%s is not a number of seconds from %s to %s", in.Keep, minCaptureKeep, maxCaptureKeep)
	}
	if c.Has(key + ".max_bytes") {
		if r.capture.MaxBytes = in.MaxBytes; in.MaxBytes < minCaptureBytes || in.MaxBytes > maxCaptureBytes {
			c.Fault(key+".max_bytes", "%d is outside %d to %d", in.MaxBytes, minCaptureBytes, maxCaptureBytes)
		}
	}
	if r.shadow {
		c.Fault(key, "a rule in shadow stores nothing: enforce it, or leave capture out")
	}
}

// Captures tells whether a rule stores bodies.
func (s *Set) Captures() bool {
	for i := range s.rules {
		if s.rules[i].capture.Any() {
			return true
		}
	}
	return false
}
