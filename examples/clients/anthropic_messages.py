"""One message and one streamed message with the official client; STOP_AFTER hangs up the stream after so many pieces of text.

ANTHROPIC_BASE_URL=http://127.0.0.1:10000/anthropic ANTHROPIC_API_KEY=<service token> python anthropic_messages.py
"""

import json
import os
import sys

import anthropic

client = anthropic.Anthropic(max_retries=0)
request = {
    "model": os.environ.get("MODEL", "claude-haiku-4-5"),
    "max_tokens": int(os.environ.get("MAX_TOKENS", "40")),
    "messages": [{"role": "user", "content": os.environ.get("PROMPT", "Say something.")}],
}
stop_after = int(os.environ.get("STOP_AFTER", "0"))
try:
    message = client.messages.create(**request)
    streamed, pieces, hung_up = None, 0, False
    with client.messages.stream(**request) as stream:
        for _ in stream.text_stream:
            pieces += 1
            if stop_after and pieces >= stop_after:
                hung_up = True
                break
        else:
            streamed = stream.get_final_message().usage
except anthropic.APIStatusError as e:
    print(json.dumps({"error": type(e).__name__, "status": e.status_code, "message": str(e)}))
    sys.exit(3)

print(json.dumps({
    "model": message.model,
    "usage": {"input": message.usage.input_tokens, "cached": message.usage.cache_read_input_tokens, "output": message.usage.output_tokens},
    "streamed": streamed and {"input": streamed.input_tokens, "cached": streamed.cache_read_input_tokens, "output": streamed.output_tokens},
    "pieces": pieces,
    "hung_up": hung_up,
}))
