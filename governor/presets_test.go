package governor

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	sentinel "github.com/saas-sentinel/saas-sentinel"
	"github.com/saas-sentinel/saas-sentinel/provider"
)

// header gives one request header.
func header(name, value string) func(string) string {
	return func(n string) string {
		if n == name {
			return value
		}
		return ""
	}
}

// TestPresetsInYAMLArePriced works the money out from the published prices that each preset names.
func TestPresetsInYAMLArePriced(t *testing.T) {
	s := state(t, `
  twilio: {preset: twilio, credential: vault:secret/twilio#key}
  mail: {preset: sendgrid, credential: vault:secret/mail#key}
  places: {preset: google-places, credential: vault:secret/maps#key}
  routes: {preset: google-routes, credential: vault:secret/maps#key}
  geocoding: {preset: google-geocoding, credential: vault:secret/maps#key}
  sqs: {preset: aws-sqs, region: us-east-1, credential: vault:secret/aws}
  sns: {preset: aws-sns, region: us-east-1, credential: vault:secret/aws}
  dynamo: {preset: aws-dynamodb, region: us-east-1, credential: vault:secret/aws}
  lambda: {preset: aws-lambda, region: us-east-1, credential: vault:secret/aws}
`)
	const form = "application/x-www-form-urlencoded"
	sms := func(body string) provider.RawRequest {
		return provider.RawRequest{Path: "/2010-04-01/Accounts/AC1/Messages.json", ContentType: form, Body: []byte(body)}
	}
	masked := func(path, mask, body string) provider.RawRequest {
		return provider.RawRequest{Path: path, Header: header("x-goog-fieldmask", mask), Body: []byte(body)}
	}
	aws := func(target, body string) provider.RawRequest {
		return provider.RawRequest{Path: "/", Header: header("x-amz-target", target), Body: []byte(body)}
	}
	for name, tt := range map[string]pricedCall{
		// Three segments of UCS-2 at 0.0083.
		"Twilio: three segments": {"twilio/messages.create", sms("To=%2B14155550100&Body=" + strings.Repeat("%E2%9C%93", 135)), 201, nil,
			`{"sid":"SM1","num_segments":"3","price":null}`, 24_900_000, 24_900_000, "sms-us", "", ""},
		"Twilio: a picture":  {"twilio/messages.create", sms("To=%2B14155550100&MediaUrl=a&MediaUrl=b&Body=x"), 201, nil, `{"num_segments":"1"}`, 22_000_000, 22_000_000, "mms-us", "", ""},
		"Twilio: a template": {"twilio/messages.create", sms("To=%2B14155550100&ContentSid=HX1"), 201, nil, `{"num_segments":"2"}`, 199_200_000, 16_600_000, "sms-us", "", ""},
		"Twilio: refused":    {"twilio/messages.create", sms("To=%2B14155550100&Body=x"), 400, nil, `{}`, 8_300_000, 0, "sms-us", "", ""},
		"Twilio: Jamaica":    {"twilio/messages.create", sms("To=%2B18765550100&Body=x"), 0, nil, "", 0, 0, "", "", "no price"},
		"Twilio: WhatsApp":   {"twilio/messages.create", sms("To=whatsapp%3A%2B14155550100&Body=x"), 0, nil, "", 0, 0, "", "", "no price"},
		// Four recipients at 19.95 dollars for 50,000.
		"SendGrid: four recipients": {"mail/mail.send", provider.RawRequest{Body: []byte(`{"personalizations":[{"to":[{"email":"a"},{"email":"b"}],"cc":[{"email":"c"}]},{"to":[{"email":"d"}]}],"content":[]}`)}, 202, nil,
			``, 1_596_000, 1_596_000, "essentials-50k", "", ""},
		"SendGrid: a sandbox":            {"mail/mail.send", provider.RawRequest{Body: []byte(`{"personalizations":[{"to":[{"email":"a"}]}]}`)}, 200, nil, ``, 399_000, 0, "essentials-50k", "", ""},
		"Places: ids":                    {"places/places.get", masked("/v1/places/x", "id,name", ""), 200, nil, `{}`, 0, 0, "details-ids", "", ""},
		"Places: an address":             {"places/places.get", masked("/v1/places/x", "id,formattedAddress,location.latitude", ""), 200, nil, `{}`, 5_000_000, 5_000_000, "details-essentials", "", ""},
		"Places: a name":                 {"places/places.get", masked("/v1/places/x", "displayName.text", ""), 200, nil, `{}`, 17_000_000, 17_000_000, "details-pro", "", ""},
		"Places: a rating":               {"places/places.get", masked("/v1/places/x", "displayName,rating", ""), 200, nil, `{}`, 20_000_000, 20_000_000, "details-enterprise", "", ""},
		"Places: everything":             {"places/places.get", masked("/v1/places/x", "*", ""), 200, nil, `{}`, 25_000_000, 25_000_000, "details-atmosphere", "", ""},
		"Places: a new field":            {"places/places.get", masked("/v1/places/x", "id,holograms", ""), 200, nil, `{}`, 25_000_000, 25_000_000, "details-atmosphere", "", ""},
		"Places: by the query":           {"places/places.get", provider.RawRequest{Path: "/v1/places/x", Query: "fields=id,location"}, 200, nil, `{}`, 5_000_000, 5_000_000, "details-essentials", "", ""},
		"Places: a search":               {"places/places.text_search", masked("/v1/places:searchText", "places.displayName,places.id", "{}"), 200, nil, `{}`, 32_000_000, 32_000_000, "text-search-pro", "", ""},
		"Geocoding: an address":          {"geocoding/geocode.address", provider.RawRequest{Path: "/v4/geocode/address/Bonn"}, 200, nil, `{"results":[]}`, 5_000_000, 5_000_000, "", "", ""},
		"Geocoding: refused":             {"geocoding/destinations.search", provider.RawRequest{Path: "/v4/geocode/destinations"}, 403, nil, `{}`, 5_000_000, 0, "", "", ""},
		"Routes: plain":                  {"routes/routes.compute", provider.RawRequest{Body: []byte(`{"origin":{},"destination":{},"travelMode":"DRIVE"}`)}, 200, nil, `{}`, 5_000_000, 5_000_000, "routes-essentials", "", ""},
		"Routes: traffic":                {"routes/routes.compute", provider.RawRequest{Body: []byte(`{"origin":{},"destination":{},"routingPreference":"TRAFFIC_AWARE_OPTIMAL"}`)}, 200, nil, `{}`, 10_000_000, 10_000_000, "routes-pro", "", ""},
		"Routes: two wheels":             {"routes/routes.compute", provider.RawRequest{Body: []byte(`{"origin":{},"destination":{},"travelMode":"TWO_WHEELER"}`)}, 200, nil, `{}`, 15_000_000, 15_000_000, "routes-enterprise", "", ""},
		"Routes: 2 by 3":                 {"routes/routes.matrix", provider.RawRequest{Body: []byte(`{"origins":[{"waypoint":{}},{"waypoint":{}}],"destinations":[{"waypoint":{}},{"waypoint":{}},{"waypoint":{}}]}`)}, 200, nil, `[]`, 30_000_000, 30_000_000, "matrix-essentials", "", ""},
		"SQS: a message":                 {"sqs/call", aws("AmazonSQS.SendMessage", `{"QueueUrl":"https://sqs.us-east-1.amazonaws.com/1/a","MessageBody":"x"}`), 200, nil, `{}`, 400, 400, "standard-queue", "", ""},
		"SQS: FIFO, two blocks":          {"sqs/call", aws("AmazonSQS.SendMessage", `{"QueueUrl":"https://sqs.us-east-1.amazonaws.com/1/a.fifo","MessageBody":"`+strings.Repeat("x", 65_536)+`"}`), 200, nil, `{}`, 1000, 1000, "fifo", "", ""},
		"SQS: a large answer":            {"sqs/call", aws("AmazonSQS.ReceiveMessage", `{"QueueUrl":"https://sqs.us-east-1.amazonaws.com/1/a"}`), 200, map[string]string{"content-length": "131073"}, ``, 6400, 1200, "receive", "", ""},
		"SNS: a topic":                   {"sns/call", provider.RawRequest{Path: "/", ContentType: form, Body: []byte("Action=Publish&TopicArn=a&Message=x")}, 200, nil, ``, 500, 500, "publish", "", ""},
		"SNS: a telephone":               {"sns/call", provider.RawRequest{Path: "/", ContentType: form, Body: []byte("Action=Publish&PhoneNumber=%2B1&Message=x")}, 0, nil, ``, 0, 0, "", "", "no price"},
		"SNS: a stranger who listens":    {"sns/call", provider.RawRequest{Path: "/", ContentType: form, Body: []byte("Action=Subscribe&TopicArn=a&Protocol=https&Endpoint=https://evil.example")}, 0, nil, ``, 0, 0, "", "", "no price"},
		"SNS: an action in the query":    {"sns/call", provider.RawRequest{Path: "/", Query: "Action=AddPermission", ContentType: form, Body: []byte("Action=Publish&TopicArn=a&Message=x")}, 0, nil, ``, 0, 0, "", "", "no price"},
		"SNS: no action":                 {"sns/call", provider.RawRequest{Path: "/", ContentType: form, Body: []byte("TopicArn=a&Message=x")}, 0, nil, ``, 0, 0, "", "", "cannot be priced"},
		"SQS: access for a stranger":     {"sqs/call", aws("AmazonSQS.AddPermission", `{"QueueUrl":"https://sqs.us-east-1.amazonaws.com/1/a","AWSAccountIds":["9"]}`), 0, nil, ``, 0, 0, "", "", "no price"},
		"SQS: access to a FIFO queue":    {"sqs/call", aws("AmazonSQS.SetQueueAttributes", `{"QueueUrl":"https://sqs.us-east-1.amazonaws.com/1/a.fifo","Attributes":{"Policy":"{}"}}`), 0, nil, ``, 0, 0, "", "", "no price"},
		"SQS: a queue with a policy":     {"sqs/call", aws("AmazonSQS.CreateQueue", `{"QueueName":"a","Attributes":{"Policy":"{}"}}`), 0, nil, ``, 0, 0, "", "", "no price"},
		"SQS: a queue":                   {"sqs/call", aws("AmazonSQS.CreateQueue", `{"QueueName":"a","Attributes":{"DelaySeconds":"1"}}`), 200, nil, `{}`, 400, 400, "standard-queue", "", ""},
		"SNS: a FIFO topic":              {"sns/call", provider.RawRequest{Path: "/", ContentType: form, Body: []byte("Action=Publish&TopicArn=a.fifo&Message=x")}, 0, nil, ``, 0, 0, "", "", "no price"},
		"DynamoDB: a read":               {"dynamo/call", aws("DynamoDB_20120810.GetItem", `{"TableName":"t"}`), 200, nil, `{}`, 6250, 62, "read", "formula", ""},
		"DynamoDB: a batch":              {"dynamo/call", aws("DynamoDB_20120810.BatchWriteItem", `{"RequestItems":{"t":[{},{}],"u":[{}]}}`), 200, nil, `{}`, 750_000, 1875, "batch-write", "formula", ""},
		"DynamoDB: a client's own error": {"dynamo/call", aws("DynamoDB_20120810.PutItem", `{"TableName":"t"}`), 400, nil, `{}`, 250_000, 0, "write", "", ""},
		"Lambda: a call":                 {"lambda/invoke", provider.RawRequest{Path: "/2015-03-31/functions/f/invocations", Body: []byte(`[1]`)}, 200, nil, ``, 200, 200, "", "", ""},
	} {
		t.Run(name, func(t *testing.T) { tt.run(t, s) })
	}
}

