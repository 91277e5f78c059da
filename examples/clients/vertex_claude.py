"""One message and one streamed message of Claude on Vertex with the official client; STOP_AFTER hangs up the stream after so many pieces of text.

VERTEX_BASE_URL=http://127.0.0.1:10000/vertex/v1 VERTEX_TOKEN=<service token> LOCATION=us-east5 python vertex_claude.py
"""

import json
import os
import sys

import anthropic

client = anthropic.AnthropicVertex(
    region=os.environ.get("LOCATION", "us-east5"), project_id=os.environ.get("PROJECT", "my-project"),
    access_token=os.environ["VERTEX_TOKEN"], base_url=os.environ["VERTEX_BASE_URL"], max_retries=0,
)
request = {
    "model": os.environ.get("MODEL", "claude-haiku-4-5@20251001"),
    "max_tokens": int(os.environ.get("MAX_TOKENS", "40")),
    "messages": [{"role": "user", "content": os.environ.get("PROMPT", "Say something.")}],
}
stop_after = int(os.environ.get("STOP_AFTER", "0"))


def used(usage):
    return {"input": usage.input_tokens, "cached": usage.cache_read_input_tokens, "output": usage.output_tokens}


try:
    message = client.messages.create(**request)
    streamed, pieces = None, 0
    with client.messages.stream(**request) as stream:
        for _ in stream.text_stream:
            pieces += 1
            if stop_after and pieces >= stop_after:
                break
        else:
            streamed = stream.get_final_message().usage
except anthropic.APIStatusError as e:
    print(json.dumps({"error": type(e).__name__, "status": e.status_code, "message": str(e)}))
    sys.exit(3)

print(json.dumps({"usage": used(message.usage), "streamed": streamed and used(streamed), "pieces": pieces}))
