"""Writes vectors.json: requests signed by botocore, the signer of AWS's own Python client.

Run it from the repository's root with the project's Python:
    .tools/venv/bin/python credential/testdata/vectors.py

The requests are what boto3 would send; their keys are AWS's published examples, not secrets.
"""

import datetime
import hashlib
import io
import json
import pathlib

import boto3
import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

KEY = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
SESSION = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQW"
NOW = datetime.datetime(2026, 11, 23, 12, 30, 45, tzinfo=datetime.timezone.utc)

# Every signer of botocore asks this one function for the time.
botocore.auth.get_current_datetime = lambda remove_tzinfo=True: NOW.replace(tzinfo=None) if remove_tzinfo else NOW


class Sent(Exception):
    """Carries the request that was about to go out."""


def captured(service, call, *, session=None, region="us-east-1", **config):
    """The request that boto3 sends for a call, as the gateway sees it."""
    client = boto3.client(
        service, region_name=region, aws_access_key_id=KEY, aws_secret_access_key=SECRET,
        aws_session_token=session, config=Config(retries={"max_attempts": 0}, **config),
    )

    def stop(request, **_):
        raise Sent(request)

    client.meta.events.register("before-send.*", stop)
    try:
        call(client)
    except Sent as sent:
        return sent.args[0]
    raise AssertionError("nothing was sent")


def body_of(request):
    body = request.body
    if body is None:
        return b""
    if isinstance(body, str):
        return body.encode()
    return body if isinstance(body, (bytes, bytearray)) else body.read()


def vector(name, request, service, region="us-east-1"):
    url = request.url
    scheme, _, rest = url.partition("://")
    host, slash, path_query = rest.partition("/")
    path, _, query = (slash + path_query).partition("?")
    headers = {}
    for k, v in request.headers.items():
        headers[k.lower()] = v.decode() if isinstance(v, bytes) else str(v)
    for noise in ("amz-sdk-invocation-id", "amz-sdk-request", "user-agent"):  # unsigned, and another one each time
        headers.pop(noise, None)
    body = body_of(request)
    return {
        "name": name, "ours": False, "service": service, "region": region, "method": request.method,
        "host": headers.pop("host", host), "path": path or "/", "query": query, "headers": headers,
        "body_sha256": hashlib.sha256(body).hexdigest(),
    }


def plain(name, service, method, url, *, headers=None, data=b"", signer=botocore.auth.SigV4Auth, session=None):
    """A request signed by botocore's signer alone, with the headers that the gateway signs."""
    request = AWSRequest(method=method, url=url, headers=headers or {}, data=data)
    signer(Credentials(KEY, SECRET, session), service, "us-east-1").add_auth(request)
    # "ours" tells that the gateway signs the same headers, so its signature must be the same.
    return vector(name, request.prepare(), service) | {"ours": True}


def main():
    talk = {"messages": [{"role": "user", "content": [{"text": "Héllo"}]}], "inferenceConfig": {"maxTokens": 20}}
    s3 = botocore.auth.S3SigV4Auth
    base = "https://bucket.s3.us-east-1.amazonaws.com"
    vectors = [
        vector("boto3 bedrock converse, colon in the model", captured(
            "bedrock-runtime", lambda c: c.converse(modelId="anthropic.claude-3-haiku-20240307-v1:0", **talk)), "bedrock"),
        vector("boto3 bedrock converse, session token", captured(
            "bedrock-runtime", lambda c: c.converse(modelId="amazon.nova-lite-v1:0", **talk), session=SESSION), "bedrock"),
        vector("boto3 bedrock converse, inference profile ARN", captured(
            "bedrock-runtime", lambda c: c.converse(
                modelId="arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-lite-v1:0", **talk)), "bedrock"),
        vector("boto3 s3 put over TLS, trailing checksum", captured(
            "s3", lambda c: c.put_object(Bucket="bucket", Key="a b/ünï.txt", Body=io.BytesIO(b"hello"), Metadata={"Note": "x  y"})), "s3"),
        vector("boto3 s3 put in plain HTTP", captured(
            "s3", lambda c: c.put_object(Bucket="bucket", Key="k", Body=b"hello", ContentType="text/plain"), use_dualstack_endpoint=False,
            request_checksum_calculation="when_required", s3={"payload_signing_enabled": True}), "s3"),
        vector("boto3 s3 get, key with blanks, plus and tilde", captured(
            "s3", lambda c: c.get_object(Bucket="bucket", Key="dir/a b+c~d(1)!*'.txt")), "s3"),
        vector("boto3 s3 list with a query", captured(
            "s3", lambda c: c.list_objects_v2(Bucket="bucket", Prefix="a b/ü&=+", MaxKeys=5, StartAfter="a-b")), "s3"),
        vector("boto3 s3 head, path style", captured(
            "s3", lambda c: c.head_object(Bucket="bucket", Key="k"), s3={"addressing_style": "path"}), "s3"),
        vector("boto3 s3 in another region", captured(
            "s3", lambda c: c.get_object(Bucket="bucket", Key="k"), region="eu-west-3"), "s3", "eu-west-3"),
        vector("boto3 sts, form body", captured("sts", lambda c: c.get_caller_identity()), "sts"),
        plain("signer bedrock", "bedrock", "POST",
              "https://bedrock-runtime.us-east-1.amazonaws.com/model/anthropic.claude-3-haiku-20240307-v1%3A0/converse",
              headers={"Content-Type": "application/json", "X-Amz-Content-SHA256": hashlib.sha256(b'{"messages":[]}').hexdigest()},
              data=b'{"messages":[]}'),
        plain("signer s3, key with blanks and unicode", "s3", "GET", base + "/a%20b/%C3%BCn%C3%AF.txt", signer=s3),
        plain("signer s3, key with an escaped slash", "s3", "GET", base + "/a%2Fb", signer=s3),
        plain("signer s3, query whose order differs once encoded", "s3", "GET", base + "/?prefix=a%2Fb&list-type=2&prefix=a-b&delimiter=%2F", signer=s3),
        plain("signer s3, query without a value", "s3", "GET", base + "/?acl", signer=s3),
        plain("signer s3, session token and metadata", "s3", "PUT", base + "/k",
              headers={"Content-Type": "text/plain", "x-amz-meta-note": "  a   b  ", "x-amz-acl": "private"},
              data=b"hello", signer=s3, session=SESSION),
    ]
    out = {"access_key_id": KEY, "secret_access_key": SECRET, "session_token": SESSION,
           "at": NOW.strftime("%Y-%m-%dT%H:%M:%SZ"), "vectors": vectors}
    target = pathlib.Path(__file__).with_name("vectors.json")
    target.write_text(json.dumps(out, indent=1, ensure_ascii=False, sort_keys=True) + "\n")
    print(f"{target.name}: {len(vectors)} requests")


main()
