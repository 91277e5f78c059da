package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/saas-sentinel/saas-sentinel/store"
)

// printJSON prints a value for machines.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// printTable prints a list in columns, a line each. The header's names are parted by tabs.
func printTable[T any](w io.Writer, header string, list []T, cells func(T) []string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, header)
	for _, x := range list {
		_, _ = fmt.Fprintln(t, strings.Join(cells(x), "\t"))
	}
	return t.Flush()
}

// printOf prints what a configuration's database has, in columns.
func printOf[T any](c *cobra.Command, config, header string, read func(context.Context, *store.Store) ([]T, error), cells func(T) []string) error {
	st, err := openStore(c, config)
	if err != nil {
		return err
	}
	defer st.Close()
	list, err := read(c.Context(), st)
	if err != nil {
		return err
	}
	return printTable(c.OutOrStdout(), header, list, cells)
}
