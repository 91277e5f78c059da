package sentinel

import "time"

// Charge is the sum of the entries that share a payer, what was called, and a period.
type Charge struct {
	Start, End time.Time // UTC, [Start, End)
	Caller     Caller
	Provider   string
	Endpoint   string
	Model      string
	Tier       string
	Calls      int64
	Estimated  int64   // of the calls, those whose usage is not the provider's own word
	Doubted    int64   // of the calls, those whose provider's report the gateway's own count stands beside
	Own        Counted // the sums of those counts
	Usage      Usage
	Cost       NanoUSD
}
