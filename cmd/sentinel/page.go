package main

import (
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// maxListed bounds what one command prints of a list.
const maxListed = 1_000

// page is the part of a list that a command prints.
type page struct {
	limit *int
	after *string
}

// pageFlags adds the flags of a list that is printed in parts.
func pageFlags(c *cobra.Command) page {
	return page{c.Flags().Int("limit", 100, "how many, at most 1000"), c.Flags().String("after", "", "go on after the part that was printed before, by the cursor that it ended with")}
}

// begin checks the flags, and gives the row that the part begins after.
func (p page) begin() (sentinel.Cursor, error) {
	if *p.limit < 1 || *p.limit > maxListed {
		return sentinel.Cursor{}, refused(fmt.Errorf("--limit: %d is outside 1 to %d", *p.limit, maxListed))
	}
	c, err := sentinel.ParseCursor(*p.after)
	if err != nil {
		return c, refused(fmt.Errorf("--after: %w: leave it out for the first part", err))
	}
	return c, nil
}

// number is the numbered row that the part begins after; 0 for none.
func (p page) number() (int64, error) {
	c, err := p.begin()
	if err != nil || c == (sentinel.Cursor{}) {
		return 0, err
	}
	n, err := strconv.ParseInt(c.Row, 10, 64)
	if err != nil {
		return 0, refused(fmt.Errorf("--after: %w: leave it out for the first part", sentinel.ErrCursor))
	}
	return n, nil
}

// end says how to go on where the part is full. It goes beside the list, which scripts read.
func (p page) end(w io.Writer, printed int, last func() sentinel.Cursor) {
	if printed == *p.limit {
		_, _ = fmt.Fprintln(w, "there may be more: --after", last())
	}
}
