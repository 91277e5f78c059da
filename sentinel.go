// Package sentinel is the vocabulary of SaaS-Sentinel: calls, callers, usage, money,
// reservations, verdicts and ledger entries. It uses the standard library only, does no
// I/O, and carries no JSON, YAML, SQL or protobuf: each room translates at its own door.
package sentinel
