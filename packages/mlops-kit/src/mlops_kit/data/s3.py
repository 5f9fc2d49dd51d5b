"""Files from S3; boto3 is imported where one is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlops_kit.core.errors import UserError, one_line


def download(url: str, folder: Path, key: str) -> Path:
    """Fetch `url`, the value of `key`, into `folder`.

    Raises:
        UserError: It is not there or cannot be fetched.
    """
    with _opened(url, key) as (client, bucket, name):
        if not name:
            raise UserError(f"{key} is {url!r}; accepted: s3://BUCKET/KEY")
        path = folder / Path(name).name
        client.download_file(bucket, name, str(path))
        return path


def download_all(url: str, folder: Path, suffixes: tuple[str, ...], key: str) -> None:
    """Fetch what is right under `url`, the value of `key`, and ends in one of `suffixes`, into `folder`.

    Raises:
        UserError: There is nothing, or it cannot be fetched.
    """
    with _opened(url, key) as (client, bucket, prefix):
        listed = {
            "Bucket": bucket,
            "Prefix": f"{prefix.rstrip('/')}/".lstrip("/"),
            "Delimiter": "/",
        }
        pages = client.get_paginator("list_objects_v2").paginate(**listed)
        names = [found["Key"] for page in pages for found in page.get("Contents", [])]
        wanted = [name for name in names if name.endswith(suffixes)]
        if not wanted:
            raise UserError(f"{key} {url} holds no file that ends in {' or '.join(suffixes)}")
        for name in wanted:
            client.download_file(bucket, name, str(folder / Path(name).name))


@contextmanager
def _opened(url: str, key: str) -> Iterator[tuple[Any, str, str]]:
    """Give a client, the bucket and the name that `url` has; boto3 finds credentials, region and endpoint."""
    import boto3
    from boto3.exceptions import Boto3Error
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, _, name = url[len("s3://") :].partition("/")
    if not bucket:
        raise UserError(f"{key} is {url!r}; accepted: s3://BUCKET/KEY")
    bounded = Config(connect_timeout=5, read_timeout=30, retries={"max_attempts": 3})
    try:
        yield boto3.client("s3", config=bounded), bucket, name
    except (Boto3Error, BotoCoreError, ClientError, ValueError) as error:
        raise UserError(f"{key} {url} cannot be fetched: {one_line(error)}") from None
