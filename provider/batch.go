package provider

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// maxBatchLine bounds one result: an answer of many choices, or a batch of embeddings.
const maxBatchLine = 64 << 20

// batchLine is one result: OpenAI's (https://platform.openai.com/docs/guides/batch) has a response, Anthropic's
// (https://docs.claude.com/en/docs/build-with-claude/batch-processing) a result.
type batchLine struct {
	Response *struct {
		Status int             `json:"status_code"`
		Body   json.RawMessage `json:"body"`
	} `json:"response"`
	Result *struct {
		Type    string          `json:"type"`
		Message json.RawMessage `json:"message"`
	} `json:"result"`
}

// answer is what the provider bills: requests that failed, were cancelled or expired cost nothing.
func (l batchLine) answer() (body []byte, known bool) {
	switch {
	case l.Response != nil && l.Response.Status == http.StatusOK:
		return l.Response.Body, true
	case l.Result != nil && l.Result.Type == "succeeded":
		return l.Result.Message, true
	}
	return nil, l.Response != nil || l.Result != nil
}

// Batch reads the results of a batch, one JSON object a line, and gives to use what each answer used. All are billed by the batch list, whatever
// an answer says.
func (p Preset) Batch(results io.Reader, use func(Metered) error) error {
	e, ok := p.Endpoint("messages")
	if !ok {
		e, ok = p.Endpoint("chat.completions") // whose reader knows the usage of responses and embeddings too
	}
	if _, batches := p.Endpoint("batches.create"); !ok || !batches {
		return fmt.Errorf("preset %s has no batches", p.Name)
	}
	lines := bufio.NewScanner(results)
	lines.Buffer(nil, maxBatchLine)
	for n := 1; lines.Scan(); n++ {
		if len(lines.Bytes()) == 0 {
			continue
		}
		var l batchLine
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		body, known := l.answer()
		switch {
		case !known:
			return fmt.Errorf("line %d is no result of a batch: it has neither response nor result", n)
		case body == nil:
			continue
		}
		m := p.NewMeter(MeterSpec{Endpoint: e, Status: http.StatusOK, ContentType: "application/json"})
		m.Write(body)
		got := m.Finish(true)
		if !got.Reported || got.Method != "" || got.Model == "" {
			return fmt.Errorf("line %d: the answer does not say what it used, and of which model", n)
		}
		got.Tier = "batch"
		if err := use(got); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("results of a batch: %w", err)
	}
	return nil
}
