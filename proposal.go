package sentinel

import (
	"errors"
	"strings"
	"time"
)

// PolicyProposal is a policy that somebody puts forward to be the next, and what became of it.
type PolicyProposal struct {
	ID      int64
	At      time.Time
	Version string
	Was     string // in force when it was made
	Author  string
	Reason  string
	State   ProposalState
	By      string    // who decided; empty while it waits
	Decided time.Time // zero while it waits
	Note    string    // of who decided
	Seq     int64     // number of the publication, from 1: processes take the highest; 0 for none
}

// ProposalState is what became of a proposal.
type ProposalState string

// The states.
const (
	ProposalWaiting   ProposalState = "waiting"   // for a second person
	ProposalPublished ProposalState = "published" // it was in force, or is
	ProposalRejected  ProposalState = "rejected"
	ProposalOutdated  ProposalState = "outdated" // another policy came into force before it was approved
)

// Bounds of proposals.
const (
	MaxPolicyReason     = 500 // bytes
	MaxWaitingProposals = 100
)

// What keeps a policy from being published.
var (
	ErrPolicyManaged    = errors.New("the policy comes from files with a source of their own, such as a Git checkout, a folder or a ConfigMap: commit the change there")
	ErrPolicyOutdated   = errors.New("the policy has changed since")
	ErrPolicySame       = errors.New("this is the policy in force already")
	ErrPolicyBroken     = errors.New("the policy cannot come into force")
	ErrPolicyReason     = errors.New("say why, in 1 to 500 bytes")
	ErrOwnProposal      = errors.New("who proposes a policy does not approve it: a second person has to")
	ErrProposalDecided  = errors.New("the proposal is decided already")
	ErrNoProposal       = errors.New("there is no such proposal")
	ErrManyProposals    = errors.New("100 proposals wait already: reject some first")
	ErrNoPolicyVersion  = errors.New("no such version of the policy is kept")
	ErrNoEarlierVersion = errors.New("no version was in force before this one")
)

// SamePerson tells whether two names are one person's.
func SamePerson(a, b string) bool {
	return strings.EqualFold(strings.TrimSpace(a), strings.TrimSpace(b))
}

// PolicyProcess is a gateway process and the policy that it has.
type PolicyProcess struct {
	Instance string
	Host     string
	Version  string // in force there
	Seq      int64  // of the last publication that it has taken
	Managed  bool   // its policy has a source of its own
	Fault    string // why it could not take the last one; empty: it has
	At       time.Time
}
