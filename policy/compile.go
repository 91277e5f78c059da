package policy

import (
	"crypto/sha256"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // a policy's time zone must not depend on the machine's files

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/declare"
	"github.com/saas-sentinel/saas-sentinel/internal/strictyaml"
)

// File is a policy file's name, for messages, and its text.
type File = strictyaml.File

// Options are facts about the rest of the house that a file is checked against.
type Options struct {
	Presets []string
	// ModelKnown tells whether a preset's model has a price in a region. It may be nil: then downgrades are not checked.
	ModelKnown func(preset, model, region string) bool
	// Agreed tells fault what is wrong with a contract's own prices, by their place in the list. It may be nil: then they are not checked.
	Agreed func(models []declare.ModelYAML, fault func(at int, err error))
	// Idle tells warn of a contract's price lists that never hold or end unnoticed, by the places of model and list. It may be nil: then nothing is said of them.
	Idle func(models []declare.ModelYAML, warn func(model, list int, why string))
	// Endpoints lists what a preset offers. It may be nil: then allow is not checked.
	Endpoints func(preset string) []string
	// DefaultTiers lists the price lists that a setting at a preset's provider may choose; none where there is no such setting. It may be nil: then
	// default_tier is not checked.
	DefaultTiers func(preset string) []string
	// Counterparts lists the endpoints of a provider whose calls can go to another one. It may be nil: then nothing is said of models that no call can go to.
	Counterparts func(from, to Provider) []string
}

// Bounds of a file: how many teams, services and policies, and how many providers.
const (
	maxItems     = 10_000
	maxProviders = 1_000
)

// compiler collects faults while it builds a Set.
type compiler struct {
	*strictyaml.Doc
	opt Options
	in  file
	set *Set

	schedules map[string]schedule
	slots     map[cut]int
}

// Compile reads a policy file. The error lists every fault at once, each with its place, key and remedy.
func Compile(f File, o Options) (*Set, error) { return CompileFiles([]File{f}, o) }

// CompileFiles is Compile of several files that make up one policy: their mappings are merged, and their rules joined in the order of
// the files. A name or value that stands in two of them is a fault.
func CompileFiles(files []File, o Options) (*Set, error) {
	c, err := compiled(files, o)
	if err != nil {
		return nil, err
	}
	return c.set, nil
}

// compiled keeps what a set was built from.
func compiled(files []File, o Options) (*compiler, error) {
	c := &compiler{opt: o, in: file{Timezone: "UTC"}, slots: map[cut]int{}}
	c.Doc = strictyaml.DecodeFiles(files, &c.in)
	c.set = &Set{
		Version: c.version(files), Org: c.in.Org, tokens: map[[sha256.Size]byte]sentinel.Caller{},
		spiffe: map[string]sentinel.Caller{}, high: map[string]bool{}, issued: map[string]sentinel.Caller{}, workloads: map[Workload]sentinel.Caller{}, accessKeys: map[string]AWSIdentity{},
		networks: map[netip.Prefix]sentinel.Caller{},
		teams:    map[string][]limit{}, services: map[string][]limit{}, providers: map[string][]limit{},
	}
	if c.sizes() {
		c.head()
		for _, name := range slices.Sorted(maps.Keys(c.in.Teams)) {
			c.name("teams."+name, name)
			t := c.in.Teams[name]
			c.set.teams[name] = c.limits("teams."+name, "team/"+name, "team "+name, t.Limits, t.Budget)
		}
		c.ledger("ledger.tags", c.in.Ledger.Tags)
		for _, name := range slices.Sorted(maps.Keys(c.in.Services)) {
			c.service(name, c.in.Services[name])
		}
		for _, name := range slices.Sorted(maps.Keys(c.in.Providers)) {
			c.provider(name, c.in.Providers[name])
		}
		for _, name := range slices.Sorted(maps.Keys(c.in.Issuers)) {
			c.issuer(name, c.in.Issuers[name])
		}
		c.egress()
		c.subjects()
		c.schedule()
		c.policies()
		c.alerts()
	}
	if err := strictyaml.Join(c.Faults()); err != nil {
		return nil, err
	}
	c.set.windows = make(windows, len(c.slots))
	return c, nil
}

