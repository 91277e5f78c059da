package store

import (
	"embed"
	"fmt"
	"strings"
)

// questions are what the ledger is asked, a file each. PostgreSQL with TimescaleDB and without it are asked in the same words: only what lies
// under the names differs.
//
//go:embed questions/*.sql
var questions embed.FS

// question reads a file, once, and fills its places: pairs of a name in braces and a constant of the code. What a user has chosen is always
// a parameter.
func question(name string, places ...string) string {
	text, err := questions.ReadFile("questions/" + name + ".sql")
	if err != nil {
		panic(fmt.Sprintf("the question %s is not embedded", name)) // at the start of every process and test, or never
	}
	return filled(string(text), places...)
}

func filled(text string, places ...string) string {
	return strings.NewReplacer(places...).Replace(text)
}