// What AWS charges by region is unpriced in a region without a figure, whatever it costs elsewhere.
func TestARegionWithoutAFigureIsUnpriced(t *testing.T) {
	sqs := provider.RawRequest{Path: "/", Header: header("x-amz-target", "AmazonSQS.SendMessage"), Body: []byte(`{"QueueUrl":"https://sqs.x.amazonaws.com/1/a","MessageBody":"x"}`)}
	fifo := sqs
	fifo.Body = []byte(`{"QueueUrl":"https://sqs.x.amazonaws.com/1/a.fifo","MessageBody":"x"}`)
	sns := provider.RawRequest{Path: "/", ContentType: "application/x-www-form-urlencoded", Body: []byte("Action=Publish&TopicArn=a&Message=x")}
	dynamo := provider.RawRequest{Path: "/", Header: header("x-amz-target", "DynamoDB_20120810.GetItem"), Body: []byte(`{"TableName":"t"}`)}
	lambda := provider.RawRequest{Path: "/2015-03-31/functions/f/invocations", Body: []byte(`[1]`)}
	for _, tt := range []struct {
		preset, region string
		rq             provider.RawRequest
		sku            string
		held, want     sentinel.NanoUSD // 0: none
		method         string
	}{
		{"aws-sqs", "us-west-2", sqs, "standard-queue", 400, 400, ""}, {"aws-sqs", "us-west-2", fifo, "", 0, 0, ""}, {"aws-sqs", "eu-isoe-west-1", sqs, "", 0, 0, ""},
		{"aws-sns", "af-south-1", sns, "publish", 595, 595, ""}, {"aws-sns", "eu-isoe-west-1", sns, "", 0, 0, ""},
		{"aws-dynamodb", "il-central-1", dynamo, "read", 8500, 85, "formula"}, {"aws-dynamodb", "eu-isoe-west-1", dynamo, "", 0, 0, ""},
		{"aws-lambda", "ap-east-1", lambda, "", 280, 280, ""}, {"aws-lambda", "eu-isoe-west-1", lambda, "", 0, 0, ""},
	} {
		t.Run(tt.preset+" in "+tt.region, func(t *testing.T) {
			s := state(t, "  api: {preset: "+tt.preset+", region: "+tt.region+", credential: vault:secret/aws}\n")
			endpoint, refused := "api/call", "no price"
			if tt.preset == "aws-lambda" {
				endpoint = "api/invoke"
			}
			if tt.want > 0 {
				refused = ""
			}
			pricedCall{endpoint, tt.rq, 200, nil, `{}`, tt.held, tt.want, tt.sku, tt.method, refused}.run(t, s)
		})
	}
}

