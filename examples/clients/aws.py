"""AWS clients of boto3 against one base URL; the other scripts share them."""

import os

import boto3
from botocore.config import Config


def client(service: str, url: str, key_id: str, secret: str, retries: int = 0):
    """A client whose endpoint is the gateway's prefix; S3 addresses its buckets by path."""
    return boto3.client(
        service,
        endpoint_url=url,
        region_name=os.environ.get("AWS_REGION", "us-east-1"),
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
        config=Config(retries={"total_max_attempts": 1 + retries}, s3={"addressing_style": "path"}),
    )
