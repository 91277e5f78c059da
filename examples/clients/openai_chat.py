"""One chat completion with the official client: only the base URL and the key are ours.

OPENAI_BASE_URL=http://127.0.0.1:10000/openai/v1 OPENAI_API_KEY=<service token> python openai_chat.py
"""

import json
import os
import sys

import openai

client = openai.OpenAI(max_retries=0)
try:
    answer = client.chat.completions.create(
        model=os.environ.get("MODEL", "gpt-5-mini"),
        messages=[{"role": "user", "content": os.environ.get("PROMPT", "Say something.")}],
        **({"max_completion_tokens": int(os.environ["MAX_TOKENS"])} if "MAX_TOKENS" in os.environ else {}),
    )
except openai.APIStatusError as e:
    body = e.body if isinstance(e.body, dict) else {}
    print(json.dumps({
        "error": type(e).__name__,
        "status": e.status_code,
        "code": body.get("code"),
        "message": str(e),
        "retry_after": e.response.headers.get("retry-after"),
    }))
    sys.exit(3)
print(json.dumps({
    "model": answer.model,
    "text": answer.choices[0].message.content,
    "usage": answer.usage.model_dump(),
}))
