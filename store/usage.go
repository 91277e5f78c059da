package store

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// dimensions are what usage can be grouped and filtered by, each with its expression. Only
// these constants reach the text of a query; values are always parameters.
var dimensions = map[string]string{
	"org": "org", "team": "team", "service": "service", "provider": "provider", "endpoint": "endpoint",
	"model": "model", "tier": "tier", "asked": "asked", "action": "action", "reason": "reason",
	"user": subjectOf("u"), "session": subjectOf("s"), "credential": subjectOf("k"), "price_version": "price_version", "policy_version": "policy_version",
	"source": fmt.Sprintf("CASE source WHEN %d THEN '%s' WHEN %d THEN '%s' WHEN %d THEN '%s' ELSE 'unknown' END",
		sentinel.SourceReconciler, sentinel.SourceReconciler, sentinel.SourcePartial, sentinel.SourcePartial,
		sentinel.SourceMeter, sentinel.SourceMeter),
	"month": written("ts", "YYYY-MM"), "day": written("ts", "YYYY-MM-DD"), "hour": written("ts", `YYYY-MM-DD"T"HH24:"00Z"`), "minute": written("ts", `YYYY-MM-DD"T"HH24:MI"Z"`),
}

// written is a time as text, by a zone's clock.
func written(at, format string) string {
	return "to_char(" + at + " AT TIME ZONE 'UTC', '" + format + "')"
}

// subjectOf finds the pseudonym or fingerprint in a demand that a letter begins.
func subjectOf(letter string) string {
	return `coalesce(substring(demand from ';` + letter + `([^;]*)'), '')`
}

// spans are the dimensions of time; those of the calendar follow a question's time zone.
var spans, calendar = []string{"month", "day", "hour", "minute"}, []string{"month", "day"}

// Dimensions lists the names for UsageQuery, sorted.
func Dimensions() []string { return slices.Sorted(maps.Keys(dimensions)) }

// tagDimension begins the name of a dimension that is one of the tags that the ledger keeps, such as tag.env.
const tagDimension = "tag."

