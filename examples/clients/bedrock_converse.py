"""One Bedrock conversation with boto3.

BEDROCK_URL=http://127.0.0.1:10000/bedrock AWS_ACCESS_KEY_ID=<issued id> AWS_SECRET_ACCESS_KEY=<issued secret> \
    python bedrock_converse.py
"""

import json
import os
import sys

import botocore.exceptions
from aws import client

bedrock = client("bedrock-runtime", os.environ["BEDROCK_URL"], os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
try:
    answer = bedrock.converse(
        modelId=os.environ.get("MODEL", "amazon.nova-lite-v1:0"),
        messages=[{"role": "user", "content": [{"text": os.environ.get("PROMPT", "Say something.")}]}],
        inferenceConfig={"maxTokens": int(os.environ.get("MAX_TOKENS", "64"))},
    )
except botocore.exceptions.ClientError as e:
    print(json.dumps({"error": e.response["Error"]["Code"], "status": e.response["ResponseMetadata"]["HTTPStatusCode"], "message": e.response["Error"]["Message"]}))
    sys.exit(3)
print(json.dumps({"text": answer["output"]["message"]["content"][0]["text"], "stop": answer["stopReason"], "usage": answer["usage"]}))
