"""The records of releases and deployments: JSON objects in the bucket that all environments share.

releases/DIGEST.json              one release, written once
passed/ENV/DIGEST.json            the release was deployed to ENV and verified there
deployments/ENV/TIME-ID.json      one deployment: its release, who deployed it, its outcome
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Optional

from mlops_kit.core.errors import UserError

from . import aws, release
from .release import Release

RUNNING = "running"


class Records:
    """The records of one environment."""

    def __init__(self, clients: aws.Aws, bucket: str, environment: str) -> None:
        """Take the contract's bucket."""
        self._aws, self._bucket, self._environment = clients, bucket, environment

    def add_release(self, new: Release) -> bool:
        """Write a release, unless its digest has one already: the first stays. Return whether it is new."""
        body = new.model_dump_json(indent=2)
        return self.put(f"releases/{_hex(new.digest)}.json", body, only_new=True) is not None

    def release(self, digest: str) -> Release:
        """Return the release of an image.

        Raises:
            UserError: There is none.
        """
        found = self.find_release(digest)
        if found is None:
            raise UserError(
                f"{digest} is no release: make push ENV={self._environment} makes it one"
            )
        return found

    def find_release(self, digest: str) -> Optional[Release]:
        """Return the release of an image, or None for an image that `make push` did not push."""
        found = self.get(f"releases/{_hex(digest)}.json")
        return release.parse(found[0]) if found else None

    def add_passed(self, digest: str) -> None:
        """Record that a release serves in this environment and was verified there."""
        body = json.dumps({"at": release.now(), "by": release.who()})
        self.put(f"passed/{self._environment}/{_hex(digest)}.json", body)

    def has_passed(self, digest: str, environment: str) -> bool:
        """Return whether a release was deployed to `environment` and verified there."""
        return self.get(f"passed/{environment}/{_hex(digest)}.json") is not None

    def has_any_passed_since(self, moment: datetime) -> bool:
        """Return whether any release was verified in this environment since then."""
        return any(
            item["LastModified"] >= moment for item in self._listed(f"passed/{self._environment}/")
        )

    def start(self, attempt: dict[str, Any]) -> str:
        """Record the start of a deployment; return its key. Keys sort by time."""
        time = str(attempt["started_at"]).replace(":", "")
        key = f"deployments/{self._environment}/{time}-{secrets.token_hex(4)}.json"
        self.update(key, attempt)
        return key

    def update(self, key: str, attempt: dict[str, Any]) -> None:
        """Record the progress or the outcome of a deployment."""
        self.put(key, json.dumps(attempt, indent=2))

    def last(self, most: int) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the keys and records of the last deployments, the newest first; a record is read when it is its turn."""
        keys = sorted(item["Key"] for item in self._listed(f"deployments/{self._environment}/"))
        for key in reversed(keys[-most:]):
            found = self.get(key)
            if found:
                yield key, json.loads(found[0])

    def _listed(self, prefix: str) -> Iterator[dict[str, Any]]:
        pages = self._s3().get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self._bucket, Prefix=prefix):
            yield from page.get("Contents", [])

    def _s3(self) -> Any:
        return self._aws.client("s3")  # not kept: `Aws.renew` replaces clients

    def get(self, key: str) -> Optional[tuple[str, str]]:
        """Return an object's text and ETag, or None if there is no such object."""
        try:
            answer = self._s3().get_object(Bucket=self._bucket, Key=key)
        except aws.errors() as error:
            if aws.code(error) in ("NoSuchKey", "404"):
                return None
            raise
        return answer["Body"].read().decode(), answer["ETag"]

    def put(
        self, key: str, body: str, only_new: bool = False, only_over: str = ""
    ) -> Optional[str]:
        """Write an object and return its ETag, or None if the condition does not hold.

        Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-requests.html

        Args:
            key: The object's key.
            body: Its JSON.
            only_new: Write only if there is no object with this key.
            only_over: Write only if the object still has this ETag; empty: no condition.
        """
        conditions = {"IfNoneMatch": "*"} if only_new else {}
        if only_over:
            conditions = {"IfMatch": only_over}
        try:
            answer = self._s3().put_object(
                Bucket=self._bucket,
                Key=key,
                Body=body.encode(),
                ContentType="application/json",
                **conditions,
            )
        except aws.errors() as error:
            # 412: the condition does not hold; 409: a concurrent write was faster; 404: the object was deleted.
            if aws.code(error) in ("PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"):
                return None
            raise
        return str(answer["ETag"])


def _hex(digest: str) -> str:
    return digest.rpartition(":")[2]
