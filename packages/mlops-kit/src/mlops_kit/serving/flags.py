"""The feature flag that routes a share of the requests to the challenger, evaluated through OpenFeature's API.

https://openfeature.dev/specification: the flag is `challenger`, a boolean; the unit is its targeting key.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import json
import logging
import queue
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any, Optional

from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import FlagResolutionDetails, Reason
from openfeature.provider import ProviderStatus
from openfeature.provider.in_memory_provider import InMemoryFlag, InMemoryProvider

from mlops_kit.artifact.encoding import Values
from mlops_kit.core.errors import UserError, one_line

from .logs import log
from .settings import ShareConfig
from .share_file import UnreachableError, share_file

FLAG = "challenger"

_TIMEOUT_SECONDS = 0.001
_MOST_WAITING = 100
_SETTLING_SECONDS = 5  # after which a service is ready without knowing its share


class Share:
    """The built-in provider: the flag is true for a fixed percentage of the units, from the config or from a file."""

    def __init__(self, config: ShareConfig) -> None:
        """Take the config; a file is read by `watch`."""
        self._file, self._path = (share_file(config.file) if config.file else None), config.file
        self._percent, self._salt = (0.0 if self._file else config.percent), config.salt
        self._text: Optional[bytes] = None
        self._is_unreachable = False
        self.was_read = threading.Event()  # also where it is missing, invalid or unreachable

    def provider(self) -> InMemoryProvider:
        """Return the OpenFeature provider."""
        variants = {"challenger": True, "champion": False}
        flag = InMemoryFlag("champion", variants, context_evaluator=self._decide)
        return InMemoryProvider({FLAG: flag})

    def has(self, unit: str) -> bool:
        """Return whether a unit is in the share, by its hash: one that is in stays in when the share grows.

        >>> small, large = Share(ShareConfig(percent=20)), Share(ShareConfig(percent=40))
        >>> [unit for unit in "abcdefgh" if small.has(unit)], [unit for unit in "abcdefgh" if large.has(unit)]
        (['a', 'e'], ['a', 'b', 'c', 'e', 'g'])
        """
        digest = hashlib.sha256(f"{self._salt}\0{unit}".encode()).digest()
        return int.from_bytes(digest[:8], "big") < self._percent / 100 * 2**64

    def watch(self, ended: threading.Event) -> None:
        """Read the file periodically until `ended`; while it is missing or invalid, the share is 0."""
        while self._file:
            self.read()
            self.was_read.set()
            if ended.wait(self._file.seconds):
                break

    def read(self) -> None:
        """Read the file, if one is configured, and log changes; while S3 is unreachable, the last share is kept."""
        if self._file is None:
            return
        try:
            text = self._file.read()
        except UnreachableError as error:
            if not self._is_unreachable:
                log("error", "share not read", file=self._path, error=str(error))
            self._is_unreachable = True
            return
        except Exception as error:  # whatever it is, the file has to be read again
            text = one_line(error).encode()
        self._is_unreachable = False
        if text == self._text:
            return
        self._text = text
        try:
            given = json.loads(text)
            percent, salt = float(given["percent"]), str(given.get("salt", self._salt))
            if not 0 <= percent <= 100:
                raise ValueError(f"percent is {percent:g}; accepted: 0 to 100")
        except Exception as error:  # the file may hold anything
            self._percent = 0.0
            reason = text.decode(errors="replace")[:200]
            log("error", "no share", file=self._path, found=reason, error=one_line(error))
            return
        self._percent, self._salt = percent, salt
        log("info", "share", percent=percent)

    def _decide(
        self, _flag: InMemoryFlag[bool], context: EvaluationContext
    ) -> FlagResolutionDetails[bool]:
        is_in = self.has(context.targeting_key or "")
        variant = "challenger" if is_in else "champion"
        return FlagResolutionDetails(value=is_in, variant=variant, reason=Reason.SPLIT)


class Flags:
    """Decides whether the challenger or the champion answers a request; on any failure it is the champion."""

    def __init__(self, config: ShareConfig) -> None:
        """Take the config.

        Raises:
            UserError: Its provider cannot be imported or created.
        """
        self._config, self._share = config, Share(config)
        self._provider = _load_provider(config.provider) if config.provider else None
        self._client = api.get_client()
        self._units: queue.SimpleQueue[tuple[str, Future[bool]]] = queue.SimpleQueue()
        self._has_provider = threading.Event()
        self._settles_by, self._is_settled = time.monotonic() + _SETTLING_SECONDS, False
        self._waiting, self._is_failing = 0, False
        # OpenFeature would log the failure of each request, with a traceback.
        logging.getLogger("openfeature").setLevel(logging.CRITICAL)
        self._ended = threading.Event()
        self._watcher = threading.Thread(
            target=self._share.watch, args=(self._ended,), name="share", daemon=True
        )

    def start(self) -> None:
        """Start reading the share and set the provider; one of the team's own may be slow to start, so it starts in a thread."""
        self._watcher.start()
        if self._provider is None:
            api.set_provider(self._share.provider())
        else:
            # A daemon, unlike those of ThreadPoolExecutor: a provider that never answers must not keep the service from ending.
            given = (self._provider,)
            threading.Thread(target=self._ask, args=given, name="flags", daemon=True).start()

    def close(self) -> None:
        """Stop, without waiting for the provider."""
        self._ended.set()
        self._units.put(("", Future()))  # wakes the thread

    def is_settled(self) -> bool:
        """Return whether the share is known, or has not become so in 5 seconds, which is logged; until then nobody is in it."""
        if not self._is_settled:
            is_known = self._is_known()
            self._is_settled = is_known or time.monotonic() >= self._settles_by
            if self._is_settled and not is_known:
                log("warning", "share not known", after=_SETTLING_SECONDS)
        return self._is_settled

    def _is_known(self) -> bool:
        if self._provider is None:
            is_read = not self._config.file or self._share.was_read.is_set()
        else:
            is_read = self._has_provider.is_set()
        # OpenFeature 0.10 starts a provider in a thread of its own, 0.8 within set_provider.
        return is_read and self._client.get_provider_status() is not ProviderStatus.NOT_READY

    async def is_challengers(self, headers: Mapping[str, str], values: Values) -> bool:
        """Return whether the challenger answers a request; of several rows the first one's unit decides."""
        unit = self._unit(headers, values)
        if unit is None:
            return False
        if self._provider is None:
            return self._evaluate(unit)
        if self._waiting >= _MOST_WAITING:
            return False
        self._waiting += 1
        pending: Future[bool] = Future()
        self._units.put((unit, pending))
        evaluation = asyncio.wrap_future(pending)
        evaluation.add_done_callback(self._count_down)
        done, _ = await asyncio.wait({evaluation}, timeout=_TIMEOUT_SECONDS)
        return bool(done) and evaluation.result()

    def _count_down(self, _evaluation: asyncio.Future[bool]) -> None:
        self._waiting -= 1

    def _ask(self, provider: Any) -> None:
        """Set the provider, and evaluate the flag for the queued units, one after another."""
        try:
            api.set_provider(provider)
        except Exception as error:  # one of the team's own can fail in any way
            log("error", "no flag", error=one_line(error))
        self._has_provider.set()
        while True:
            unit, pending = self._units.get()
            if self._ended.is_set():
                return
            if pending.set_running_or_notify_cancel():
                pending.set_result(self._evaluate(unit))

    def _evaluate(self, unit: str) -> bool:
        """Evaluate the flag, which never raises; log when failures begin and when they end."""
        details = self._client.get_boolean_details(FLAG, False, EvaluationContext(unit))
        fails = details.error_code is not None
        if fails != self._is_failing:
            self._is_failing = fails
            log(
                "error" if fails else "info",
                "no flag" if fails else "flag",
                error=details.error_message,
            )
        return bool(details.value)

    def _unit(self, headers: Mapping[str, str], values: Values) -> Optional[str]:
        if self._config.header:
            return headers.get(self._config.header)
        value = values[self._config.column or ""][0]
        return None if value is None else str(value)


def _load_provider(name: str) -> Any:
    module, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)()
    except Exception as error:  # a provider of the team's own can fail in any way
        raise UserError(
            f"challenger.share.provider {name!r} cannot be made: {one_line(error)}; accepted: module:Class"
        ) from None
