package governor

import (
	"sync"
	"sync/atomic"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/provider"
)

const (
	sampledOf    = 16 // streams, of which one is counted
	outputsEvery = 30 * time.Second
)

// outputs learn what the gateway's count of an answer's text comes to by the provider's, from streams that were reported whole. What this process
// learnt ends with it.
type outputs struct {
	mu     sync.Mutex
	seen   provider.Calibrator
	made   time.Time
	ratios atomic.Pointer[provider.Ratios]
}

func (o *outputs) learn(p provider.Observed, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seen.Add(p)
	if now.Sub(o.made).Abs() >= outputsEvery {
		r := o.seen.Ratios()
		o.ratios.Store(&r)
		o.made = now
	}
}

// OutputMilliTokens is what the answers of a model usually come to by the gateway's count of their text, in thousandths; 0 where that is not known.
func (g *Governor) OutputMilliTokens(model string) int64 {
	if r := g.outputs.ratios.Load(); r != nil {
		return r.Of(model)
	}
	return 0
}

// Sampled tells whether a stream is one of those from which outputs are learnt.
func Sampled(id sentinel.CallID) bool { return id[len(id)-1]%sampledOf == 0 }
