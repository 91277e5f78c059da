package ratelimit

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// held is one limit's part of a hold.
type held struct {
	kind     byte // 'R', 'W' or 'N', as in the scripts
	key      string
	measure  sentinel.Measure
	amount   int64
	charge   bool
	max      int64
	periodUS int64
	endMS    int64
}

const (
	holdVersion = "1"
	maxHeld     = 64 // limits in one hold
	maxKey      = 48 // bytes of a cell's name within a key; longer names end in a hash
)

// kindOf names a limit's kind as the scripts do.
func kindOf(k sentinel.LimitKind) byte { return "RWN"[k] }

// keyOf gives a cell's key within its organisation. The window's start is part of it, so no
// counter is ever reset.
func keyOf(l sentinel.Limit) string {
	cell := strings.NewReplacer("{", "(", "}", ")", "|", "/", ",", "_").Replace(l.Cell)
	if len(cell) > maxKey {
		sum := sha256.Sum256([]byte(l.Cell))
		cell = cell[:maxKey-12] + "~" + base64.RawURLEncoding.EncodeToString(sum[:8])
	}
	key := string(kindOf(l.Kind)) + ":" + cell
	if l.Kind == sentinel.Window {
		key += ":" + strconv.FormatInt(l.Start.Unix(), 36)
	}
	return key
}

// encodeHold writes what a settlement needs of the chosen candidate.
func encodeHold(c sentinel.Candidate, bucket string) sentinel.Hold {
	var b strings.Builder
	b.WriteString(holdVersion + "|" + bucket)
	for _, l := range c.Limits {
		charge := 0
		if l.Charge {
			charge = 1
		}
		fmt.Fprintf(&b, "|%s,%d,%s,%d", keyOf(l), l.Measure, strconv.FormatInt(c.Bound[l.Measure], 36), charge)
		switch l.Kind {
		case sentinel.Rate:
			fmt.Fprintf(&b, ",%s,%s", strconv.FormatInt(l.Max, 36), strconv.FormatInt(l.Period.Microseconds(), 36))
		case sentinel.Window:
			fmt.Fprintf(&b, ",%s", strconv.FormatInt(l.End.UnixMilli(), 36))
		case sentinel.Concurrent: // nothing but the hold itself
		}
	}
	return sentinel.Hold(b.String())
}

// decodeHold reads what encodeHold wrote, strictly.
func decodeHold(h sentinel.Hold) (bucket string, entries []held, err error) {
	parts := strings.Split(string(h), "|")
	if len(parts) < 2 || parts[0] != holdVersion || len(parts) > maxHeld+2 {
		return "", nil, fmt.Errorf("malformed hold of %d parts", len(parts))
	}
	if _, err := strconv.ParseUint(parts[1], 10, 53); err != nil {
		return "", nil, fmt.Errorf("malformed hold: bucket %q", parts[1])
	}
	for _, p := range parts[2:] {
		e, err := decodeHeld(strings.Split(p, ","))
		if err != nil {
			return "", nil, fmt.Errorf("malformed hold: %w", err)
		}
		entries = append(entries, e)
	}
	return parts[1], entries, nil
}

func decodeHeld(f []string) (held, error) {
	if len(f) < 4 || len(f[0]) < 3 || f[0][1] != ':' {
		return held{}, fmt.Errorf("entry of %d fields", len(f))
	}
	e := held{kind: f[0][0], key: f[0], charge: f[3] == "1", max: 1, periodUS: 1}
	fields := map[byte]int{'R': 6, 'W': 5, 'N': 4}[e.kind]
	if len(f) != fields {
		return e, fmt.Errorf("entry %q has %d fields", f[0], len(f))
	}
	if f[3] != "0" && f[3] != "1" {
		return e, fmt.Errorf("entry %q has no charge flag", f[0])
	}
	measure, err := strconv.ParseUint(f[1], 10, 8)
	if err != nil || measure >= sentinel.MeasureCount {
		return e, fmt.Errorf("entry %q has no measure", f[0])
	}
	e.measure = sentinel.Measure(measure)
	targets := []*int64{&e.amount}
	texts := []string{f[2]}
	switch e.kind {
	case 'R':
		targets, texts = append(targets, &e.max, &e.periodUS), append(texts, f[4], f[5])
	case 'W':
		targets, texts = append(targets, &e.endMS), append(texts, f[4])
	}
	for i, t := range targets {
		if *t, err = strconv.ParseInt(texts[i], 36, 64); err != nil || *t < 0 {
			return e, fmt.Errorf("entry %q has a bad number", f[0])
		}
	}
	if e.max == 0 || e.periodUS == 0 {
		return e, fmt.Errorf("entry %q has a zero rate", f[0])
	}
	return e, nil
}
