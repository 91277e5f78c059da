package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/app"
	"github.com/saas-sentinel/saas-sentinel/policy"
	"github.com/saas-sentinel/saas-sentinel/store"
)

// publishWait is how long a command waits until all processes have a policy.
const publishWait = 10 * time.Second

// policyVerb makes a command that changes the policy.
func policyVerb(c *cobra.Command, do func(c *cobra.Command, d app.PolicyDesk, args []string) (sentinel.PolicyProposal, error)) *cobra.Command {
	config := configFlag(c)
	asJSON := c.Flags().Bool("json", false, "print JSON")
	c.RunE = func(c *cobra.Command, args []string) error {
		d, done, err := app.OpenPolicyDesk(c.Context(), *config, lacking(c))
		if err != nil {
			return refused(err)
		}
		defer done()
		p, err := do(c, d, args)
		if err != nil {
			return refused(err)
		}
		began := time.Now()
		var list []sentinel.PolicyProcess
		if p.Seq > 0 && p.State == sentinel.ProposalPublished {
			ctx, cancel := context.WithTimeout(c.Context(), publishWait)
			defer cancel()
			list, err = d.Await(ctx, p.Seq)
		}
		if *asJSON {
			return errors.Join(printJSON(c.OutOrStdout(), publicationJSON(p, list)), err)
		}
		return errors.Join(printPublication(c.OutOrStdout(), p, list, time.Since(began)), err)
	}
	return c
}

func policyPublishCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "publish FILE --reason WHY", Short: "Put a policy in force in every process, or forward to a second person", Args: exactly(1, "one policy file"),
		Long: "Publish checks a policy as a process does before it takes it, keeps it with its author and reason, and puts it in force in every\n" +
			"gateway process within 2 seconds. With publishing.review: required it waits for sentinel policy approve by a second person. Where\n" +
			"the policy's files have a source of their own (publishing.source), nothing is published: commit the change there.",
		Example: "  sentinel policy publish new.yaml --reason 'budgets of the new quarter'\n  sentinel policy publish new.yaml --reason 'as agreed' --base 0b7e1c2d3f4a",
	}
	reason := c.Flags().String("reason", "", "why (required)")
	base := c.Flags().String("base", "", "version that the file was made from: refuse where another one is in force; default: the one in force")
	_ = c.MarkFlagRequired("reason")
	return policyVerb(c, func(c *cobra.Command, d app.PolicyDesk, args []string) (sentinel.PolicyProposal, error) {
		info, err := os.Stat(args[0])
		switch {
		case err != nil:
			return sentinel.PolicyProposal{}, fmt.Errorf("policy file %s: %w", args[0], errors.Unwrap(err))
		case info.IsDir():
			return sentinel.PolicyProposal{}, fmt.Errorf("%s is a folder: one file is published; folders are changed at their source", args[0])
		}
		files, err := app.ReadPolicy(args[0])
		if err != nil {
			return sentinel.PolicyProposal{}, err
		}
		return d.Publish(c.Context(), app.PolicyDraft{Text: string(files[0].Data), Was: *base, Author: operator(), Reason: *reason})
	})
}

func policyRollbackCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "rollback [VERSION] --reason WHY", Short: "Put a policy in force that was in force before", Args: atMost(1, "a version, as sentinel policy versions lists it,"),
		Long: "Rollback puts a version in force again that was in force before, in every process within 2 seconds: the named one, or the one\n" +
			"before the present. It needs no second person: what it brings back was in force. A roll-back is a change of its own, which the next\n" +
			"one can take back.",
		Example: "  sentinel policy rollback --reason 'refuses checkout'\n  sentinel policy rollback 0b7e1c2d3f4a --reason 'back to last week'",
	}
	reason := c.Flags().String("reason", "", "why (required)")
	_ = c.MarkFlagRequired("reason")
	return policyVerb(c, func(c *cobra.Command, d app.PolicyDesk, args []string) (sentinel.PolicyProposal, error) {
		version := ""
		if len(args) > 0 {
			version = args[0]
		}
		return d.Rollback(c.Context(), version, app.PolicyDraft{Author: operator(), Reason: *reason})
	})
}

