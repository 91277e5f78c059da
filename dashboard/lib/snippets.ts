// Snippets are a provider's clients, unchanged but for base URL and key. Each makes one call.

export interface Snippet { name: string; text: string }

const token = "<the service's token>", id = "<the issued id>", secret = "<the issued secret>";

/** snippets gives what fits a provider: base is its address at the gateway, host the one that it replaces. */
export function snippets(preset: string, base: string, host: string): Snippet[] {
  if (preset.startsWith("aws-")) return aws(preset.slice(4), base);
  return (known[preset] ?? other)(base, host);
}

const known: Record<string, (base: string, host: string) => Snippet[]> = {
  openai: (base) => [
    { name: "Python", text: `from openai import OpenAI

client = OpenAI(base_url="${base}/v1", api_key="${token}")
answer = client.chat.completions.create(model="gpt-5-mini", messages=[{"role": "user", "content": "hello"}])
print(answer.choices[0].message.content)` },
    { name: "Node", text: `import OpenAI from "openai";

const client = new OpenAI({ baseURL: "${base}/v1", apiKey: "${token}" });
const answer = await client.chat.completions.create({ model: "gpt-5-mini", messages: [{ role: "user", content: "hello" }] });
console.log(answer.choices[0].message.content);` },
    { name: "Go", text: `client := openai.NewClient(option.WithBaseURL("${base}/v1/"), option.WithAPIKey("${token}")) // github.com/openai/openai-go/v3` },
    { name: "curl", text: `curl ${base}/v1/chat/completions -H "Authorization: Bearer ${token}" -H "Content-Type: application/json" \\
  -d '{"model":"gpt-5-mini","messages":[{"role":"user","content":"hello"}]}'` },
  ],
  anthropic: (base) => [
    { name: "Python", text: `from anthropic import Anthropic

client = Anthropic(base_url="${base}", api_key="${token}")
answer = client.messages.create(model="claude-sonnet-4-5", max_tokens=100, messages=[{"role": "user", "content": "hello"}])
print(answer.content[0].text)` },
    { name: "Node", text: `import Anthropic from "@anthropic-ai/sdk";

const client = new Anthropic({ baseURL: "${base}", apiKey: "${token}" });
const answer = await client.messages.create({ model: "claude-sonnet-4-5", max_tokens: 100, messages: [{ role: "user", content: "hello" }] });
console.log(answer.content);` },
    { name: "Go", text: `client := anthropic.NewClient(option.WithBaseURL("${base}/"), option.WithAPIKey("${token}")) // github.com/anthropics/anthropic-sdk-go` },
    { name: "curl", text: `curl ${base}/v1/messages -H "x-api-key: ${token}" -H "anthropic-version: 2023-06-01" -H "Content-Type: application/json" \\
  -d '{"model":"claude-sonnet-4-5","max_tokens":100,"messages":[{"role":"user","content":"hello"}]}'` },
  ],
  gemini: (base) => [
    { name: "Python", text: `from google import genai

client = genai.Client(api_key="${token}", http_options={"base_url": "${base}"})
print(client.models.generate_content(model="gemini-2.5-flash", contents="hello").text)` },
    { name: "Node", text: `import { GoogleGenAI } from "@google/genai";

const client = new GoogleGenAI({ apiKey: "${token}", httpOptions: { baseUrl: "${base}" } });
const answer = await client.models.generateContent({ model: "gemini-2.5-flash", contents: "hello" });
console.log(answer.text);` },
    { name: "Go", text: `client, err := genai.NewClient(ctx, &genai.ClientConfig{ // google.golang.org/genai
	APIKey:      "${token}",
	Backend:     genai.BackendGeminiAPI,
	HTTPOptions: genai.HTTPOptions{BaseURL: "${base}"},
})` },
    { name: "curl", text: `curl ${base}/v1beta/models/gemini-2.5-flash:generateContent -H "x-goog-api-key: ${token}" -H "Content-Type: application/json" \\
  -d '{"contents":[{"role":"user","parts":[{"text":"hello"}]}]}'` },
  ],
  stripe: (base) => [ // its Node client takes a host without a path: it goes through the proxy
    { name: "Python", text: `import stripe

client = stripe.StripeClient("${token}", base_addresses={"api": "${base}"})
print(client.v1.customers.create({"email": "buyer@example.com"}).id)` },
    { name: "Go", text: `backends := stripe.NewBackendsWithConfig(&stripe.BackendConfig{URL: stripe.String("${base}")}) // github.com/stripe/stripe-go/v83
client := stripe.NewClient("${token}", stripe.WithBackends(backends))` },
    { name: "curl", text: `curl ${base}/v1/customers -H "Authorization: Bearer ${token}" -d email=buyer@example.com` },
  ],
  twilio: (base) => [
    { name: "Python", text: `from twilio.rest import Client

client = Client("${token}", "unused", "<the account's SID>")
client.api.base_url = "${base}"
print(client.messages.create(to="+15550100001", from_="+15550100000", body="hello").sid)` },
    { name: "Node", text: `import twilio from "twilio";

const client = twilio("${token}", "unused", { accountSid: "<the account's SID>" });
client.api.baseUrl = "${base}";
console.log((await client.messages.create({ to: "+15550100001", from: "+15550100000", body: "hello" })).sid);` },
    { name: "curl", text: `curl "${base}/2010-04-01/Accounts/<the account's SID>/Messages.json" -u "${token}:unused" \\
  --data-urlencode To=+15550100001 --data-urlencode From=+15550100000 -d Body=hello` },
  ],
};

