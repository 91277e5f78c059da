"""One streamed chat completion with the official client; STOP_AFTER hangs up after so many tokens.

OPENAI_BASE_URL=http://127.0.0.1:10000/openai/v1 OPENAI_API_KEY=<service token> python openai_stream.py
"""

import json
import os
import sys

import openai

client = openai.OpenAI(max_retries=0)
stop_after = int(os.environ.get("STOP_AFTER", "0"))
wants_usage = os.environ.get("INCLUDE_USAGE") == "1"
options = {"stream_options": {"include_usage": True}} if wants_usage else {}
if "MAX_TOKENS" in os.environ:
    options["max_completion_tokens"] = int(os.environ["MAX_TOKENS"])
try:
    stream = client.chat.completions.create(
        model=os.environ.get("MODEL", "gpt-5-mini"),
        messages=[{"role": "user", "content": os.environ.get("PROMPT", "Say something.")}],
        stream=True,
        **options,
    )
except openai.APIStatusError as e:
    print(json.dumps({"error": type(e).__name__, "status": e.status_code, "message": str(e)}))
    sys.exit(3)

tokens, text, usage, without_choices, hung_up = 0, "", None, 0, False
for chunk in stream:
    if chunk.usage:
        usage = chunk.usage.model_dump()
    if not chunk.choices:
        without_choices += 1
        continue
    if chunk.choices[0].delta.content:
        tokens += 1
        text += chunk.choices[0].delta.content
    if stop_after and tokens >= stop_after:
        stream.response.close()
        hung_up = True
        break
print(json.dumps({
    "tokens": tokens,
    "text": text,
    "usage": usage,
    "chunks_without_choices": without_choices,
    "hung_up": hung_up,
}))
