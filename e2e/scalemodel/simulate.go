package main

import (
	"container/heap"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// What the gateway does by itself, as it is in the code.
const (
	reserveShare  = 0.65  // of a call's time in Redis; docs/bench/limits/script_time.json has 82 µs to reserve and 45 µs to settle
	redisDeadline = 0.025 // seconds; a call that waits for longer is refused
	batchRecords  = 2000  // of one write to the ledger; a call leaves two, an intent and an entry
	batchRest     = 0.25  // seconds between writes that are not full
	firstRetry    = 1.0   // seconds until a write that failed is tried again, twice as long each time
	longestRetry  = 5.0   // seconds
	tellingLag    = 1.0   // seconds; an entry that is later on the ledger tells of something that was away
	retrySpread   = 1.0   // seconds within which clients whose calls were reset call again
	maxCalls      = 10_000_000
)

// Part is what dies in a simulation: one Envoy with its sentinel, the fullest master of Redis, the database, or nothing.
type Part int

// Parts of a site.
const (
	Nothing Part = iota
	Unit
	Redis
	Database
)

// Simulation follows every call of a site in its busiest time, event by event. The same one has the same outcome.
type Simulation struct {
	Site
	Measured
	Masters int     // of the Redis Cluster
	Cores   int     // of the database
	Seconds float64 // that are followed
	Killed  Part    // dies At, and is back after For
	At, For float64 // seconds
}

// Outcome is what a simulation saw.
type Outcome struct {
	Running0, Began, Refused, Reset, Ended int64   // calls: that ran at the beginning, and what became of them and of others
	Running                                int64   // at the end
	MeanRunning                            float64 // at once
	Waits                                  Spread  // seconds that a script waits for its turn at the fullest master
	Busy                                   float64 // share of its one thread
	Batches                                Spread  // seconds that a write waits for a core of the database
	Records                                float64 // of a write, mean
	Written                                float64 // share of the database's cores
	Lag                                    Spread  // seconds from a call's end until its entry is on the ledger
	Entries, Backlog                       int64   // on the ledger, and in spools
	Recovered                              float64 // seconds from the part's return until nothing tells of it any longer
}

// Spread is of many values.
type Spread struct{ Mean, P50, P99, Most float64 }

func spreadOf(values []float64) Spread {
	if len(values) == 0 {
		return Spread{}
	}
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	slices.Sort(values)
	return Spread{Mean: sum / float64(len(values)), P50: values[len(values)/2], P99: values[len(values)*99/100], Most: values[len(values)-1]}
}

// event is something that happens at a unit.
type event struct {
	at   float64
	seq  int64 // of two at once, the first that was planned
	do   func(*course, event)
	unit int
	org  int
	life int // of the unit, when it was planned
}

type events []event

func (e events) Len() int      { return len(e) }
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].seq < e[j].seq
}
func (e *events) Push(x any) { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

// record waits in a spool; an entry ends a call.
type record struct {
	born  float64
	entry bool
}

// unit is an Envoy and its sentinel.
type unit struct {
	running int64
	life    int // grows when it dies
	spool   []record
	batch   int     // records that are being written
	busy    bool    // it writes, or rests
	retry   float64 // seconds that it waited before its last try
}

// course is a simulation on its way.
type course struct {
	Simulation
	random   *rand.Rand
	queue    events
	seq      int64
	now      float64
	units    []unit
	share    []float64 // of calls that the organisations up to one have
	masterOf []int
	fullest  int
	free     []float64 // when a master has done what it was given
	cores    []float64 // when a core has
	settles  []event   // that wait for their master
	down     Part
	running  int64
	area     float64 // of running over time
	told     float64 // when something last told of the part
	busy     float64
	out      Outcome
	waits    []float64
	batches  []float64
	lags     []float64
	records  int64
	written  float64
}

// Validate reports what cannot be followed.
func (s Simulation) Validate() error {
	if s.Masters < 1 || s.Cores < 1 || s.Seconds <= 0 || s.peakRate()*s.Seconds > maxCalls {
		return fmt.Errorf("%d masters, %d cores, %.0f s of %.0f calls/s: at least one of each, and at most %d calls", s.Masters, s.Cores, s.Seconds, s.peakRate(), maxCalls)
	}
	return nil
}

// Run follows the calls. Units are alike, so that calls of the whole site arrive at random (exponential gaps), each at any of them.
func (s Simulation) Run() (Outcome, error) {
	if err := s.Validate(); err != nil {
		return Outcome{}, err
	}
	c := &course{Simulation: s, random: rand.New(rand.NewPCG(s.Seed, 1)), units: make([]unit, s.Envoys), free: make([]float64, s.Masters), cores: make([]float64, s.Cores)}
	rates, sum := make([]float64, s.Masters), 0.0
	for i, share := range s.shares() {
		at := slot(fmt.Sprintf("o:org-%d", i)) * s.Masters / slots
		sum += share
		c.share, c.masterOf = append(c.share, sum), append(c.masterOf, at)
		if rates[at] += share; rates[at] > rates[c.fullest] {
			c.fullest = at
		}
	}
	for range int(math.Round(s.peakRate() * s.meanTime())) {
		c.out.Running0++
		stream := c.random.Float64() < s.Streams*s.StreamTime/s.meanTime() // of those that run at a moment, more are long
		c.start(c.random.IntN(s.Envoys), c.org(), 0, stream)
	}
	for i := range c.units { // which were not started at once
		c.units[i].busy = true
		c.plan(event{at: c.random.Float64() * batchRest, do: write, unit: i})
	}
	c.plan(event{at: c.gap(), do: arrive})
	if s.Killed != Nothing {
		c.plan(event{at: s.At, do: kill})
		c.plan(event{at: s.At + s.For, do: back})
	}
	for len(c.queue) > 0 && c.queue[0].at <= s.Seconds {
		e := heap.Pop(&c.queue).(event)
		c.area += float64(c.running) * (e.at - c.now)
		c.now = e.at
		e.do(c, e)
	}
	c.area += float64(c.running) * (s.Seconds - c.now)
	return c.finish(), nil
}

// meanTime is the seconds of a call, whether it is a stream or not.
func (s Site) meanTime() float64 { return s.Streams*s.StreamTime + (1-s.Streams)*s.CallTime }

func (c *course) finish() Outcome {
	out := c.out
	out.Running, out.MeanRunning = c.running, c.area/c.Seconds
	out.Waits, out.Batches, out.Lag = spreadOf(c.waits), spreadOf(c.batches), spreadOf(c.lags)
	out.Busy, out.Written = c.busy/c.Seconds, c.written/c.Seconds/float64(c.Cores)
	if len(c.batches) > 0 {
		out.Records = float64(c.records) / float64(len(c.batches))
	}
	for i := range c.units {
		for _, r := range c.units[i].spool {
			if r.entry {
				out.Backlog++
			}
		}
	}
	out.Recovered = max(0, c.told-c.At-c.For)
	return out
}

func (c *course) plan(e event) {
	c.seq++
	e.seq = c.seq
	heap.Push(&c.queue, e)
}

func (c *course) gap() float64 { return c.random.ExpFloat64() / c.peakRate() }

func (c *course) org() int {
	at, _ := slices.BinarySearch(c.share, c.random.Float64())
	return min(at, len(c.share)-1)
}

// isDown tells whether a unit is what is dead now: the first is the one that dies.
func (c *course) isDown(unit int) bool { return c.down == Unit && unit == 0 }

// arrive begins the next call. Clients of a dead Envoy are connected to any other.
func arrive(c *course, e event) {
	c.plan(event{at: c.now + c.gap(), do: arrive})
	again(c, e)
}

// again begins a call.
func again(c *course, _ event) {
	at, org := c.random.IntN(c.Envoys), c.org()
	for c.isDown(at) && c.Envoys > 1 {
		at = c.random.IntN(c.Envoys)
	}
	c.out.Began++
	master := c.masterOf[org]
	if c.down == Redis && master == c.fullest {
		c.refuse()
		return
	}
	wait, done := c.visit(master, reserveShare)
	if wait > redisDeadline {
		c.refuse()
		return
	}
	c.start(at, org, done, c.random.Float64() < c.Streams)
	c.keep(at, record{born: done})
}

func (c *course) refuse() {
	c.out.Refused++
	c.told = c.now
}

// start lets a call run from a time on. How long it goes on does not depend on how long it has.
func (c *course) start(at, org int, from float64, stream bool) {
	mean := c.CallTime
	if stream {
		mean = c.StreamTime
	}
	c.running++
	c.units[at].running++
	c.plan(event{at: from + c.random.ExpFloat64()*mean, do: answered, unit: at, org: org, life: c.units[at].life})
}

// answered ends a call, unless it ended with its unit.
func answered(c *course, e event) {
	if e.life != c.units[e.unit].life {
		return
	}
	c.running--
	c.units[e.unit].running--
	if c.down == Redis && c.masterOf[e.org] == c.fullest {
		c.settles = append(c.settles, e)
		return
	}
	c.settle(e)
}

func (c *course) settle(e event) {
	_, done := c.visit(c.masterOf[e.org], 1-reserveShare)
	c.out.Ended++
	c.keep(e.unit, record{born: done, entry: true})
}

// visit runs a script on a master after those that came before it.
func (c *course) visit(master int, share float64) (wait, done float64) {
	service := share * c.RedisMicros / 1e6
	begin := max(c.now, c.free[master])
	c.free[master] = begin + service
	if master == c.fullest {
		c.waits = append(c.waits, begin-c.now)
		c.busy += service
	}
	return begin - c.now, begin + service
}

// keep puts a record into a unit's spool, and lets it be written if nothing is.
func (c *course) keep(at int, r record) {
	u := &c.units[at]
	u.spool = append(u.spool, r)
	if !u.busy && !c.isDown(at) {
		u.busy = true
		c.plan(event{at: max(c.now, r.born), do: write, unit: at, life: u.life})
	}
}

// write sends what is in a spool to the database.
func write(c *course, e event) {
	u := &c.units[e.unit]
	if e.life != u.life {
		return
	}
	if len(u.spool) == 0 {
		u.busy = false
		return
	}
	if c.down == Database {
		u.retry = max(firstRetry, min(2*u.retry, longestRetry))
		c.plan(event{at: c.now + u.retry, do: write, unit: e.unit, life: u.life})
		return
	}
	u.retry, u.batch = 0, min(len(u.spool), batchRecords)
	core := 0
	for i := range c.cores {
		if c.cores[i] < c.cores[core] {
			core = i
		}
	}
	begin, service := max(c.now, c.cores[core]), float64(u.batch)/2*c.PostgresMicros/1e6
	c.cores[core] = begin + service
	c.batches, c.records, c.written = append(c.batches, begin-c.now), c.records+int64(u.batch), c.written+service
	c.plan(event{at: begin + service, do: wrote, unit: e.unit, life: u.life})
}

// wrote takes from a spool what is on the ledger.
func wrote(c *course, e event) {
	u := &c.units[e.unit]
	if e.life != u.life {
		return
	}
	for _, r := range u.spool[:u.batch] {
		if !r.entry {
			continue
		}
		c.out.Entries++
		c.lags = append(c.lags, c.now-r.born)
		if c.now-r.born > tellingLag {
			c.told = c.now
		}
	}
	u.spool = append(u.spool[:0], u.spool[u.batch:]...)
	next := c.now
	if u.batch < batchRecords {
		next += batchRest
	}
	c.plan(event{at: next, do: write, unit: e.unit, life: u.life})
}

// kill ends a part. What ran through a unit is reset, and called again elsewhere.
func kill(c *course, _ event) {
	c.down = c.Killed
	if c.down != Unit {
		return
	}
	u := &c.units[0]
	c.out.Reset, c.running = u.running, c.running-u.running
	for range u.running {
		c.plan(event{at: c.now + c.random.Float64()*retrySpread, do: again})
	}
	u.running, u.life, u.busy = 0, u.life+1, true
}

// back starts a part again. A master is given the settlements that waited, a unit writes what is in its spool.
func back(c *course, _ event) {
	c.down = Nothing
	waited := c.settles
	c.settles = nil
	for _, e := range waited {
		c.settle(e)
	}
	if c.Killed == Unit {
		c.plan(event{at: c.now, do: write, life: c.units[0].life})
	}
}
