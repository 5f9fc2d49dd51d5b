"""S3 URLs."""


def split(url: str) -> tuple[str, str]:
    """Return bucket and key (or prefix) of an s3:// URL; a missing part is empty.

    >>> split("s3://data/2026/rows.csv")
    ('data', '2026/rows.csv')
    """
    bucket, _, key = url[len("s3://") :].partition("/")
    return bucket, key
