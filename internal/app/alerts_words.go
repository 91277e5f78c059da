package app

import (
	"fmt"
	"math"
	"strings"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/ml/detect"
	"github.com/saas-sentinel/saas-sentinel/policy"
)

// titleOf says in one line what is wrong.
func titleOf(s seen) string {
	f := s.fact
	switch f.Kind {
	case "errors":
		return fmt.Sprintf("%.0f %% of calls to %s fail", 100*f.Rate, f.Provider)
	case "outage":
		return fmt.Sprintf("%s is down: %.0f %% of calls fail", f.Provider, 100*f.Rate)
	case "latency":
		return fmt.Sprintf("%s is slow: answers begin within %.1f s for 95 of 100 calls", f.Provider, f.Seconds)
	case "first_seen":
		return fmt.Sprintf("%s calls %s, which nobody did in the last 90 days", f.Service, f.Name)
	case "other_host":
		return fmt.Sprintf("%s reaches %s, which is no provider's host", f.Service, f.Name)
	case "certificate":
		if f.Days <= 0 {
			return "the certificate of " + f.Name + " has ended"
		}
		return fmt.Sprintf("the certificate of %s ends in %.0f days", f.Name, math.Floor(f.Days))
	case "key_refused":
		return fmt.Sprintf("%s refuses our credential, or it cannot be read", f.Provider)
	case "quarantine":
		return fmt.Sprintf("%s refuses one of our credentials, and the others are used", f.Provider)
	case "unpriced":
		return fmt.Sprintf("%s calls something of %s that has no price", f.Service, f.Provider)
	case "downgraded":
		return fmt.Sprintf("calls of %s to %s go to a cheaper model", f.Service, f.Provider)
	case "refused":
		return fmt.Sprintf("calls of %s to %s are refused: %s", f.Service, f.Provider, f.Reason)
	case "anomaly":
		what := fmt.Sprintf("%s of %s at ", detect.Noun(f.Name, "minute"), f.Service)
		if f.Factor >= maxFactor {
			return what + "more than a thousand times what was expected"
		}
		return what + fmt.Sprintf("%.1f times what was expected", f.Factor)
	case "spool_lag":
		return fmt.Sprintf("%d records wait for the database", f.Count)
	case "drift":
		if f.Name == "redis" {
			return "counters in Redis were below the ledger, and were raised"
		}
		return "Envoy carried calls that are not on the ledger"
	case "process":
		return map[string]string{
			processKilled: "a gateway process was killed, or crashed, and runs again",
			processStill:  "a gateway process stood still for seconds: calls waited for it, or were refused",
			processSilent: "a gateway process is silent: what its spool holds is not on the ledger",
		}[f.Reason]
	case "policy":
		return "a gateway process could not take the policy that is " + map[string]string{"file": "in its file", "published": "published"}[f.Name] + ", the one before stays"
	}
	switch f.Name {
	case dependencySpool:
		return "the spool is full: calls go on, and are not on the ledger"
	case dependencyClock:
		return "the clock of a gateway process and Redis' are apart: calls are counted by Redis', run NTP on both machines"
	case databaseAway.name:
		return "the database does not answer: calls go on, and the ledger waits in each process's spool"
	}
	return "no answer of " + f.Name + ": calls are judged without it"
}

// detailOf adds where the figure is from.
func detailOf(s seen) string {
	switch s.fact.Kind {
	case "spool_lag":
		return ""
	case "process":
		switch s.fact.Reason {
		case processKilled:
			return "calls that it was metering are booked at what Envoy saw of them, or at the most that they can cost"
		case processSilent:
			_, spool, _ := strings.Cut(s.fact.Name, "/")
			return "start it again with its spool, or give that up: sentinel limits abandon " + spool + "; the others' logs name its host"
		}
	case "first_seen":
		return "a provider or model is watched from here on; add prices and limits where it has none"
	case "other_host":
		return "its calls are carried untouched and not metered: name it as a provider, or set egress.others to deny or tunnel"
	case "certificate":
		if s.fact.Reason == unrenewed {
			return "the gateway renews it after half of its life, and cannot: the process's log says why; calls fail when it has ended"
		}
		return "renew its file: calls fail when it has ended"
	case "anomaly":
		return "as this gateway process saw the service's last minutes"
	}
	return fmt.Sprintf("%d in the last minute, as one gateway process saw it", s.fact.Count)
}

// severityOf raises what cannot wait, whatever its rule says.
func severityOf(f policy.AlertFact) sentinel.Severity {
	const lastDays = 3
	if f.Kind == "certificate" && f.Days < lastDays {
		return sentinel.SeverityCritical
	}
	return sentinel.SeverityInfo
}
