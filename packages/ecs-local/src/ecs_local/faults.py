"""Faults that a test or a curious person orders over HTTP, and that strike later."""

from __future__ import annotations

from typing import Any, NamedTuple, Optional

from . import calls
from .records import State


class Refusal(NamedTuple):
    """How an API call is to fail."""

    code: str
    status: int
    is_late: bool = False  # the call is carried out, only its answer is lost


# By the family of the service: JSON, the older query protocol, and S3.
_API = {
    "ThrottlingException": (
        Refusal("ThrottlingException", 400),
        Refusal("Throttling", 400),
        Refusal("SlowDown", 503),
    ),
    "AccessDeniedException": (
        Refusal("AccessDeniedException", 400),
        Refusal("AccessDenied", 403),
        Refusal("AccessDenied", 403),
    ),
    "ExpiredTokenException": (
        Refusal("ExpiredTokenException", 400),
        Refusal("ExpiredToken", 403),
        Refusal("ExpiredToken", 400),
    ),
    "InvalidParameterException": (
        Refusal("InvalidParameterException", 400),
        Refusal("ValidationError", 400),
        Refusal("InvalidArgument", 400),
    ),
    "InternalError": (Refusal("InternalError", 500),) * 3,
    "ServiceUnavailable": (Refusal("ServiceUnavailable", 503),) * 3,
}
NO_CAPACITY = "no-capacity"
_TASK = ("image-pull", "secret", "oom", NO_CAPACITY, "crash")
# What each kind may say beside its name.
_KINDS = {
    "api": ("operation", "error", "times", "after", "late"),
    "task": ("reason", "times"),
    "hang": ("stage",),
    "rollback-fails": (),
    "invalid-networking": (),
}


class Faults:
    """The faults in the state, which survive a restart like everything in it."""

    def __init__(self, state: State) -> None:
        self._state = state

    def add(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Order a fault.

        Raises:
            ValueError: It is none; the text says what is accepted.
        """
        kind = asked.get("kind")
        if kind not in _KINDS:
            raise ValueError(f"kind is {kind!r}; accepted: {', '.join(_KINDS)}")
        for key in asked:
            if key != "kind" and key not in _KINDS[kind]:
                raise ValueError(f"{kind} knows no {key!r}; accepted: {', '.join(_KINDS[kind])}")
        _one_of(asked, "error", tuple(_API), kind == "api")
        _one_of(asked, "reason", _TASK, kind == "task")
        for key, needed in (("operation", "api"), ("stage", "hang")):
            if kind == needed and not isinstance(asked.get(key), str):
                raise ValueError(f"{key} is {asked.get(key)!r}; accepted: a name")
        for key in ("times", "after"):
            value = asked.get(key)
            if value is not None and (type(value) is not int or value < 0):
                raise ValueError(f"{key} is {value!r}; accepted: a whole number, 0 or more")
        if not isinstance(asked.get("late", False), bool):
            raise ValueError(f"late is {asked['late']!r}; accepted: true or false")
        fault = {"after": 0, "times": None if kind in ("api", "task", "hang") else 1, **asked}
        with self._state.lock:
            self._state.faults.append(fault)
            self._state.save()
        return fault

    def all(self) -> list[dict[str, Any]]:
        """Return what is still to strike."""
        with self._state.lock:
            return [dict(fault) for fault in self._state.faults]

    def clear(self) -> None:
        """Call everything off."""
        with self._state.lock:
            self._state.faults.clear()
            self._state.save()

    def of_call(self, call: calls.Call) -> Optional[Refusal]:
        """Return how this call fails, if it does."""
        with self._state.lock:
            fault = self._strike("api", operation=call.operation)
        if fault is None:
            return None
        family = 2 if call.service == "s3" else int(call.protocol == "query")
        return _API[fault["error"]][family]._replace(is_late=fault.get("late", False))

    def of_task(self) -> str:
        """Return what happens to a task that starts now, or an empty string."""
        for reason in _TASK:
            if reason != NO_CAPACITY and self._strike("task", reason=reason):
                return reason
        return ""

    def lacks_capacity(self) -> bool:
        """Whether a task that should start now finds no place."""
        return self._strike("task", reason=NO_CAPACITY) is not None

    def hangs(self, stage: str) -> bool:
        """Whether deployments stay in this stage."""
        return self._strike("hang", stage=stage) is not None

    def strikes(self, kind: str) -> bool:
        """Whether a fault without details strikes now."""
        return self._strike(kind) is not None

    def _strike(self, kind: str, **details: str) -> Optional[dict[str, Any]]:
        for fault in self._state.faults:
            if fault["kind"] == kind and all(fault[key] == details[key] for key in details):
                if fault["after"]:
                    fault["after"] -= 1
                    continue
                if fault["times"] is not None:
                    fault["times"] -= 1
                    if fault["times"] <= 0:
                        self._state.faults.remove(fault)
                return fault
        return None


def _one_of(asked: dict[str, Any], key: str, accepted: tuple[str, ...], needed: bool) -> None:
    if needed and asked.get(key) not in accepted:
        raise ValueError(f"{key} is {asked.get(key)!r}; accepted: {', '.join(accepted)}")