var tagName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,39}$`)

// expressionOf finds a dimension's expression.
func expressionOf(name string) (string, bool) {
	if tag, ok := strings.CutPrefix(name, tagDimension); ok && tagName.MatchString(tag) { // what the name can hold means nothing in a pattern
		return `CASE WHEN tags = '` + Other + `' THEN tags ELSE coalesce(substring(tags from '(?:^|,)` + tag + `=([^,]*)'), '') END`, true
	}
	expression, ok := dimensions[name]
	return expression, ok
}

// UsageQuery asks for sums of the ledger.
type UsageQuery struct {
	From, To time.Time           // [From, To); a zero time is no bound
	By       []string            // Dimensions; empty sums everything into one row
	Filter   map[string]string   // dimension → the value that it must have
	Among    map[string][]string // dimension → values of which it must have one
	Limit    int                 // rows, 0 is 1,000, at most 10,000
	// Rolled asks the sums by minute, hour and day instead of the entries: the same figures for a ledger of any size, as of
	// the last RefreshUsage. From and To must be whole minutes, and the dimensions those that the sums keep.
	Rolled bool
	// Zone is the time zone of days and months; nil is UTC. Hours and minutes are UTC always.
	Zone *time.Location
}

// UsageRow is the sum of one group.
type UsageRow struct {
	Keys              []string // in the order of By
	Calls             int64    // entries: one an attempt
	Refused           int64    // throttled or denied
	Downgraded        int64
	Estimated         int64 // not the provider's own word
	InputTokens       int64 // all that went to the provider, cached ones included
	CachedInputTokens int64
	OutputTokens      int64 // all that it produced, reasoning included
	Cost              sentinel.NanoUSD
}

// Usage sums the ledger exactly: integers in arbitrary precision, refused if a sum leaves 64 bits. Rows come
// by time when By has a span of time, else the most expensive first.
func (s *Store) Usage(ctx context.Context, q UsageQuery) ([]UsageRow, error) {
	sql, args, err := q.build()
	if err != nil {
		return nil, err
	}
	rows, err := s.db(ctx).Query(ctx, sql, args...)
	if err != nil {
		return nil, explain("usage", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (UsageRow, error) {
		r := UsageRow{Keys: make([]string, len(q.By))}
		to := make([]any, 0, len(q.By)+8)
		for i := range r.Keys {
			to = append(to, &r.Keys[i])
		}
		return r, row.Scan(append(to, &r.Calls, &r.Refused, &r.Downgraded, &r.Estimated,
			&r.InputTokens, &r.CachedInputTokens, &r.OutputTokens, &r.Cost)...)
	})
	return list, explain("usage", err)
}

// usageQuestion has the tokens of both directions added within each row before they are summed: one sum instead of a dozen. PostgreSQL refuses a
// row whose own units leave 64 bits, and wraps nothing.
var usageQuestion = question("usage", "{input}", added(sentinel.InputTokenUnits[:]), "{output}", added(sentinel.OutputTokenUnits[:]))

// usageTable is where a question is answered. Its span is what each row sums, empty for rows of single calls.
type usageTable struct {
	name, clock, span, calls, estimated string
}

var entriesTable = usageTable{"entries", "ts", "", "count(*)", "count(*) FILTER (WHERE method <> '')"}

// rolledDimensions are those that the sums keep.
var rolledDimensions = append([]string{"org", "team", "service", "provider", "endpoint", "model", "tier", "action"}, spans...)

// table finds the coarsest source that answers q.
func (q UsageQuery) table() (usageTable, error) {
	if !q.Rolled {
		return entriesTable, nil
	}
	for _, name := range slices.Concat(q.By, slices.Collect(maps.Keys(q.Filter)), slices.Collect(maps.Keys(q.Among))) {
		if _, tag := strings.CutPrefix(name, tagDimension); !tag && !slices.Contains(rolledDimensions, name) {
			return usageTable{}, fmt.Errorf("usage by %q: the sums by minute, hour and day have %s", name, strings.Join(rolledDimensions, ", "))
		}
	}
	t := usageTable{clock: "bucket", calls: "sum(calls)", estimated: "sum(estimated)"}
	switch q.finest() {
	case 24 * time.Hour:
		t.name, t.span = "usage_1d", "day"
	case time.Hour:
		t.name, t.span = "usage_1h", "hour"
	case time.Minute:
		t.name, t.span = "usage_1m", "minute"
	default:
		return t, fmt.Errorf("usage from %s to %s: the sums want whole minutes", q.From.Format(time.RFC3339), q.To.Format(time.RFC3339))
	}
	return t, nil
}

// CanRoll tells whether the sums by minute, hour and day keep every dimension that q names.
func (q UsageQuery) CanRoll() bool {
	q.Rolled, q.From, q.To = true, time.Time{}, time.Time{}
	_, err := q.table()
	return err == nil
}

// Timed tells whether q groups by a span of time: then its rows come in the order of time.
func (q UsageQuery) Timed() bool {
	return slices.ContainsFunc(q.By, func(name string) bool { return slices.Contains(spans, name) })
}

// Grain is the coarsest of the sums by day, hour and minute that q's dimensions and zone can be answered from.
func (q UsageQuery) Grain() time.Duration {
	switch {
	case q.names("minute") || q.zoned() && !wholeHours(q.Zone) && (q.From.IsZero() || q.To.IsZero()):
		return time.Minute
	case q.names("hour") || q.zoned():
		return time.Hour
	default:
		return 24 * time.Hour
	}
}

// finest gives the longest of a day, an hour and a minute that every bound of q falls on, 0 when none does.
func (q UsageQuery) finest() time.Duration {
	whole := func(d time.Duration) bool { return q.From.Equal(q.From.Truncate(d)) && q.To.Equal(q.To.Truncate(d)) }
	most := q.Grain()
	for _, d := range []time.Duration{24 * time.Hour, time.Hour, time.Minute} {
		if d <= most && whole(d) {
			return d
		}
	}
	return 0
}

// names tells whether q groups or filters by a dimension.
func (q UsageQuery) names(dimension string) bool {
	_, filtered := q.Filter[dimension]
	_, among := q.Among[dimension]
	return filtered || among || slices.Contains(q.By, dimension)
}

// zoned tells whether the answer depends on the zone.
func (q UsageQuery) zoned() bool {
	return q.Zone != nil && q.Zone != time.UTC && slices.ContainsFunc(calendar, q.names)
}

// wholeHours tells whether days of a zone begin on the hour of UTC, in summer and winter, in this century.
func wholeHours(zone *time.Location) bool {
	for year := 2000; year <= 2100; year++ {
		for _, month := range []time.Month{time.January, time.July} {
			if _, offset := time.Date(year, month, 1, 0, 0, 0, 0, zone).Zone(); offset%3600 != 0 {
				return false
			}
		}
	}
	return true
}

// zonedHours are the sums by hour, but for hours within which a day of the zone begins: these are summed by minute.
var zonedHours = question("zoned_hours")

// brokenHours lists the hours of UTC within which a day of the zone begins.
func (q UsageQuery) brokenHours() []time.Time {
	hours := []time.Time{}
	first := q.From.In(q.Zone)
	for day := first.Day(); ; day++ {
		begin := sentinel.DayStart(first.Year(), first.Month(), day, q.Zone)
		if !begin.Before(q.To) {
			return hours
		}
		if hour := begin.UTC().Truncate(time.Hour); !hour.Equal(begin) && !hour.Before(q.From) {
			hours = append(hours, hour)
		}
	}
}

// added is the sum of units within a row.
func added(units []sentinel.Unit) string {
	list := make([]string, len(units))
	for i, u := range units {
		list[i] = u.String()
	}
	return strings.Join(list, " + ")
}

func (q UsageQuery) build() (string, []any, error) {
	table, err := q.table()
	if err != nil {
		return "", nil, err
	}
	var keys, places, groups []string
	w := within(table.clock, q.From, q.To)
	zone := ""
	if q.zoned() {
		w.args = append(w.args, q.Zone.String())
		zone = fmt.Sprintf("$%d::text", len(w.args))
	}
	if table.name == "usage_1h" && q.zoned() && !wholeHours(q.Zone) {
		w.args = append(w.args, q.brokenHours())
		table.name = filled(zonedHours, "{hours}", fmt.Sprintf("$%d::timestamptz[]", len(w.args)))
	}
	for i, name := range q.By {
		expression, err := table.dimension(name, zone)
		if err != nil {
			return "", nil, err
		}
		if slices.Contains(q.By[:i], name) {
			return "", nil, fmt.Errorf("usage by %s: named twice", name)
		}
		group := fmt.Sprint(i + 1)
		if slices.Contains(spans, name) {
			expression, group = table.begin(name, expression, zone)
		}
		keys, groups = append(keys, expression+","), append(groups, group)
		places = append(places, fmt.Sprint(i+1))
	}
	for _, name := range slices.Sorted(maps.Keys(q.Filter)) {
		expression, err := table.dimension(name, zone)
		if err != nil {
			return "", nil, err
		}
		w.add(expression+" = $%d", clean(q.Filter[name]))
	}
	for _, name := range slices.Sorted(maps.Keys(q.Among)) {
		expression, err := table.dimension(name, zone)
		if err != nil {
			return "", nil, err
		}
		values := make([]string, len(q.Among[name]))
		for i, v := range q.Among[name] {
			values[i] = clean(v)
		}
		w.add(expression+" = ANY($%d::text[])", values)
	}
	grouping, order := "", places
	if len(places) > 0 {
		if !q.Timed() {
			order = append([]string{"cost DESC"}, places...)
		}
		grouping = "GROUP BY " + strings.Join(groups, ", ") + " ORDER BY " + strings.Join(order, ", ")
	}
	sql := filled(usageQuestion, "{keys}", strings.Join(keys, " "), "{calls}", table.calls, "{estimated}", table.estimated,
		"{table}", table.name, "{where}", w.String(), "{grouping}", grouping)
	return sql + w.limit(q.Limit), w.args, nil
}

// dimension gives a name's expression. Zone is the parameter with the time zone, or empty.
func (t usageTable) dimension(name, zone string) (string, error) {
	expression, ok := expressionOf(name)
	if !ok {
		return "", fmt.Errorf("usage by %q: choose from %s, tag.NAME", name, strings.Join(Dimensions(), ", "))
	}
	if zone != "" && slices.Contains(calendar, name) {
		expression = strings.ReplaceAll(expression, "'UTC'", zone)
	}
	return strings.ReplaceAll(expression, "(ts ", "("+t.clock+" "), nil
}

// begin groups by a span's begin: text is made for each group, not for each row, which takes longer than to sum it.
func (t usageTable) begin(span, expression, zone string) (key, group string) {
	if zone == "" || !slices.Contains(calendar, span) {
		zone = "'UTC'"
	}
	group = fmt.Sprintf("date_trunc('%s', %s, %s)", span, t.clock, zone)
	if zone == "'UTC'" && span == t.span { // each row is of a whole one
		group = t.clock
	}
	return strings.Replace(expression, "("+t.clock+" ", "("+group+" ", 1), group
}

// where collects conditions and their parameters.
type where struct {
	conditions []string
	args       []any
}

func between(from, to time.Time) *where { return within("ts", from, to) }

// within bounds a constant column.
func within(clock string, from, to time.Time) *where {
	w := &where{}
	if !from.IsZero() {
		w.add(clock+" >= $%d", from)
	}
	if !to.IsZero() {
		w.add(clock+" < $%d", to)
	}
	return w
}

// add takes a constant condition with one %d for the number of its parameter.
func (w *where) add(condition string, arg any) {
	w.args = append(w.args, arg)
	w.conditions = append(w.conditions, fmt.Sprintf(condition, len(w.args)))
}

// filter wants dimensions of entries to have a value each.
func (w *where) filter(values map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		expression, err := entriesTable.dimension(name, "")
		if err != nil {
			return err
		}
		w.add(expression+" = $%d", clean(values[name]))
	}
	return nil
}

func (w *where) limit(n int) string {
	w.args = append(w.args, limit(n))
	return fmt.Sprintf(" LIMIT $%d", len(w.args))
}

func (w *where) String() string {
	if len(w.conditions) == 0 {
		return ""
	}
	return "WHERE " + strings.Join(w.conditions, " AND ")
}
