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
    { name: "Go", text: program(["github.com/openai/openai-go/v3", "github.com/openai/openai-go/v3/option"], `client := openai.NewClient(option.WithBaseURL("${base}/v1/"), option.WithAPIKey("${token}"))
answer, err := client.Chat.Completions.New(ctx, openai.ChatCompletionNewParams{
	Model:    "gpt-5-mini",
	Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("hello")},
})`, "answer.Choices[0].Message.Content") },
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
    { name: "Go", text: program(["github.com/anthropics/anthropic-sdk-go", "github.com/anthropics/anthropic-sdk-go/option"], `client := anthropic.NewClient(option.WithBaseURL("${base}/"), option.WithAPIKey("${token}"))
answer, err := client.Messages.New(ctx, anthropic.MessageNewParams{
	Model:     "claude-sonnet-4-5",
	MaxTokens: 100,
	Messages:  []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock("hello"))},
})`, "answer.Content[0].Text") },
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
    { name: "Go", text: program(["google.golang.org/genai"], `client, err := genai.NewClient(ctx, &genai.ClientConfig{
	APIKey:      "${token}",
	Backend:     genai.BackendGeminiAPI,
	HTTPOptions: genai.HTTPOptions{BaseURL: "${base}"},
})
if err != nil {
	log.Fatal(err)
}
answer, err := client.Models.GenerateContent(ctx, "gemini-2.5-flash", genai.Text("hello"), nil)`, "answer.Text()") },
    { name: "curl", text: `curl ${base}/v1beta/models/gemini-2.5-flash:generateContent -H "x-goog-api-key: ${token}" -H "Content-Type: application/json" \\
  -d '{"contents":[{"role":"user","parts":[{"text":"hello"}]}]}'` },
  ],
  stripe: (base) => [ // its clients for Node and Go take a host without a path: they go through the proxy
    { name: "Python", text: `import stripe

client = stripe.StripeClient("${token}", base_addresses={"api": "${base}"})
print(client.v1.customers.create({"email": "buyer@example.com"}).id)` },
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
console.log((await client.messages.create({ to: "+15550100001", from: "+15550100000", body: "hello" })).sid);` }, // its Go client's addresses have no path: it goes through the proxy
    { name: "curl", text: `curl "${base}/2010-04-01/Accounts/<the account's SID>/Messages.json" -u "${token}:unused" \\
  --data-urlencode To=+15550100001 --data-urlencode From=+15550100000 -d Body=hello` },
  ],
};

/** program is one in Go that makes a call, and prints what it got. */
function program(packages: string[], call: string, answer: string): string {
  return `package main

import (
	"context"
	"fmt"
	"log"

${packages.map((p) => `\t"${p}"`).join("\n")}
)

func main() {
	ctx := context.Background()
${call.replace(/^(?=.)/gm, "\t")}
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(${answer})
}`;
}

const other = (base: string, host: string): Snippet[] => [{ name: "curl", text: `# instead of https://${host}/…\ncurl ${base}/… -H "Authorization: Bearer ${token}"` }];

/** Each service of AWS has calls that cost next to nothing; these are of those that the gateway prices, in Python, Node and Go. */
interface Service {
  boto3?: string; // its name there, in Node's package and in Go's, where another than the preset's
  python?: string;
  node?: { name: string; command: string; input: string; answer: string };
  go?: { input: string; call: string; answer: string; more?: string[] };
}

const model = "anthropic.claude-3-haiku-20240307-v1:0";

const services: Record<string, Service> = {
  bedrock: {
    boto3: "bedrock-runtime",
    python: `client.converse(modelId="${model}", messages=[{"role": "user", "content": [{"text": "hello"}]}])["usage"]`,
    node: { name: "BedrockRuntime", command: "Converse", input: `{ modelId: "${model}", messages: [{ role: "user", content: [{ text: "hello" }] }] }`, answer: "usage" },
    go: {
      call: "Converse", answer: "aws.ToInt32(answer.Usage.TotalTokens)", more: ["github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"],
      input: `&bedrockruntime.ConverseInput{
	ModelId:  aws.String("${model}"),
	Messages: []types.Message{{Role: types.ConversationRoleUser, Content: []types.ContentBlock{&types.ContentBlockMemberText{Value: "hello"}}}},
}`,
    },
  },
  s3: {
    python: `client.list_objects_v2(Bucket="<a bucket>")["KeyCount"]`,
    node: { name: "S3", command: "ListObjectsV2", input: `{ Bucket: "<a bucket>" }`, answer: "KeyCount" },
    go: { call: "ListObjectsV2", input: `&s3.ListObjectsV2Input{Bucket: aws.String("<a bucket>")}`, answer: "aws.ToInt32(answer.KeyCount)" },
  },
  dynamodb: {
    python: `client.get_item(TableName="<a table>", Key={"id": {"S": "1"}}).get("Item")`,
    node: { name: "DynamoDB", command: "GetItem", input: `{ TableName: "<a table>", Key: { id: { S: "1" } } }`, answer: "Item" },
  },
  sqs: {
    python: `client.send_message(QueueUrl="<a queue's URL>", MessageBody="hello")["MessageId"]`,
    node: { name: "SQS", command: "SendMessage", input: `{ QueueUrl: "<a queue's URL>", MessageBody: "hello" }`, answer: "MessageId" },
  },
  sns: {
    python: `client.publish(TopicArn="<a topic's ARN>", Message="hello")["MessageId"]`,
    node: { name: "SNS", command: "Publish", input: `{ TopicArn: "<a topic's ARN>", Message: "hello" }`, answer: "MessageId" },
  },
  lambda: {
    python: `client.invoke(FunctionName="<a function>")["StatusCode"]`,
    node: { name: "Lambda", command: "Invoke", input: `{ FunctionName: "<a function>" }`, answer: "StatusCode" },
  },
};

function aws(service: string, base: string): Snippet[] {
  const s = services[service] ?? {}, name = s.boto3 ?? service;
  const path = service === "s3"; // buckets by path: their names are no hosts of the gateway
  const python = { name: "Python", text: `import boto3
${path ? "from botocore.config import Config\n" : ""}
client = boto3.client("${name}", endpoint_url="${base}", region_name="us-east-1",
                      aws_access_key_id="${id}", aws_secret_access_key="${secret}"${path ? `,\n                      config=Config(s3={"addressing_style": "path"})` : ""})${s.python ? `\nprint(${s.python})` : ""}` };
  const node = s.node && { name: "Node", text: `import { ${s.node.name}Client, ${s.node.command}Command } from "@aws-sdk/client-${name}";

const client = new ${s.node.name}Client({
  endpoint: "${base}", region: "us-east-1",${path ? " forcePathStyle: true," : ""}
  credentials: { accessKeyId: "${id}", secretAccessKey: "${secret}" },
});
const answer = await client.send(new ${s.node.command}Command(${s.node.input}));
console.log(answer.${s.node.answer});` };
  const pkg = name.replace("-", "");
  const go = s.go && { name: "Go", text: program(["github.com/aws/aws-sdk-go-v2/aws", "github.com/aws/aws-sdk-go-v2/credentials", `github.com/aws/aws-sdk-go-v2/service/${pkg}`, ...(s.go.more ?? [])], `client := ${pkg}.New(${pkg}.Options{
	BaseEndpoint: aws.String("${base}"),
	Region:       "us-east-1",${path ? "\n	UsePathStyle: true," : ""}
	Credentials:  credentials.NewStaticCredentialsProvider("${id}", "${secret}", ""),
})
answer, err := client.${s.go.call}(ctx, ${s.go.input})`, s.go.answer) };
  return [python, ...(node ? [node] : []), ...(go ? [go] : [])];
}
