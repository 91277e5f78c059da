package ratelimit

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// receipt is what a settlement needs of a reservation; a Hold is its text.
type receipt struct {
	bucket int64 // in which the hold dies
	at     int64 // when it was made, by Redis' clock, in Unix microseconds
	held   []held
}

// held is one limit's part of a hold.
type held struct {
	kind     byte // 'R', 'W' or 'N', as in the scripts
	key      string
	measure  sentinel.Measure
	amount   int64
	charge   bool
	max      int64   // of a rate, and of a window that warns
	periodUS int64   // of a rate
	mark     int64   // of a rate: its arrival time after the admission, see admit.lua
	endMS    int64   // of a window
	warnAt   []int64 // of a window
	shadow   int     // 0: the call's own; else which of the ask's shadows, from 1
}

// actual is what a call took of a limit, or would have taken.
func (h held) actual(s sentinel.Settlement) int64 {
	if h.shadow > 0 && h.shadow <= len(s.Shadows) {
		return s.Shadows[h.shadow-1][h.measure]
	}
	return s.Actual[h.measure]
}

const (
	holdVersion = "2"
	maxHeld     = 64  // limits in one hold
	maxShares   = 16  // shares of one limit
	shadowMark  = "+" // stands before the parts of the next shadow
	maxKey      = 48  // bytes of a cell's name within a key; longer names end in a hash
)

// kindOf names a limit's kind as the scripts do.
func kindOf(k sentinel.LimitKind) byte { return "RWN"[k] }

var reserved = strings.NewReplacer("{", "(", "}", ")", "|", "/", ",", "_")

