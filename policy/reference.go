package policy

import (
	_ "embed"

	"github.com/saas-sentinel/saas-sentinel/internal/strictyaml"
)

//go:embed reference_head.txt
var referenceHead string

// Reference is the page about policy files, with every key, in Markdown.
func Reference() ([]byte, error) {
	keys, err := strictyaml.Reference(file{})
	return []byte(referenceHead + keys), err
}
