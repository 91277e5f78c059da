"""One answer and one streamed answer with Google's official client; STOP_AFTER hangs up the stream after so many pieces.

GEMINI_BASE_URL=http://127.0.0.1:10000/gemini GEMINI_API_KEY=<service token> python gemini_generate.py
"""

import json
import os
import sys

from google import genai
from google.genai import errors, types

client = genai.Client(api_key=os.environ["GEMINI_API_KEY"], http_options=types.HttpOptions(base_url=os.environ["GEMINI_BASE_URL"]))
request = {
    "model": os.environ.get("MODEL", "gemini-2.5-flash"),
    "contents": os.environ.get("PROMPT", "Say something."),
    "config": types.GenerateContentConfig(max_output_tokens=int(os.environ.get("MAX_TOKENS", "40"))),
}
stop_after = int(os.environ.get("STOP_AFTER", "0"))


def counts(usage):
    return usage and {"input": usage.prompt_token_count, "cached": usage.cached_content_token_count or 0,
                      "output": usage.candidates_token_count, "thoughts": usage.thoughts_token_count or 0}


try:
    answer = client.models.generate_content(**request)
    streamed, pieces, hung_up = None, 0, False
    stream = client.models.generate_content_stream(**request)
    for chunk in stream:
        pieces += bool(chunk.text)
        streamed = chunk.usage_metadata
        if stop_after and pieces >= stop_after:
            stream.close()
            hung_up = True
            break
except errors.APIError as e:
    print(json.dumps({"error": type(e).__name__, "status": e.code, "code": e.status, "message": e.message}))
    sys.exit(3)

print(json.dumps({"model": answer.model_version, "usage": counts(answer.usage_metadata), "streamed": counts(streamed), "pieces": pieces, "hung_up": hung_up}))