const other = (base: string, host: string): Snippet[] => [{ name: "curl", text: `# instead of https://${host}/…\ncurl ${base}/… -H "Authorization: Bearer ${token}"` }];

/** A service of AWS by its preset: its name in boto3, its package and client for Node, its package for Go, and a call where one costs next to nothing. */
const services: Record<string, { boto3?: string; node: string; go: string; call?: string }> = {
  bedrock: { boto3: "bedrock-runtime", node: "BedrockRuntime", go: "bedrockruntime", call: `print(client.converse(modelId="anthropic.claude-3-haiku-20240307-v1:0", messages=[{"role": "user", "content": [{"text": "hello"}]}])["usage"])` },
  s3: { node: "S3", go: "s3", call: `print(client.list_objects_v2(Bucket="<a bucket>")["KeyCount"])` },
  dynamodb: { node: "DynamoDB", go: "dynamodb" }, lambda: { node: "Lambda", go: "lambda" }, sns: { node: "SNS", go: "sns" }, sqs: { node: "SQS", go: "sqs" },
};

function aws(service: string, base: string): Snippet[] {
  const s = services[service] ?? { node: "", go: "" }, name = s.boto3 ?? service;
  const path = service === "s3"; // buckets by path: their names are no hosts of the gateway
  const python = { name: "Python", text: `import boto3
${path ? "from botocore.config import Config\n" : ""}
client = boto3.client("${name}", endpoint_url="${base}", region_name="us-east-1",
                      aws_access_key_id="${id}", aws_secret_access_key="${secret}"${path ? `,\n                      config=Config(s3={"addressing_style": "path"})` : ""})${s.call ? `\n${s.call}` : ""}` };
  if (!s.node) return [python];
  return [
    python,
    { name: "Node", text: `import { ${s.node}Client } from "@aws-sdk/client-${name}";

const client = new ${s.node}Client({
  endpoint: "${base}", region: "us-east-1",${path ? " forcePathStyle: true," : ""}
  credentials: { accessKeyId: "${id}", secretAccessKey: "${secret}" },
});` },
    { name: "Go", text: `client := ${s.go}.New(${s.go}.Options{ // github.com/aws/aws-sdk-go-v2/service/${s.go}
	BaseEndpoint: aws.String("${base}"),
	Region:       "us-east-1",${path ? "\n	UsePathStyle: true," : ""}
	Credentials:  credentials.NewStaticCredentialsProvider("${id}", "${secret}", ""),
})` },
  ];
}