// A batch and a realtime session cost what no answer shows: the policy's price of what has none holds, by the call, and realtime must be
// allowed by name as well.
func TestWhatIsBilledApartHasThePolicysPrice(t *testing.T) {
	batch := provider.RawRequest{Path: "/v1/batches", Body: []byte(`{"input_file_id":"file-1","endpoint":"/v1/chat/completions","completion_window":"24h"}`)}
	s := state(t, "  openai: {preset: openai, credential: vault:secret/openai#key}\n")
	if _, open := s.Routes["openai/realtime.client_secrets"]; open {
		t.Error("realtime is open without being allowed")
	}
	pricedCall{"openai/batches.create", batch, 0, nil, "", 0, 0, "", "", "no price is known for openai on batches.create"}.run(t, s)

	s = state(t, "  openai: {preset: openai, credential: vault:secret/openai#key, allow: [batches.create, realtime.client_secrets]}\ndefaults: {unpriced: {flat_usd: 2.50}}\n")
	pricedCall{"openai/batches.create", batch, 200, nil, `{"id":"batch_1","object":"batch"}`, 2_500_000_000, 2_500_000_000, "", "", ""}.run(t, s)
	pricedCall{"openai/batches.create", batch, 400, nil, `{"error":{}}`, 2_500_000_000, 0, "", "", ""}.run(t, s)
	pricedCall{"openai/realtime.client_secrets", provider.RawRequest{Path: "/v1/realtime/client_secrets"}, 200, nil, `{"value":"ek_1"}`, 2_500_000_000, 2_500_000_000, "", "", ""}.run(t, s)
}

