"""Speech of gpt-4o-mini-tts as events with the official client; STOP_AFTER hangs up after so many events.

OPENAI_BASE_URL=http://127.0.0.1:10000/openai/v1 OPENAI_API_KEY=<service token> python openai_speech.py
"""

import json
import os
import sys

import openai

client = openai.OpenAI(max_retries=0)
stop_after = int(os.environ.get("STOP_AFTER", "0"))
events, usage = 0, None
try:
    with client.audio.speech.with_streaming_response.create(
        model=os.environ.get("MODEL", "gpt-4o-mini-tts"), voice="alloy", stream_format=os.environ.get("STREAM_FORMAT", "sse"),
        input=os.environ.get("PROMPT", "The quick brown fox jumped over the lazy dog."),
    ) as response:
        for line in response.iter_lines():
            if not line.startswith("data: "):
                continue
            events += 1
            usage = json.loads(line[len("data: "):]).get("usage")
            if stop_after and events >= stop_after:
                break
except openai.APIStatusError as e:
    print(json.dumps({"error": type(e).__name__, "status": e.status_code, "message": str(e)}))
    sys.exit(3)

print(json.dumps({"events": events, "usage": usage}))
