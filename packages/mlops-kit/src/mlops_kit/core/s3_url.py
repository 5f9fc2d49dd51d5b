"""Addresses in S3."""


def split(url: str) -> tuple[str, str]:
    """Return bucket and key (or prefix) of an s3:// URL; what it does not name is empty."""
    bucket, _, key = url[len("s3://") :].partition("/")
    return bucket, key
