"""One streamed Bedrock conversation with boto3; STOP_AFTER hangs up after so many pieces of text.

BEDROCK_URL=http://127.0.0.1:10000/bedrock AWS_ACCESS_KEY_ID=<issued id> AWS_SECRET_ACCESS_KEY=<issued secret> \
    python bedrock_converse_stream.py
"""

import json
import os

from aws import client

bedrock = client("bedrock-runtime", os.environ["BEDROCK_URL"], os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
stop_after = int(os.environ.get("STOP_AFTER", "0"))
answer = bedrock.converse_stream(
    modelId=os.environ.get("MODEL", "amazon.nova-lite-v1:0"),
    messages=[{"role": "user", "content": [{"text": os.environ.get("PROMPT", "Say something.")}]}],
    inferenceConfig={"maxTokens": int(os.environ.get("MAX_TOKENS", "64"))},
)
pieces, stop, usage = 0, None, None
for event in answer["stream"]:
    pieces += "contentBlockDelta" in event
    stop = event.get("messageStop", {}).get("stopReason", stop)
    usage = event.get("metadata", {}).get("usage", usage)
    if stop_after and pieces >= stop_after:
        answer["stream"].close()
        break
print(json.dumps({"pieces": pieces, "stop": stop, "usage": usage}))
