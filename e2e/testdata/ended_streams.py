"""Reads a stream that is ended, once with each SDK, and prints what it raises."""

import sys

import anthropic
import boto3
import openai
from google import genai

base = sys.argv[1]
chat = openai.OpenAI(api_key="k", base_url=base + "/v1", max_retries=0)
claude = anthropic.Anthropic(api_key="k", base_url=base, max_retries=0)
gemini = genai.Client(api_key="k", http_options={"base_url": base})
bedrock = boto3.client("bedrock-runtime", region_name="us-east-1", endpoint_url=base, aws_access_key_id="a", aws_secret_access_key="b")
said = [{"role": "user", "content": "hi"}]

for name, stream in {
    "chat": lambda: chat.chat.completions.create(model="gpt-5-mini", messages=said, stream=True),
    "responses": lambda: chat.responses.create(model="gpt-5-mini", input="hi", stream=True),
    "messages": lambda: claude.messages.create(model="claude-haiku-4-5", max_tokens=5, messages=said, stream=True),
    "gemini": lambda: gemini.models.generate_content_stream(model="gemini-2.5-flash", contents="hi"),
    "converse": lambda: bedrock.converse_stream(modelId="amazon.nova-lite-v1:0", messages=[{"role": "user", "content": [{"text": "hi"}]}])["stream"],
    "invoke": lambda: bedrock.invoke_model_with_response_stream(modelId="amazon.nova-lite-v1:0", body="{}")["body"],
}.items():
    events = 0
    try:
        for _ in stream():
            events += 1
        print(f"{name}: no error after {events} events")
    except Exception as e:  # what is raised is what is shown
        print(f"{name}: {type(e).__name__} after {events} events: {e}")
