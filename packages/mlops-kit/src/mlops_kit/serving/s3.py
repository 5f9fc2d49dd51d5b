"""The S3 client of the service and the shipper, by botocore: boto3 would only make the image larger."""

from __future__ import annotations

from typing import Any


def client() -> Any:
    """Return a client with short timeouts and few retries; credentials, region and endpoint are found by botocore."""
    from botocore.config import Config
    from botocore.session import get_session

    bounded = Config(connect_timeout=5, read_timeout=30, retries={"max_attempts": 2})
    return get_session().create_client("s3", config=bounded)
