package provider

import (
	"slices"
	"strings"
)

// Observed is how many tokens a provider reported for what weighs so much here: a prompt by its spelling, or an answer by our count of its text.
type Observed struct {
	Model          string
	Weight, Tokens int64
}

// Bounds of calibration.
const (
	leastPrompts = 20     // of a model or its family: with fewer, an estimate is the weight itself
	keptPrompts  = 256    // the newest of each
	maxKept      = 10_000 // models and families
	// Ratios are in thousandths of a token by weight. What is outside had an image within its text, or text that the request did not show.
	leastRatio, mostRatio = 250, 8_000
)

// Calibrator gathers how many tokens of each model a weight comes to. The zero value is ready; it is not safe for concurrent use.
type Calibrator struct {
	ratios map[string][]int64 // rings, by model and by family
	at     map[string]int
}

// Add takes what a call showed.
func (c *Calibrator) Add(p Observed) {
	if p.Tokens <= 0 || p.Weight <= 0 || p.Weight > maxReported || p.Tokens > maxReported {
		return
	}
	ratio := p.Tokens * milli / p.Weight
	if ratio < leastRatio || ratio > mostRatio {
		return
	}
	c.add(p.Model, ratio)
	if f := family(p.Model); f != p.Model {
		c.add(f, ratio)
	}
}

const milli = 1000

func (c *Calibrator) add(name string, ratio int64) {
	if c.ratios == nil {
		c.ratios, c.at = map[string][]int64{}, map[string]int{}
	}
	ring, known := c.ratios[name]
	switch {
	case !known && len(c.ratios) >= maxKept:
	case len(ring) < keptPrompts:
		c.ratios[name] = append(ring, ratio)
	default:
		ring[c.at[name]] = ratio
		c.at[name] = (c.at[name] + 1) % keptPrompts
	}
}

// Ratios gives a snapshot: the median of each model and family that was seen often enough.
func (c *Calibrator) Ratios() Ratios {
	out := Ratios{}
	for name, ring := range c.ratios {
		if len(ring) >= leastPrompts {
			out[name] = middle(slices.Clone(ring))
		}
	}
	return out
}

// Ratios are thousandths of a token by weight, by model and family. It is not changed once it is made.
type Ratios map[string]int64

// Of gives a model's ratio, or that of its family; 0 where neither is known.
func (r Ratios) Of(model string) int64 {
	if n, ok := r[model]; ok {
		return n
	}
	return r[family(model)]
}

// family is a model's name up to its first digit: releases of one family rarely change the tokenizer.
func family(model string) string {
	if at := strings.IndexAny(model, "0123456789"); at > 0 {
		return model[:at] + "*"
	}
	return model
}
