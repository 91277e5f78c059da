package store

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

func TestASecondPersonApprovesAndTheBaseMustBeInForce(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		now := time.Now().UTC().Truncate(time.Microsecond)
		files := func(v string) []PolicyFile { return []PolicyFile{{"policies.yaml", "org: " + v + "\n"}} }
		if err := s.KeepPolicy(t.Context(), PolicyChange{At: now, Version: "a", Author: "sentinel one"}, files("a")); err != nil {
			t.Fatal(err)
		}
		propose := func(version, was, author string, publish bool, want error) sentinel.PolicyProposal {
			t.Helper()
			p, err := s.Propose(t.Context(), sentinel.PolicyProposal{At: now, Version: version, Was: was, Author: author, Reason: "why " + version}, files(version), publish)
			if !errors.Is(err, want) {
				t.Errorf("%s on %s by %s: %v, want %v", version, was, author, err, want)
			}
			return p
		}
		decide := func(id int64, by string, approve bool, want error) sentinel.PolicyProposal {
			t.Helper()
			p, err := s.Decide(t.Context(), id, by, "read it", approve)
			if !errors.Is(err, want) {
				t.Errorf("proposal %d by %s, approved %t: %v, want %v", id, by, approve, err, want)
			}
			return p
		}
		propose("b", "x", "ada", false, sentinel.ErrPolicyOutdated)
		propose("a", "a", "ada", false, sentinel.ErrPolicySame)
		b, c := propose("b", "a", "ada", false, nil), propose("c", "a", "bob", false, nil)
		if b.State != sentinel.ProposalWaiting || b.Seq != 0 {
			t.Errorf("a proposal: %+v", b)
		}
		if _, _, ok, err := s.Publication(t.Context(), 0); ok || err != nil {
			t.Errorf("what nobody approved is published: %v", err)
		}
		decide(b.ID, " Ada", true, sentinel.ErrOwnProposal)
		if got := decide(b.ID, "bob", true, nil); got.State != sentinel.ProposalPublished || got.Seq != 1 || got.By != "bob" || got.Note != "read it" || got.Decided.IsZero() {
			t.Errorf("approved: %+v", got)
		}
		decide(b.ID, "bob", true, sentinel.ErrProposalDecided)
		decide(c.ID, "ada", true, sentinel.ErrPolicyOutdated)
		if list, err := s.Proposals(t.Context(), 0, 10); err != nil || len(list) != 2 || list[0].State != sentinel.ProposalOutdated {
			t.Errorf("proposals: %+v, %v", list, err)
		}
		if got := decide(c.ID, "bob", false, nil); got.State != sentinel.ProposalRejected {
			t.Errorf("its author took back: %+v", got)
		}
		decide(99, "ada", true, sentinel.ErrNoProposal)
		if got := propose("a", "b", "ada", true, nil); got.Seq != 2 || got.State != sentinel.ProposalPublished { // back to a text that is kept
			t.Errorf("published at once: %+v", got)
		}
		p, text, ok, err := s.Publication(t.Context(), 1)
		if err != nil || !ok || p.Seq != 2 || p.Version != "a" || p.Reason != "why a" || text[0].Text != "org: a\n" {
			t.Errorf("the newest publication: %+v %+v %v", p, text, err)
		}
		if _, _, ok, _ = s.Publication(t.Context(), 2); ok {
			t.Error("a publication after the last one")
		}
		changes, err := s.PolicyChanges(t.Context(), 0, 10)
		if err != nil || len(changes) != 3 || changes[0].Version != "a" || changes[0].Author != "ada" || changes[0].Reason != "why a" {
			t.Errorf("changes: %+v, %v", changes, err)
		}
	})
}

// Of many who publish on the same version at once, one does.
func TestOneOfManyPublishersWins(t *testing.T) {
	s := open(t, "postgres")
	if err := s.KeepPolicy(t.Context(), PolicyChange{At: time.Now(), Version: "a", Author: "one"}, []PolicyFile{{"p", "a"}}); err != nil {
		t.Fatal(err)
	}
	var won, late atomic.Int64
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			version := string(rune('b' + i))
			_, err := s.Propose(t.Context(), sentinel.PolicyProposal{At: time.Now(), Version: version, Was: "a", Author: "x"}, []PolicyFile{{"p", version}}, true)
			switch {
			case err == nil:
				won.Add(1)
			case errors.Is(err, sentinel.ErrPolicyOutdated):
				late.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	group.Wait()
	if won.Load() != 1 || late.Load() != 7 {
		t.Errorf("%d won and %d were late", won.Load(), late.Load())
	}
}

func TestProcessesSayWhatTheyHave(t *testing.T) {
	onEach(t, func(t *testing.T, s *Store) {
		put := func(p sentinel.PolicyProcess) {
			t.Helper()
			if err := s.PutPolicyProcess(t.Context(), p); err != nil {
				t.Fatal(err)
			}
		}
		put(sentinel.PolicyProcess{Instance: "1", Host: "b", Version: "v1"})
		put(sentinel.PolicyProcess{Instance: "2", Host: "a", Version: "v1", Managed: true})
		put(sentinel.PolicyProcess{Instance: "1", Host: "b", Version: "v2", Seq: 3, Fault: "vault is away"})
		list, err := s.PolicyProcesses(t.Context(), time.Minute)
		if err != nil || len(list) != 2 || list[0].Host != "a" || !list[0].Managed || list[1].Version != "v2" || list[1].Seq != 3 || list[1].Fault != "vault is away" {
			t.Errorf("processes: %+v, %v", list, err)
		}
		if err := s.RemovePolicyProcess(t.Context(), "1"); err != nil {
			t.Fatal(err)
		}
		if list, _ = s.PolicyProcesses(t.Context(), time.Minute); len(list) != 1 {
			t.Errorf("after one stopped: %+v", list)
		}
		if list, _ = s.PolicyProcesses(t.Context(), 0); len(list) != 0 {
			t.Errorf("heard of in no time: %+v", list)
		}
	})
}
