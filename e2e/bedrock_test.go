package e2e

import (
	"encoding/json"
	"path/filepath"
	"testing"

	domain "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/internal/mockapi"
)

// boto3 checks every CRC of the stream that passes through the gateway, and the gateway reads the usage from it.
func TestBedrocksStreamIsMeteredAsItsProviderBills(t *testing.T) {
	config := mockapi.DefaultConfig()
	config.Answers.CachedPercent = 25
	g := open(t, config, "{}", "")
	script, err := filepath.Abs("../examples/clients/bedrock_converse_stream.py")
	g.must(err)
	out, err := g.stack.Python(t.Context(), script,
		"BEDROCK_URL="+g.url+"/bedrock", "PROMPT=one two three four five six seven eight", "AWS_ACCESS_KEY_ID="+accessKey, "AWS_SECRET_ACCESS_KEY="+issued)
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var got struct {
		Pieces int64
		Usage  struct{ InputTokens, OutputTokens, CacheReadInputTokens int64 }
	}
	g.must(json.Unmarshal(out, &got))
	e := g.ledger(1)[0]
	served := g.mock.Stats()
	if int64(e.Cost) != served.CostNanoUSD || e.Cost == 0 || e.Estimated() || !e.Stream || e.Model != "amazon.nova-lite-v1:0" {
		t.Errorf("the ledger has %+v, the provider billed %d", e, served.CostNanoUSD)
	}
	u := got.Usage
	if got.Pieces == 0 || u.CacheReadInputTokens == 0 || e.Usage[domain.InputTokens] != u.InputTokens || e.Usage[domain.OutputTokens] != u.OutputTokens || e.Usage[domain.CachedInputTokens] != u.CacheReadInputTokens {
		t.Errorf("booked %v, the client saw %s", e.Usage, out)
	}
}
