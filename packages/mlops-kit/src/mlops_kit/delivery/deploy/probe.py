"""Probe a version over HTTP: its identity, its golden predictions, its latency and error rate."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import requests

from mlops_kit.artifact.predictor import difference
from mlops_kit.core.errors import one_line
from mlops_kit.core.probe_header import PROBE_HEADER

from .release import Release
from .settings import ProbeConfig

_SECONDS_BETWEEN_ATTEMPTS = 1.0


class Check(NamedTuple):
    """The result of one check."""

    name: str
    passed: bool
    detail: str


class Probe:
    """The probe of one release, with the service's API key where it has one."""

    def __init__(
        self,
        config: ProbeConfig,
        release: Release,
        api_key: str = "",
        alive: Callable[[], object] = lambda: None,
    ) -> None:
        """Take the thresholds, the release, the API key, and a function to call between requests (it renews the lock)."""
        self._config, self._release, self._alive = config, release, alive
        # With this header the service neither records the rows nor counts them as traffic.
        self._headers = {PROBE_HEADER: "deploy", **({"X-API-Key": api_key} if api_key else {})}

    def version(self, url: str) -> list[Check]:
        """Check everything: ready, the right version, golden predictions, and the thresholds."""
        return self._try([self._ready, self._version, self._golden, self._limits], url)

    def identity(self, url: str) -> list[Check]:
        """Check that `url` is ready and serves the right version."""
        return self._try([self._ready, self._version], url)

    def ready(self, url: str) -> list[Check]:
        """Check that `url` is ready, with any version."""
        return self._try([self._ready], url)

    def production(self, url: str) -> list[Check]:
        """Check the thresholds only: while traffic is shifted, the weights decide which version responds."""
        return self._try([self._limits], url)

    def _try(self, looks: list[Any], url: str) -> list[Check]:
        """Return the checks of the first attempt that passes, else of the last one."""
        checks: list[Check] = []
        for attempt in range(self._config.attempts):
            if attempt:
                time.sleep(_SECONDS_BETWEEN_ATTEMPTS)
            with requests.Session() as session:
                session.headers.update(self._headers)
                checks = _until_one_fails(looks, session, url)
            if all(check.passed for check in checks):
                break
        return checks

    def _ready(self, session: requests.Session, url: str) -> Check:
        answer = self._get(session, f"{url}/readyz")
        return Check("ready", answer.status_code == 200, f"/readyz: {answer.status_code}")

    def _version(self, session: requests.Session, url: str) -> Check:
        found = self._get(session, f"{url}/version").json()
        wanted = {
            "release": self._release.digest,
            "registered_model": self._release.registered_model,
            "version": self._release.model_version,
            "git_commit": self._release.model_commit,
            "data_digest": self._release.data_digest,
        }
        wrong = [f"{key} is {found.get(key)}" for key in wanted if found.get(key) != wanted[key]]
        right = f"model version {self._release.model_version}"
        return Check("version", not wrong, f"/version: {', '.join(wrong) or right}")

    def _golden(self, session: requests.Session, url: str) -> Check:
        rows = [case["row"] for case in self._release.golden]
        answers = self._predict(session, url, rows)
        worst = max(
            difference(answer, case["answer"]) / self._release.scale
            for answer, case in zip(answers, self._release.golden)
        )
        detail = f"worst difference {worst:.1e} (at most {self._release.tolerance:g})"
        enough = len(answers) == len(rows)
        return Check("golden predictions", enough and worst <= self._release.tolerance, detail)

    def _limits(self, session: requests.Session, url: str) -> Check:
        """Check latency (95th percentile, ms) and error rate; stop early once the remaining requests cannot meet them."""
        config, row = self._config, self._release.golden[0]["row"]
        may_be_slow = config.requests - math.ceil(0.95 * config.requests)
        milliseconds: list[float] = []
        lost, slow, passed = 0, 0, True
        while passed and len(milliseconds) < config.requests:
            self._alive()
            start = time.perf_counter()
            try:
                self._predict(session, url, [row])
            except requests.RequestException:
                lost += 1
            milliseconds.append(1000 * (time.perf_counter() - start))
            slow += milliseconds[-1] > config.latency_ms
            passed = slow <= may_be_slow and lost / config.requests <= config.error_rate
        most = sorted(milliseconds)[math.ceil(0.95 * len(milliseconds)) - 1]
        early = f", ended after {len(milliseconds)}" * (len(milliseconds) < config.requests)
        detail = (
            f"95 % within {most:.0f} ms (at most {config.latency_ms:g}), {lost} of {config.requests} requests"
            f" without an answer (at most {config.error_rate:.1%}){early}"
        )
        return Check("limits", passed, detail)

    def _get(self, session: requests.Session, url: str) -> requests.Response:
        return session.get(url, timeout=self._config.timeout_seconds, allow_redirects=False)

    def _predict(
        self, session: requests.Session, url: str, rows: list[dict[str, Any]]
    ) -> list[dict[str, Any]]:
        answer = session.post(
            f"{url}/predict",
            json={"rows": rows},
            timeout=self._config.timeout_seconds,
            allow_redirects=False,
        )
        answer.raise_for_status()
        predictions: list[dict[str, Any]] = answer.json()["predictions"]
        return predictions


def connection_problem(url: str, seconds: float) -> str:
    """Return why `url` cannot be reached, or an empty string where it responds, with any status."""
    try:
        requests.get(f"{url}/readyz", timeout=seconds, allow_redirects=False)
    except requests.RequestException as error:
        return f"{type(error).__name__}: {one_line(error)}"
    return ""


def failures(checks: list[Check]) -> str:
    """Return the failed checks in one sentence, or an empty string."""
    return "; ".join(f"{check.name}: {check.detail}" for check in checks if not check.passed)


def _until_one_fails(looks: list[Any], session: requests.Session, url: str) -> list[Check]:
    checks: list[Check] = []
    for look in looks:
        try:
            checks.append(look(session, url))
        except (requests.RequestException, ValueError, KeyError, TypeError) as error:
            name = look.__name__.strip("_")
            checks.append(Check(name, False, f"{url}: {type(error).__name__}: {error}"))
        if not checks[-1].passed:
            break
    return checks