// Schema is the JSON Schema of a policy file, for editors.
func Schema() ([]byte, error) {
	return strictyaml.Schema(file{}, "https://github.com/saas-sentinel/saas-sentinel/schemas/policies.schema.json", "SaaS-Sentinel policies")
}

// sizes refuses a file that is larger than what is compiled.
func (c *compiler) sizes() bool {
	ok := true
	check := func(key string, n, most int) {
		if n > most {
			c.Fault(key, "%d entries: at most %d are allowed", n, most)
			ok = false
		}
	}
	check("teams", len(c.in.Teams), maxItems)
	check("services", len(c.in.Services), maxItems)
	check("providers", len(c.in.Providers), maxProviders)
	check("issuers", len(c.in.Issuers), maxIssuers)
	check("egress.others", len(c.in.Egress.Others), maxOthers)
	check("policies", len(c.in.Policies), maxItems)
	check("schedules", len(c.in.Schedules), maxSchedules)
	check("groups.models", len(c.in.Groups.Models), maxItems)
	check("groups.endpoints", len(c.in.Groups.Endpoints), maxItems)
	return ok
}

// head reads what concerns the whole file.
func (c *compiler) head() {
	c.name("org", c.in.Org)
	var err error
	if c.set.Zone, err = time.LoadLocation(c.in.Timezone); err != nil || c.in.Timezone == "Local" || c.in.Timezone == "" {
		c.Fault("timezone", "%q is not an IANA time zone: write for instance Europe/Berlin", clip(c.in.Timezone))
		c.set.Zone = time.UTC
	}
	if c.set.Holidays, err = ParseHolidays(c.in.Calendar.Holidays); err != nil {
		c.Fault("calendar.holidays", "%s", err)
	}
	u := c.in.Defaults.Unpriced
	c.set.Unpriced = Unpriced{Mode: u.mode}
	if u.FlatUSD != nil {
		c.set.Unpriced = Unpriced{Mode: UnpricedFlat, Flat: sentinel.NanoUSD(*u.FlatUSD)}
		c.most("defaults.unpriced.flat_usd", *u.FlatUSD)
	}
	c.set.Currencies = make(map[string]sentinel.NanoUSD, len(c.in.Currencies))
	for code, worth := range c.in.Currencies {
		if !currencyPattern.MatchString(code) || code == "usd" || worth == 0 || worth > usd(maxPrice) {
			c.Fault("currencies."+code, "name another currency by three letters in lower case, such as eur, and its worth in dollars")
		}
		c.set.Currencies[code] = sentinel.NanoUSD(worth)
	}
	down := c.in.Defaults.WhenLimiterDown
	c.set.WhenLimiterDown = LimiterDown{HardBudgets: down.HardBudgets.mode, Rates: DownOpen, LocalShare: defaultLocalShare}
	if down.Rates.set {
		c.set.WhenLimiterDown.Rates = down.Rates.mode
	}
	if s := down.LocalShare; s != nil {
		if *s > sentinel.FullShare {
			c.Fault("defaults.when_redis_is_down.local_share", "a process cannot give more than 100%% of what was left")
		}
		c.set.WhenLimiterDown.LocalShare = int64(*s)
	}
	c.set.org = c.limits("", "org", "org "+c.in.Org, c.in.Limits, c.in.Budget)
}

// defaultLocalShare keeps ten processes within what was left.
const defaultLocalShare = sentinel.FullShare / 10

// maxPrice bounds the price of one call: as a rate it must fit into pico-dollars.
const maxPrice = 1_000_000 * sentinel.USD

func (c *compiler) most(key string, u usd) {
	if u > usd(maxPrice) {
		c.Fault(key, "above a million dollars a call")
	}
}

var currencyPattern = regexp.MustCompile(`^[a-z]{3}$`)

var namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9 ._@-]{0,99}$`)

// name checks a name that becomes part of a counter's key.
func (c *compiler) name(key, name string) {
	if !namePattern.MatchString(name) {
		c.Fault(key, "%q is not a usable name: 1 to 100 letters, digits, spaces and . _ @ -, beginning with a letter or digit", clip(name))
	}
}

// clip shortens a text that a message quotes.
func clip(s string) string {
	if len(s) > 40 {
		return strings.ToValidUTF8(s[:40], "") + "…"
	}
	return s
}

// list shows known names in a message, at most 20.
func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	if len(names) > 20 {
		return strings.Join(names[:20], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}
