package series

import (
	"fmt"
	"time"
)

// Report says what a reader should know about a file that could be read.
type Report struct {
	Step       time.Duration // the usual distance of rows; 0 with fewer than two
	Gaps       int           // distances above one and a half steps
	Duplicates int           // rows with the time of the row before
	Missing    int           // cells without a number
	Outside    int           // cells of a service that cannot be: below 0, or an error rate above 1; they are missing too
	Bare       []string      // columns without a number
	Constant   []string      // columns of two numbers or more that are all the same
}

// Notes puts the report into sentences; none when there is nothing to say.
func (r Report) Notes() []string {
	var out []string
	if r.Gaps > 0 {
		out = append(out, fmt.Sprintf("%s wider than 1.5 steps of %s", Count(r.Gaps, "gap"), r.Step))
	}
	if r.Duplicates > 0 {
		out = append(out, Count(r.Duplicates, "row")+" with the time of the row before")
	}
	if r.Missing > 0 {
		out = append(out, fmt.Sprintf("%s without a number within ±%g, taken as missing", Count(r.Missing, "cell"), mostValue))
	}
	if r.Outside > 0 {
		out = append(out, fmt.Sprintf("%d of them below 0, or an error rate above 1", r.Outside))
	}
	for _, c := range r.Bare {
		out = append(out, "column "+c+" holds no number")
	}
	for _, c := range r.Constant {
		out = append(out, "column "+c+" never changes")
	}
	return out
}

// Count writes a number of things that take an s where there is not one of them.
func Count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
