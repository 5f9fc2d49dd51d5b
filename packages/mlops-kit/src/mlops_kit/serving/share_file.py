"""The source of a share that can change without a deployment: a local file, or an object in S3."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Union

from mlops_kit.core import s3_url
from mlops_kit.core.errors import one_line

from . import s3

_MOST_BYTES = 65_536
# Without s3:ListBucket, S3 responds with AccessDenied where the object does not exist.
_ABSENT = {"AccessDenied", "NoSuchBucket", "NoSuchKey"}


class UnreachableError(Exception):
    """S3 cannot be reached or failed, so the content of the object is unknown."""


class LocalFile:
    """A local file, which may be on a mounted volume."""

    seconds = 1  # between two reads

    def __init__(self, path: str) -> None:
        """Take its path."""
        self._path = Path(path)

    def read(self) -> bytes:
        """Return its content.

        Raises:
            OSError: It does not exist, or cannot be read.
        """
        return self._path.read_bytes()


class S3Object:
    """An object in S3."""

    seconds = 10  # between two reads, as S3 charges for each

    def __init__(self, url: str) -> None:
        """Take its s3:// URL."""
        self._bucket, self._key = s3_url.split(url)
        self._client: Any = None

    def read(self) -> bytes:
        """Return its content, up to 64 KiB.

        Raises:
            OSError: It does not exist, or access is denied.
            UnreachableError: S3 cannot be reached, or responds with another error.
        """
        from botocore.exceptions import ClientError

        try:
            self._client = self._client or s3.client()
            found = self._client.get_object(Bucket=self._bucket, Key=self._key)
            return bytes(found["Body"].read(_MOST_BYTES))
        except ClientError as error:
            if error.response["Error"]["Code"] in _ABSENT:
                raise FileNotFoundError(one_line(error)) from None
            raise UnreachableError(one_line(error)) from None
        except Exception as error:  # botocore's own, or urllib3's while the body is read
            raise UnreachableError(one_line(error)) from None


ShareFile = Union[LocalFile, S3Object]


def share_file(place: str) -> ShareFile:
    """Return the local file at the path `place`, or the object at an s3:// URL."""
    return S3Object(place) if place.startswith("s3://") else LocalFile(place)
