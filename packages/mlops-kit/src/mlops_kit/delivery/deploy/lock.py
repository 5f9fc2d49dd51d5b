"""One deployer at a time in each environment: a lease in the bucket of records, which its holder renews.

It is a JSON object that is written with If-None-Match or If-Match:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-requests.html
"""

from __future__ import annotations

import json
import os
import secrets
import time
from typing import Any, Optional

from mlops_kit.core.errors import UserError

from . import release
from .records import Records

LEASE_SECONDS = 90
_RENEW_SECONDS = 20
_SECONDS_BETWEEN_TRIES = 2.0


class LockedError(UserError):
    """Another deployer holds the lock."""

    exit_code = 5


class Lock:
    """Held between `acquire` and `release`; `renew` has to be called at least every LEASE_SECONDS."""

    def __init__(self, records: Records, environment: str) -> None:
        """Take the records whose bucket holds the lock."""
        self._records, self._key = records, f"locks/{environment}.json"
        self._etag: Optional[str] = None
        self._nonce = secrets.token_hex(8)  # identifies our leases
        self._since = release.now()
        self._renewed = 0.0

    def acquire(self, patience: float = 0) -> None:
        """Acquire the lock; one whose holder died on this machine, or whose lease has expired, is taken over.

        Args:
            patience: Seconds to wait for a lock that is held.

        Raises:
            LockedError: It is held; the message names the holder, and when the lease expires if the holder is gone.
        """
        deadline = time.monotonic() + patience
        while True:
            try:
                return self._acquire()
            except LockedError:
                if time.monotonic() >= deadline:
                    raise
            time.sleep(_SECONDS_BETWEEN_TRIES)

    def _acquire(self) -> None:
        found = self._records.get(self._key)
        if found is None:
            self._etag = self._records.put(self._key, self._lease(), only_new=True)
        else:
            held = json.loads(found[0])
            if not _has_expired(held):
                left = max(1, round(held["until"] - time.time()))
                raise LockedError(
                    f"{held['by']} is deploying since {held['since']}; if that deployer is gone, its lock ends in {left} s"
                )
            self._etag = self._records.put(self._key, self._lease(), only_over=found[1])
        self._etag = self._etag or self._etag_of_ours()
        if self._etag is None:
            raise LockedError("another deployer began at the same moment")
        self._renewed = time.monotonic()

    def renew(self) -> None:
        """Extend the lease when it is due.

        Raises:
            LockedError: Another deployer has taken it over, because it had expired.
        """
        if time.monotonic() - self._renewed < _RENEW_SECONDS or self._etag is None:
            return
        etag = self._records.put(self._key, self._lease(), only_over=self._etag)
        if etag is None:
            self._etag = self._etag_of_ours()
            if self._etag is None:
                raise LockedError("another deployer has taken over the lock of this one")
            return  # this may be an older lease of ours: the next call renews it
        self._etag, self._renewed = etag, time.monotonic()

    def release(self) -> None:
        """Release the lock, if it is still held."""
        if self._etag is not None:
            self._records.put(self._key, self._lease(over=True), only_over=self._etag)
            self._etag = None

    def _etag_of_ours(self) -> Optional[str]:
        """Return the ETag of the lock if it is ours, else None.

        A put whose response was lost is retried by boto3, and refused, because it had succeeded.
        """
        found = self._records.get(self._key)
        if found and json.loads(found[0]).get("nonce") == self._nonce:
            return found[1]
        return None

    def _lease(self, over: bool = False) -> str:
        until = time.time() + (0 if over else LEASE_SECONDS)
        held = {"by": release.who(), "host": os.uname().nodename, "pid": os.getpid()}
        held["nonce"] = self._nonce
        return json.dumps({**held, "since": self._since, "until": until})


def _has_expired(held: dict[str, Any]) -> bool:
    if held["until"] <= time.time():
        return True
    return bool(held["host"] == os.uname().nodename and not _is_alive(int(held["pid"])))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
