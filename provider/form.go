package provider

import (
	"net/url"
	"regexp"
)

// fieldName is how a field is named: a word, and parts of it in brackets, as in transfer_data[destination].
var fieldName = regexp.MustCompile(`^[A-Za-z0-9_.:@$-]+(\[[^\[\]\pC]*\])*$`)

// formFields reads a form or a query. A name that servers take for another one is refused: Rack leaves out brackets and blanks around
// a name, so that amount] or [amount or a blank before it is the amount once more.
func formFields(where, text string) (url.Values, error) {
	fields, err := url.ParseQuery(text)
	if err != nil {
		return nil, badRequest(where, "not a valid form")
	}
	for name := range fields {
		if !fieldName.MatchString(name) {
			return nil, badRequest(where, "the field %q is no word with parts in brackets, such as a[b]: servers read such names in different ways", clip(name))
		}
	}
	return fields, nil
}
