"""The official clients as they are, at their usual hosts: nothing is set but the proxy and the authority.

HTTPS_PROXY=http://SERVICE:TOKEN@gateway:3128 CA_BUNDLE=bundle.pem python unchanged.py

Where the network redirects connections, and the authority is among those of the image, neither is set.

stripe-python has an authority list of its own, which takes a setting; the others read the environment. S3 is asked by its regional
host with buckets in the path: the hosts of single buckets are not the provider's configured one.
"""

import json
import os

BUNDLE = os.environ.get("CA_BUNDLE")
if BUNDLE:
    os.environ.update({name: BUNDLE for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE")})

import anthropic  # noqa: E402
import boto3  # noqa: E402
import openai  # noqa: E402
import stripe  # noqa: E402
from botocore.config import Config  # noqa: E402

if BUNDLE:
    stripe.ca_bundle_path = BUNDLE
ASK = [{"role": "user", "content": "Say something."}]
out = {}

client = openai.OpenAI(api_key="sk-nothing", max_retries=0)
answer = client.chat.completions.create(model="gpt-5-mini", messages=ASK, max_completion_tokens=40)
out["openai"] = answer.usage.completion_tokens
stream = client.chat.completions.create(model="gpt-5-mini", messages=ASK, max_completion_tokens=40, stream=True)
out["stream"] = sum(1 for chunk in stream if chunk.choices and chunk.choices[0].delta.content)

claude = anthropic.Anthropic(api_key="sk-ant-nothing", max_retries=0)
out["anthropic"] = claude.messages.create(model="claude-haiku-4-5", max_tokens=40, messages=ASK).usage.output_tokens
with claude.messages.stream(model="claude-haiku-4-5", max_tokens=40, messages=ASK) as events:
    out["anthropic stream"] = len("".join(events.text_stream))

charge = stripe.StripeClient("sk_test_nothing", max_network_retries=0).v1.charges.create({"amount": 2000, "currency": "usd", "source": "tok_visa"})
out["stripe"] = charge.amount

aws = dict(region_name="us-east-1", aws_access_key_id="AKIANOTHING", aws_secret_access_key="nothing",
           config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path", "us_east_1_regional_endpoint": "regional"}))
converse = boto3.client("bedrock-runtime", **aws).converse(
    modelId="amazon.nova-lite-v1:0", inferenceConfig={"maxTokens": 50}, messages=[{"role": "user", "content": [{"text": "hello"}]}])
out["bedrock"] = converse["usage"]["outputTokens"]
s3 = boto3.client("s3", **aws)
s3.put_object(Bucket="documents", Key="note.txt", Body=b"words " * 100)
out["s3"] = len(s3.get_object(Bucket="documents", Key="note.txt")["Body"].read())
print(json.dumps(out))
