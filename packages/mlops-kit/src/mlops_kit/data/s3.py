"""Download files from S3; boto3 is imported at the first use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlops_kit.core import s3_url
from mlops_kit.core.errors import UserError, one_line


def download(url: str, folder: Path, key: str) -> Path:
    """Download the file at `url`, the value of the setting `key`, into `folder`.

    Raises:
        UserError: The file does not exist or cannot be fetched.
    """
    with _opened(url, key) as (client, bucket, name):
        if not name:
            raise UserError(f"{key} is {url!r}; accepted: s3://BUCKET/KEY")
        path = folder / Path(name).name
        client.download_file(bucket, name, str(path))
        return path


def download_all(url: str, folder: Path, suffixes: tuple[str, ...], key: str) -> None:
    """Download the files directly under `url`, the value of the setting `key`, that end in one of `suffixes`.

    Raises:
        UserError: There is no such file, or one cannot be fetched.
    """
    with _opened(url, key) as (client, bucket, prefix):
        names = _listed(client, bucket, prefix, Delimiter="/")
        wanted = [name for name in names if name.endswith(suffixes)]
        if not wanted:
            raise UserError(f"{key} {url} holds no file that ends in {' or '.join(suffixes)}")
        for name in wanted:
            client.download_file(bucket, name, str(folder / Path(name).name))


def download_parts(
    url: str, parts: Iterable[str], is_wanted: Callable[[str], bool], folder: Path, key: str
) -> None:
    """Download the files with a wanted name from the folders `parts` under `url`, the value of the setting `key`.

    Only these folders are listed, however many others there are.

    Raises:
        UserError: A file cannot be fetched.
    """
    with _opened(url, key) as (client, bucket, prefix):
        for part in parts:
            for name in _listed(client, bucket, f"{prefix.rstrip('/')}/{part}"):
                if is_wanted(Path(name).name):
                    client.download_file(bucket, name, str(folder / Path(name).name))


def _listed(client: Any, bucket: str, prefix: str, **more: str) -> Iterator[str]:
    listed = {"Bucket": bucket, "Prefix": f"{prefix.rstrip('/')}/".lstrip("/"), **more}
    for page in client.get_paginator("list_objects_v2").paginate(**listed):
        for found in page.get("Contents", []):
            yield found["Key"]


@contextmanager
def _opened(url: str, key: str) -> Iterator[tuple[Any, str, str]]:
    """Yield a client, the bucket and the key of `url`; boto3 finds credentials, region and endpoint."""
    import boto3
    from boto3.exceptions import Boto3Error
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, name = s3_url.split(url)
    if not bucket:
        raise UserError(f"{key} is {url!r}; accepted: s3://BUCKET/KEY")
    bounded = Config(connect_timeout=5, read_timeout=30, retries={"max_attempts": 3})
    try:
        yield boto3.client("s3", config=bounded), bucket, name
    except (Boto3Error, BotoCoreError, ClientError, ValueError) as error:
        raise UserError(f"{key} {url} cannot be fetched: {one_line(error)}") from None
