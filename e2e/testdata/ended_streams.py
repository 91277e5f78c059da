"""Reads a stream that is ended, once with each SDK, and prints what it raises. With GATEWAY the base is a gateway's, which has each provider under its name."""

import os
import sys

import anthropic
import boto3
import openai
from google import genai

base = sys.argv[1]
key, key_id, secret = (os.environ.get(name, "k") for name in ("KEY", "KEY_ID", "SECRET"))


def at(provider):
    return f"{base}/{provider}" if "GATEWAY" in os.environ else base


chat = openai.OpenAI(api_key=key, base_url=at("openai") + "/v1", max_retries=0)
claude = anthropic.Anthropic(api_key=key, base_url=at("anthropic"), max_retries=0)
gemini = genai.Client(api_key=key, http_options={"base_url": at("gemini")})
bedrock = boto3.client("bedrock-runtime", region_name="us-east-1", endpoint_url=at("bedrock"), aws_access_key_id=key_id, aws_secret_access_key=secret)
said = [{"role": "user", "content": "hi"}]

for name, stream in {
    "chat": lambda: chat.chat.completions.create(model="gpt-5-mini", messages=said, max_completion_tokens=20, stream=True),
    "responses": lambda: chat.responses.create(model="gpt-5-mini", input="hi", max_output_tokens=20, stream=True),
    "messages": lambda: claude.messages.create(model="claude-haiku-4-5", max_tokens=20, messages=said, stream=True),
    "gemini": lambda: gemini.models.generate_content_stream(model="gemini-2.5-flash", contents="hi", config={"max_output_tokens": 20}),
    "converse": lambda: bedrock.converse_stream(modelId="amazon.nova-lite-v1:0", messages=[{"role": "user", "content": [{"text": "hi"}]}], inferenceConfig={"maxTokens": 20})["stream"],
    "invoke": lambda: bedrock.invoke_model_with_response_stream(modelId="amazon.nova-lite-v1:0", body='{"messages":[{"role":"user","content":[{"text":"hi"}]}],"inferenceConfig":{"maxTokens":20}}')["body"],
}.items():
    if name not in os.environ.get("NAMES", name).split(","):
        continue
    events = 0
    try:
        for _ in stream():
            events += 1
        print(f"{name}: no error after {events} events")
    except Exception as e:  # what is raised is what is shown
        print(f"{name}: {type(e).__name__} after {events} events: {e}")