// keyOf gives a cell's key within its organisation. The window's start is part of it, so no
// counter is ever reset.
func keyOf(l sentinel.Limit) string {
	cell := reserved.Replace(l.Cell)
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

// receiptOf says what a candidate holds. Marks are the rates' arrival times, in the order of the limits.
func receiptOf(c sentinel.Candidate, bucket, at int64, marks []int64) receipt {
	r := receipt{bucket: bucket, at: at}
	r.add([]sentinel.Candidate{c}, 0, marks, 0)
	return r
}

// add takes the limits that the chosen candidate of the call or of a shadow holds, if one does. It tells whether there is a mark for each.
func (r *receipt) add(of []sentinel.Candidate, chosen int, marks []int64, shadow int) bool {
	if chosen < 0 {
		return len(marks) == 0
	}
	c := of[chosen]
	r.held = slices.Grow(r.held, len(c.Limits))
	for i := range c.Limits {
		l := &c.Limits[i]
		if l.Look {
			continue
		}
		if len(marks) == 0 {
			return false
		}
		h := heldOf(l, keyOf(*l), c.Bound[l.Measure], marks[0])
		h.shadow = shadow
		r.held, marks = append(r.held, h), marks[1:]
	}
	return len(marks) == 0
}

// heldOf is one limit's part.
func heldOf(l *sentinel.Limit, key string, amount, mark int64) held {
	h := held{kind: kindOf(l.Kind), key: key, measure: l.Measure, amount: amount, charge: l.Charge}
	switch l.Kind {
	case sentinel.Rate:
		h.max, h.periodUS, h.mark = l.Max, periodOf(*l), mark
	case sentinel.Window:
		h.endMS = l.End.UnixMilli()
		if len(l.WarnAt) > 0 {
			h.max, h.warnAt = l.Max, l.WarnAt
		}
	case sentinel.Concurrent: // nothing but the amount
	}
	return h
}

// periodOf is a rate's period in microseconds.
func periodOf(l sentinel.Limit) int64 { return max(1, l.Period.Microseconds()) }

// encode writes a receipt as short as a ticket needs it.
func (r receipt) encode() sentinel.Hold {
	var room [512]byte // of most
	b := room[:0]
	number := func(before byte, n int64) { b = strconv.AppendInt(append(b, before), n, 36) }
	b = append(b, holdVersion...)
	number('|', r.bucket)
	number('|', r.at)
	shadow := 0
	for _, h := range r.held {
		for ; shadow < h.shadow; shadow++ {
			b = append(append(b, '|'), shadowMark...)
		}
		b = append(append(b, '|'), h.key...)
		number(',', int64(h.measure))
		number(',', h.amount)
		b = append(append(b, ','), flag(h.charge)...)
		switch h.kind {
		case 'R':
			number(',', h.max)
			number(',', h.periodUS)
			number(',', h.mark)
		case 'W':
			number(',', h.endMS)
			if len(h.warnAt) > 0 {
				number(',', h.max)
				for i, share := range h.warnAt {
					number(",."[min(i, 1)], share)
				}
			}
		}
	}
	return sentinel.Hold(b)
}

// decodeHold reads what encode wrote, strictly.
func decodeHold(h sentinel.Hold) (receipt, error) {
	parts := strings.Split(string(h), "|")
	if len(parts) < 3 || parts[0] != holdVersion || len(parts) > maxHeld+3 {
		return receipt{}, fmt.Errorf("malformed hold of %d parts", len(parts))
	}
	var r receipt
	if err := parse(parts[1:3], &r.bucket, &r.at); err != nil {
		return receipt{}, fmt.Errorf("malformed hold: %w", err)
	}
	shadow := 0
	for _, p := range parts[3:] {
		if p == shadowMark {
			shadow++
			continue
		}
		e, err := decodeHeld(strings.Split(p, ","))
		if err != nil {
			return receipt{}, fmt.Errorf("malformed hold: %w", err)
		}
		e.shadow = shadow
		r.held = append(r.held, e)
	}
	return r, nil
}

// parse reads numbers that are 0 or more.
func parse(texts []string, targets ...*int64) (err error) {
	for i, t := range targets {
		if *t, err = strconv.ParseInt(texts[i], 36, 64); err != nil || *t < 0 {
			return errors.New("a bad number")
		}
	}
	return nil
}

func decodeHeld(f []string) (held, error) {
	if len(f) < 4 || len(f[0]) < 3 || f[0][1] != ':' {
		return held{}, fmt.Errorf("entry of %d fields", len(f))
	}
	e := held{kind: f[0][0], key: f[0], charge: f[3] == "1", max: 1, periodUS: 1}
	if f[3] != "0" && f[3] != "1" {
		return e, fmt.Errorf("entry %q has no charge flag", f[0])
	}
	var measure int64
	err := parse(f[1:3], &measure, &e.amount)
	switch {
	case err != nil:
	case e.kind == 'R' && len(f) == 7:
		err = parse(f[4:], &e.max, &e.periodUS, &e.mark)
	case e.kind == 'W' && len(f) == 5:
		err = parse(f[4:], &e.endMS)
	case e.kind == 'W' && len(f) == 7:
		if err = parse(f[4:6], &e.endMS, &e.max); err == nil {
			e.warnAt, err = decodeShares(f[6])
		}
	case e.kind == 'N' && len(f) == 4:
	default:
		err = fmt.Errorf("%d fields", len(f))
	}
	if err == nil && (measure >= sentinel.MeasureCount || e.max == 0 || e.periodUS == 0) {
		err = errors.New("no such measure or rate")
	}
	e.measure = sentinel.Measure(measure)
	if err != nil {
		return e, fmt.Errorf("entry %q: %w", f[0], err)
	}
	return e, nil
}

func decodeShares(s string) ([]int64, error) {
	texts := strings.Split(s, ".")
	if len(texts) > maxShares {
		return nil, fmt.Errorf("%d shares", len(texts))
	}
	shares := make([]int64, len(texts))
	for i := range texts {
		if err := parse(texts[i:], &shares[i]); err != nil {
			return nil, err
		}
	}
	return shares, nil
}

// threshold is the first amount that reaches a share of a limit, rounded up; the largest number where none does.
func threshold(limit, share int64) int64 {
	hi, lo := bits.Mul64(uint64(limit), uint64(share))
	lo, carry := bits.Add64(lo, sentinel.FullShare-1, 0)
	if hi += carry; hi >= sentinel.FullShare {
		return math.MaxInt64
	}
	q, _ := bits.Div64(hi, lo, sentinel.FullShare)
	return int64(min(q, math.MaxInt64))
}

// rest lays out what settle.lua reads of a kind beside the amounts: of a rate its max, period and mark, of a window its end and thresholds.
func (h held) rest() string {
	b := make([]byte, 0, 64)
	number := func(n int64, after string) { b = append(strconv.AppendInt(b, n, 10), after...) }
	switch h.kind {
	case 'R':
		number(h.max, " ")
		number(h.periodUS, " ")
		number(h.mark, "")
	case 'W':
		number(h.endMS, "")
		for _, share := range h.warnAt {
			b = append(b, ' ')
			number(share, ":")
			number(threshold(h.max, share), "")
		}
	}
	return string(b)
}

// crossing names a window's cell again from its key.
func (h held) crossing(share, posted int64) sentinel.Crossing {
	cell, start := h.key[2:], time.Time{}
	if at := strings.LastIndexByte(cell, ':'); at >= 0 {
		if n, err := strconv.ParseInt(cell[at+1:], 36, 64); err == nil {
			cell, start = cell[:at], time.Unix(n, 0).UTC()
		}
	}
	return sentinel.Crossing{Cell: cell, Start: start, Share: share, Posted: posted, Max: h.max}
}

func flag(b bool) string {
	if b {
		return "1"
	}
	return "0"
}
