package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/governor"
	"github.com/saas-sentinel/saas-sentinel/internal/app"
	"github.com/saas-sentinel/saas-sentinel/internal/simulate"
	"github.com/saas-sentinel/saas-sentinel/store"
)

// explanation is why a call was judged as it was.
type explanation struct {
	Call      string         `json:"call"`
	At        time.Time      `json:"at"`
	Caller    string         `json:"caller"`
	Asked     string         `json:"asked"`
	Recorded  string         `json:"recorded"`
	Policy    string         `json:"policy"`   // of the record
	InForce   string         `json:"in_force"` // that explains it
	Verdict   string         `json:"verdict"`  // of the policy in force
	Limit     string         `json:"limit"`    // that decided
	Detail    string         `json:"detail"`   // in words
	BoundCost string         `json:"bound"`    // the most that the call could cost
	BoundUse  int64          `json:"bound_tokens"`
	Outside   bool           `json:"outside"`
	Counters  []counterState `json:"counters"`
}

// counterState is what one limit held at the moment of the call.
type counterState struct {
	Limit  string `json:"limit"`
	Cell   string `json:"cell"`
	Max    string `json:"max"`
	Left   string `json:"left"` // after the call was admitted, or where it was refused
	Wanted string `json:"wanted"`
}

func policyExplainCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "explain CALL", Short: "Show why a call was allowed, downgraded or refused", Args: exactly(1, "a call's id, as answers carry it in x-sentinel-call,"),
		Long: "Explain judges the calls of the ledger again up to the one that is asked about, and shows which limits it met, what each counter held,\n" +
			"the bound that the call had to fit in, and which limit decided. It uses the policy in force; where the call was judged by another\n" +
			"version, it says so.",
		Example: "  sentinel policy explain 01a20d60-e966-7a80-9ab1-c118bcb547b3",
	}
	config := configFlag(c)
	asJSON := c.Flags().Bool("json", false, "print JSON")
	c.RunE = func(c *cobra.Command, args []string) error {
		id, err := sentinel.ParseCallID(args[0])
		if err != nil {
			return refused(err)
		}
		cfg, err := app.LoadConfig(*config)
		if err != nil {
			return refused(err)
		}
		state, err := app.LoadState(cfg.Policies)
		if err != nil {
			return refused(err)
		}
		st, err := openStore(c, *config)
		if err != nil {
			return err
		}
		defer st.Close()
		x, err := explainCall(c, st, state, id)
		if err != nil {
			return err
		}
		if *asJSON {
			e := json.NewEncoder(c.OutOrStdout())
			e.SetIndent("", "  ")
			return e.Encode(x)
		}
		return x.print(c.OutOrStdout())
	}
	return c
}

// errFound ends the reading of the ledger.
var errFound = errors.New("found")

func explainCall(c *cobra.Command, st *store.Store, state *governor.State, id sentinel.CallID) (*explanation, error) {
	rows, err := st.Entries(c.Context(), store.EntryQuery{CallID: id, Limit: 1})
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, refused(fmt.Errorf("the ledger has no call %s: it is under way, refused before its caller was known, or of another gateway", id))
	}
	at := rows[0].At
	sim := simulate.New(state)
	var x *explanation
	err = st.EachEntry(c.Context(), simulate.Begin(at, state), at.Add(time.Microsecond), func(e sentinel.Entry) error {
		out, j, err := sim.Judge(c.Context(), e)
		if err != nil || e.ID != id {
			return err
		}
		x = explained(e, out, j, state)
		return errFound
	})
	if err != nil && !errors.Is(err, errFound) {
		return nil, err
	}
	return x, nil
}

func explained(e sentinel.Entry, out simulate.Outcome, j governor.Judgement, state *governor.State) *explanation {
	x := &explanation{Call: e.ID.String(), At: e.At, Caller: e.Caller.Team + "/" + e.Caller.Service, Asked: e.Provider + " " + e.Endpoint + " " + e.Asked,
		Recorded: verdictText(e.Action, e.Reason, e.Model, e.Asked), Policy: e.PolicyVersion, InForce: state.Policy.Version, Outside: out.Outside, Counters: []counterState{}}
	if out.Outside {
		return x
	}
	v := out.Verdict
	x.Verdict, x.Limit, x.Detail = verdictText(v.Action, v.Reason, v.Model, e.Asked), v.Limit, v.Detail
	if len(j.Ask.Candidates) == 0 {
		return x
	}
	candidate := j.Ask.Candidates[0]
	if !v.Action.Refused() {
		candidate = j.Chosen
	}
	x.BoundCost, x.BoundUse = sentinel.NanoUSD(candidate.Bound[sentinel.MeasureCost]).String(), candidate.Bound[sentinel.MeasureTokens]
	for _, l := range v.Levels {
		m := l.Limit.Measure
		x.Counters = append(x.Counters, counterState{Limit: l.Limit.Name, Cell: l.Limit.Cell, Max: amount(m, l.Limit.Max), Left: amount(m, l.Remaining), Wanted: amount(m, candidate.Bound[m])})
	}
	return x
}

func verdictText(a sentinel.Action, r sentinel.Reason, model, asked string) string {
	text := a.String()
	if model != asked && (a == sentinel.Downgrade || a == sentinel.Fallback) {
		text += " to " + model
	}
	if r != sentinel.ReasonNone {
		text += ": " + string(r)
	}
	return text
}

func (x *explanation) print(w io.Writer) error {
	_, _ = fmt.Fprintf(w, "call %s at %s\n%s asked for %s\nrecorded: %s, by policy %s\n", x.Call, x.At.Format(time.RFC3339Nano), x.Caller, x.Asked, x.Recorded, x.Policy)
	if x.Outside {
		_, err := fmt.Fprintln(w, "no limit decided on it: the request itself was refused, or the record does not have what it asked for")
		return err
	}
	if x.Policy != x.InForce {
		_, _ = fmt.Fprintf(w, "the policy in force is %s: by it the call is judged\n", x.InForce)
	}
	_, _ = fmt.Fprintf(w, "judged again: %s\n", x.Verdict)
	if x.Limit != "" {
		_, _ = fmt.Fprintf(w, "decided by: %s\n", x.Limit)
	}
	if x.Detail != "" {
		_, _ = fmt.Fprintf(w, "in words: %s\n", x.Detail)
	}
	if x.BoundCost != "" {
		_, _ = fmt.Fprintf(w, "bound: at most %s and %d tokens\n", x.BoundCost, x.BoundUse)
	}
	if len(x.Counters) == 0 {
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "\nLIMIT\tCOUNTED AS\tMAX\tWANTED\tLEFT")
	for _, c := range x.Counters {
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", c.Limit, c.Cell, c.Max, c.Wanted, c.Left)
	}
	return t.Flush()
}
