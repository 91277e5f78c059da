package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/saas-sentinel/saas-sentinel/internal/app"
	"github.com/saas-sentinel/saas-sentinel/internal/suggest"
)

func policySuggestCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "suggest", Short: "Propose budgets and limits from what was used", Args: none,
		Long: "Suggest reads the ledger and proposes budgets for the organisation, its teams and services, and rates for services: what all but the\n" +
			"dearest days and busiest minutes used, or the forecast's upper bound where that is more, with head-room. Each is judged by a\n" +
			"simulation of the same calls: what it alone would have refused beside the policy in force. The largest spenders come first.",
		Example: "  sentinel policy suggest --since 672h\n  sentinel policy suggest --head-room 50 --shadow --format yaml >> policies.yaml",
	}
	config := configFlag(c)
	since := c.Flags().Duration("since", 28*24*time.Hour, "from so long ago until now, without --from")
	from, to := c.Flags().String("from", "", "first day or RFC 3339 time"), c.Flags().String("to", "", "day or RFC 3339 time to end before")
	headRoom := c.Flags().Float64("head-room", 20, "percent above what was used or is expected")
	quantile := c.Flags().Float64("quantile", 0.99, "share of days that fit; of minutes a tenth as many do not")
	most := c.Flags().Int("limit", 20, fmt.Sprintf("most suggestions, at most %d: each is simulated by itself", suggest.MaxSuggestions))
	format := c.Flags().String("format", "text", "text, yaml (rules to paste under policies) or json")
	shadow := c.Flags().Bool("shadow", false, "write rules that are tried in shadow first")
	c.RunE = func(c *cobra.Command, _ []string) error {
		write, ok := map[string]func(io.Writer, []suggest.Suggestion) error{
			"text": printSuggestions, "json": func(w io.Writer, l []suggest.Suggestion) error { return printJSON(w, suggestionsJSON(l, *shadow)) },
			"yaml": func(w io.Writer, l []suggest.Suggestion) error {
				_, err := io.WriteString(w, suggest.YAML(l, *shadow))
				return err
			},
		}[*format]
		if !ok {
			return refused(fmt.Errorf("--format: %q is none of text, yaml and json", *format))
		}
		o := suggest.Options{HeadRoom: *headRoom / 100, Quantile: *quantile, Most: *most}
		if err := o.Validate(); err != nil {
			return refused(err)
		}
		begin, end, err := between(*from, *to, *since)
		if err != nil {
			return err
		}
		cfg, _, err := load(*config)
		if err != nil {
			return err
		}
		files, err := app.ReadPolicy(cfg.Policies)
		if err != nil {
			return refused(err)
		}
		st, err := storeOf(c.Context(), cfg)
		if err != nil {
			return err
		}
		defer st.Close()
		past, err := app.Past(c.Context(), st)
		if err != nil {
			return err
		}
		list, err := app.Suggest(c.Context(), past, begin, end, files, o)
		if err != nil {
			return err
		}
		return write(c.OutOrStdout(), list)
	}
	return c
}

func printSuggestions(w io.Writer, list []suggest.Suggestion) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "nothing to suggest: the period has no calls, or no whole day")
		return err
	}
	return printTable(w, "SUGGESTION\tAMOUNT\tWOULD REFUSE\tWORST 5 MIN\tSPEND AVOIDED\tBASIS", list, func(s suggest.Suggestion) []string {
		return []string{s.Name, s.Amounted() + "/" + s.Span, fmt.Sprintf("%d of %d", s.Effect.Refused, s.Effect.Calls), fmt.Sprint(s.Effect.Worst), s.Effect.Avoided.String(), s.Basis}
	})
}

type suggestionJSON struct {
	Name    string `json:"name"`
	Team    string `json:"team"`
	Service string `json:"service"`
	Measure string `json:"measure"`
	Span    string `json:"span"`
	Amount  string `json:"amount"` // dollars of a budget, else a count
	Basis   string `json:"basis"`
	Calls   int64  `json:"calls"`
	Refused int64  `json:"refused"`
	Worst   int64  `json:"worst_five_minutes"`
	Avoided int64  `json:"avoided_nano_usd"`
	Rule    string `json:"rule"`
}

func suggestionsJSON(list []suggest.Suggestion, shadow bool) []suggestionJSON {
	out := make([]suggestionJSON, len(list))
	for i, s := range list {
		out[i] = suggestionJSON{s.Name, s.Team, s.Service, s.Measure.String(), s.Span, s.Amounted(), s.Basis, s.Effect.Calls, s.Effect.Refused, s.Effect.Worst, int64(s.Effect.Avoided), s.Rule(shadow)}
	}
	return out
}
