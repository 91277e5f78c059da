"""One object put, read, listed and deleted with boto3.

S3_URL=http://127.0.0.1:10000/s3 AWS_ACCESS_KEY_ID=<issued id> AWS_SECRET_ACCESS_KEY=<issued secret> python s3_roundtrip.py
"""

import hashlib
import json
import os
import sys

import botocore.exceptions
from aws import client

s3 = client("s3", os.environ["S3_URL"], os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
bucket, key = os.environ.get("BUCKET", "reports"), os.environ.get("KEY", "2026/a report, köln.txt")
body = b"x" * int(os.environ.get("SIZE", "70000"))
try:
    s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType="text/plain")
    read = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    size = s3.head_object(Bucket=bucket, Key=key)["ContentLength"]
    listed = [o["Key"] for o in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]
    s3.delete_object(Bucket=bucket, Key=key)
except botocore.exceptions.ClientError as e:
    print(json.dumps({"error": e.response["Error"]["Code"], "status": e.response["ResponseMetadata"]["HTTPStatusCode"]}))
    sys.exit(3)
print(json.dumps({"same": read == body, "size": size, "listed": key in listed, "sha256": hashlib.sha256(read).hexdigest()}))
