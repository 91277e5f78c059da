package provider

import (
	"encoding/base64"
	"path"
)

// flatFor is a request that costs the same whatever model it names. It is not sent for another one: the count of another model's
// tokens would be no answer.
func flatFor(model string) (Request, error) {
	rq := flatRequest()
	rq.Model, rq.Fixed = model, true
	if model != "" && !isModelName(model) {
		return rq, badRequest("model", "name a model, in printable ASCII of at most %d bytes", maxModel)
	}
	return rq, nil
}

// readFlat reads one whose body names the model, if anything does.
func readFlat(o object) (Request, error) {
	model, err := o.text("model")
	if err != nil {
		return Request{}, err
	}
	return flatFor(model)
}

// count reads a request to count tokens. Its body may name the model once more, and must not name another one.
func (geminiDialect) count(o object, model string) (Request, error) {
	key, err := o.either("generateContentRequest", "generate_content_request")
	if err != nil {
		return Request{}, err
	}
	inner, _, err := o.object(key, geminiKeys)
	if err != nil {
		return Request{}, err
	}
	for _, o := range []object{o, inner} {
		named, err := o.text("model")
		if err != nil {
			return Request{}, err
		}
		if named != "" && path.Base(named) != model {
			return Request{}, badRequest("model", "the path names another model")
		}
	}
	return flatFor(model)
}

// count reads a request to count tokens: its input is one of Converse, or the bytes of one in the model's own format.
func (bedrockDialect) count(model string, r RawRequest) (Request, error) {
	o, err := readObject(r.Body, []string{"input"})
	if err != nil {
		return Request{}, err
	}
	input, _, err := o.object("input", []string{"converse", "invokeModel"})
	if err != nil {
		return Request{}, err
	}
	if _, _, err = input.object("converse", converseKeys); err != nil {
		return Request{}, err
	}
	invoke, _, err := input.object("invokeModel", []string{"body"})
	if err != nil {
		return Request{}, err
	}
	text, err := invoke.text("body")
	if err != nil || text == "" {
		rq, _ := flatFor(model)
		return rq, err
	}
	native, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return Request{}, badRequest("body", "base64 is expected")
	}
	if _, err := readObject(native, anthropicKeys); err != nil {
		return Request{}, err
	}
	if name := redirects(native); name != "" && !r.Redirects {
		return Request{}, elsewhere(name)
	}
	return flatFor(model)
}