func policyApproveCommand() *cobra.Command {
	return decideCommand(true, &cobra.Command{
		Use: "approve PROPOSAL", Short: "Put a proposal in force, as a second person", Args: exactly(1, "the number of a proposal"),
		Long:    "Approve publishes a policy that somebody else has put forward; its author cannot. Look at it first: sentinel policy diff --proposal.",
		Example: "  sentinel policy diff --proposal 7\n  sentinel policy approve 7 --note 'as agreed on Monday'",
	})
}

func policyRejectCommand() *cobra.Command {
	return decideCommand(false, &cobra.Command{
		Use: "reject PROPOSAL", Short: "Reject a proposal, or take back the own one", Args: exactly(1, "the number of a proposal"),
		Example: "  sentinel policy reject 7 --note 'the budget of core is too small'",
	})
}

func decideCommand(approve bool, c *cobra.Command) *cobra.Command {
	note := c.Flags().String("note", "", "what is to be remembered of it")
	return policyVerb(c, func(c *cobra.Command, d app.PolicyDesk, args []string) (sentinel.PolicyProposal, error) {
		id, err := strconv.ParseInt(args[0], 10, 64)
		if err != nil {
			return sentinel.PolicyProposal{}, fmt.Errorf("%q is not the number of a proposal: see sentinel policy proposals", args[0])
		}
		return d.Decide(c.Context(), id, operator(), *note, approve)
	})
}

func policyProposalsCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "proposals", Short: "List policies that were put forward, and what became of them", Args: none,
		Example: "  sentinel policy proposals --limit 20",
	}
	config := configFlag(c)
	part := pageFlags(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		before, err := part.number()
		if err != nil {
			return err
		}
		return printOf(c, *config, "PROPOSAL\tVERSION\tAT\tAUTHOR\tREASON\tSTATE\tDECIDED BY\tNOTE", func(ctx context.Context, st *store.Store) ([]sentinel.PolicyProposal, error) {
			list, err := st.Proposals(ctx, before, *part.limit)
			part.end(c.ErrOrStderr(), len(list), func() sentinel.Cursor {
				last := list[len(list)-1]
				return sentinel.Cursor{At: last.At, Row: fmt.Sprint(last.ID)}
			})
			return list, err
		}, func(p sentinel.PolicyProposal) []string {
			return []string{fmt.Sprint(p.ID), p.Version, p.At.Format(time.RFC3339), p.Author, p.Reason, string(p.State), orDash(p.By), orDash(p.Note)}
		})
	}
	return c
}

// publication is a change of the policy as JSON.
type publication struct {
	Proposal  int64                `json:"proposal"`
	Version   string               `json:"version"`
	Was       string               `json:"was"`
	State     string               `json:"state"`
	Processes []publicationProcess `json:"processes"`
}

type publicationProcess struct {
	Host    string `json:"host"`
	Version string `json:"version"`
	Fault   string `json:"fault,omitempty"`
}

func publicationJSON(p sentinel.PolicyProposal, list []sentinel.PolicyProcess) publication {
	out := publication{p.ID, p.Version, p.Was, string(p.State), []publicationProcess{}}
	for _, one := range list {
		out.Processes = append(out.Processes, publicationProcess{one.Host, one.Version, one.Fault})
	}
	return out
}

func printPublication(w io.Writer, p sentinel.PolicyProposal, list []sentinel.PolicyProcess, took time.Duration) error {
	if p.State == sentinel.ProposalWaiting {
		_, err := fmt.Fprintf(w, "proposal %d, version %s, waits for a second person: sentinel policy approve %d\n", p.ID, p.Version, p.ID)
		return err
	}
	if p.State == sentinel.ProposalRejected {
		_, err := fmt.Fprintf(w, "proposal %d, version %s, is rejected\n", p.ID, p.Version)
		return err
	}
	has := 0
	for _, one := range list {
		if one.Seq >= p.Seq {
			has++
		}
		if one.Fault != "" {
			_, _ = fmt.Fprintf(w, "%s stays on version %s: %s\n", one.Host, one.Version, one.Fault)
		}
	}
	_, err := fmt.Fprintf(w, "version %s is published, and in force in %d of %d processes after %s; it was %s\n", p.Version, has, len(list), took.Round(10*time.Millisecond), p.Was)
	return err
}

func policyDiffCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "diff [FROM] [TO]", Short: "Show what one policy says otherwise than another", Args: atMost(2, "two versions, files or folders"),
		Long: "Diff compares two policies, each a version that is kept, a file or a folder: first by their keys, whatever their places in the files,\n" +
			"then by their lines. Without FROM it is the version in force, without TO the configured file. A token and its hash are the same. It\n" +
			"ends with 0 where nothing differs, and with 1 where something does.",
		Example: "  sentinel policy diff 0b7e1c2d3f4a new.yaml\n  sentinel policy diff --proposal 7",
	}
	config := configFlag(c)
	proposal := c.Flags().Int64("proposal", 0, "compare a proposal with what it was made from")
	asJSON := c.Flags().Bool("json", false, "print JSON")
	c.RunE = func(c *cobra.Command, args []string) error {
		d, err := diffOf(c, *config, *proposal, args)
		if err != nil {
			return refused(err)
		}
		if *asJSON {
			err = printJSON(c.OutOrStdout(), diffJSON(d))
		} else {
			err = printDiff(c.OutOrStdout(), d)
		}
		if err == nil && len(d.Changes)+len(d.Text) > 0 {
			return errDifferent
		}
		return err
	}
	return c
}

var errDifferent = errors.New("the policies differ")

func diffOf(c *cobra.Command, config string, proposal int64, args []string) (app.PolicyDiff, error) {
	d, done, err := app.OpenPolicyDesk(c.Context(), config, lacking(c))
	if err != nil {
		return app.PolicyDiff{}, err
	}
	defer done()
	from, to := "", d.Config.Policies
	if len(args) > 0 {
		from = args[0]
	}
	if len(args) > 1 {
		to = args[1]
	}
	if proposal > 0 {
		if len(args) > 0 {
			return app.PolicyDiff{}, errors.New("--proposal names both sides: leave FROM and TO out")
		}
		p, err := d.Store.Proposal(c.Context(), proposal)
		if err != nil {
			return app.PolicyDiff{}, err
		}
		from, to = p.Was, p.Version
	}
	if from == "" {
		if from, err = d.InForce(c.Context()); err != nil {
			return app.PolicyDiff{}, err
		}
	}
	was, err := policyOf(c.Context(), d.Store, from)
	if err != nil {
		return app.PolicyDiff{}, err
	}
	is, err := policyOf(c.Context(), d.Store, to)
	if err != nil {
		return app.PolicyDiff{}, err
	}
	return app.DiffPolicies(from, to, was, is)
}

// policyOf reads a file or folder, or else a version that is kept.
func policyOf(ctx context.Context, st *store.Store, name string) ([]policy.File, error) {
	if _, err := os.Stat(name); err == nil {
		return app.ReadPolicy(name)
	}
	files, err := app.KeptPolicy(ctx, st, name)
	if errors.Is(err, sentinel.ErrNoPolicyVersion) {
		return nil, fmt.Errorf("%s is neither a file nor a version that is kept: see sentinel policy versions", name)
	}
	return files, err
}

type policyDiff struct {
	Changes []policyChange `json:"changes"`
	Text    string         `json:"text"`
}

type policyChange struct {
	Key string `json:"key"`
	Was string `json:"was"`
	Is  string `json:"is"`
}

func diffJSON(d app.PolicyDiff) policyDiff {
	out := policyDiff{Changes: []policyChange{}, Text: d.Text}
	for _, c := range d.Changes {
		out.Changes = append(out.Changes, policyChange(c))
	}
	return out
}

func printDiff(w io.Writer, d app.PolicyDiff) error {
	if len(d.Changes)+len(d.Text) == 0 {
		_, err := fmt.Fprintln(w, "nothing differs")
		return err
	}
	if len(d.Changes) == 0 {
		_, _ = fmt.Fprintln(w, "no key differs, only lines do")
	} else if err := printTable(w, "KEY\tWAS\tIS", d.Changes, func(c policy.Change) []string { return []string{c.Key, orDash(c.Was), orDash(c.Is)} }); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%s", d.Text)
	return err
}