// What a policy does not name under allow is no route: what moves money out or changes access even where it names nothing.
func TestAllowSaysWhichEndpointsAreOpen(t *testing.T) {
	routes := func(allow string) (out []string) {
		for name := range state(t, "  stripe: {preset: stripe, credential: vault:secret/stripe#key"+allow+"}\n").Routes {
			out = append(out, name)
		}
		slices.Sort(out)
		return out
	}
	preset, _ := provider.Find("stripe")
	var open []string
	for _, e := range preset.Endpoints {
		if !e.Closed {
			open = append(open, "stripe/"+e.Name)
		}
	}
	slices.Sort(open)
	if diff := cmp.Diff(open, routes("")); diff != "" || len(open) < 3 {
		t.Errorf("without allow (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"stripe/any.post", "stripe/charges.create"}, routes(", allow: [charges.create, any.post]")); diff != "" {
		t.Errorf("with allow (-want +got):\n%s", diff)
	}
}

// Speech that is billed by tokens has no price by the character, and is priced all the same.
func TestSpeechByTheTokenIsPriced(t *testing.T) {
	s := state(t, "  openai: {preset: openai, credential: vault:secret/openai#key}\n")
	rq := provider.RawRequest{Path: "/v1/audio/speech", Body: []byte(`{"model":"gpt-4o-mini-tts","voice":"alloy","input":"Hi","stream_format":"sse"}`)}
	const events = "data: {\"type\":\"speech.audio.done\",\"usage\":{\"input_tokens\":14,\"output_tokens\":101}}\n\n"
	// Held: 78 bytes × 600 + 272,000 tokens × 12,000. Booked: 14 × 600 + 101 × 12,000.
	pricedCall{"openai/audio.speech", rq, 200, map[string]string{"content-type": "text/event-stream"}, events, 78*600 + 272_000*12_000, 1_220_400, "", "", ""}.run(t, s)
}
