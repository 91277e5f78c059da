package provider

import (
	"bytes"
	"compress/gzip"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	sentinel "github.com/saas-sentinel/saas-sentinel"
)

// TestEncodedAnswersCostTheirBound meters answers that come compressed although identity was asked for: small ones, ones that
// end early, and a bomb of 64 MiB. What they say is not believed, and not unpacked.
func TestEncodedAnswersCostTheirBound(t *testing.T) {
	report := `{"model":"gpt-5","choices":[],"usage":` + chatReport + `}`
	stream := hello + "\n\n" + lastUsage + "\n\ndata: [DONE]\n\n"
	bomb := report + strings.Repeat(" ", 64<<20)
	p, e := use(t, "openai", "chat.completions")
	bound := sentinel.Usage{sentinel.InputTokens: 900, sentinel.OutputTokens: 4096}
	want := bound
	want[sentinel.Requests] = 1
	for coding, pack := range map[string]func(string) []byte{"gzip": gzipped, "br": brotlied, "zstd": zstandard} {
		for name, tt := range map[string]struct {
			kind, text string
			keep       float64
		}{
			"a JSON answer":   {"application/json", report, 1},
			"a stream":        {"text/event-stream", stream, 1},
			"half of one":     {"text/event-stream", stream, 0.5},
			"a bomb":          {"application/json", bomb, 1},
			"nothing at all":  {"application/json", report, 0},
			"half of a JSON":  {"application/json", report, 0.5},
			"a stream's bomb": {"text/event-stream", bomb, 1},
		} {
			t.Run(coding+"/"+name, func(t *testing.T) {
				body := pack(tt.text)
				body = body[:int(float64(len(body))*tt.keep)]
				m := p.NewMeter(MeterSpec{
					Endpoint: e, Model: "gpt-5", Status: 200, ContentType: tt.kind, HideUsage: true, Bound: bound,
					Header: func(name string) string { return map[string]string{"content-encoding": coding}[name] },
				})
				if out := m.Write(body); !bytes.Equal(out, body) {
					t.Error("the bytes that pass are others than those that came")
				}
				if got := m.Finish(tt.keep == 1); !cmp.Equal(got.Usage, want) || got.Method != methodBound || got.Reported {
					t.Errorf("it is booked as %+v, want the bound %v", got, want)
				}
			})
		}
	}
}

func TestPlainAndRefusedAnswersAreReadWhateverTheyAreCalled(t *testing.T) {
	p, e := use(t, "openai", "chat.completions")
	for name, tt := range map[string]struct {
		coding string
		status int
		want   int64
	}{"identity": {"Identity", 200, 1}, "none": {"", 200, 1}, "a refusal": {"gzip", 429, 0}} {
		m := p.NewMeter(MeterSpec{Endpoint: e, Status: tt.status, ContentType: "application/json", Header: func(string) string { return tt.coding }})
		m.Write([]byte(`{"model":"gpt-5","choices":[],"usage":` + chatReport + `}`))
		if got := m.Finish(true); !got.Reported || got.Usage[sentinel.Requests] != tt.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func gzipped(s string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(s)) // a buffer never fails
	_ = w.Close()
	return b.Bytes()
}

func brotlied(s string) []byte {
	var b bytes.Buffer
	w := brotli.NewWriterLevel(&b, brotli.BestSpeed)
	_, _ = w.Write([]byte(s))
	_ = w.Close()
	return b.Bytes()
}

func zstandard(s string) []byte {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		return nil
	}
	defer func() { _ = w.Close() }()
	return w.EncodeAll([]byte(s), nil)
}
