"""S3 for the service and what runs beside it: by botocore, not boto3, which adds nothing here but weight to the image."""

from __future__ import annotations

from typing import Any


def client() -> Any:
    """Return a client that gives up within bounds; credentials, region and endpoint are found at the first request."""
    from botocore.config import Config
    from botocore.session import get_session

    bounded = Config(connect_timeout=5, read_timeout=30, retries={"max_attempts": 2})
    return get_session().create_client("s3", config=bounded)
