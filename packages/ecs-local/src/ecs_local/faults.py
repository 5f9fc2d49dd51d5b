"""Fault injection: faults are requested over HTTP (`/_local/faults`) and injected later."""

from __future__ import annotations

from typing import Any, NamedTuple, Optional

from . import calls
from .records import State


class Refusal(NamedTuple):
    """The error of a failing API call."""

    code: str
    status: int
    is_late: bool = False  # the call is executed, and only its response is lost


# By error code: the error in services with JSON, in those with the older query protocol, and in S3.
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
# The accepted keys of each kind.
_KINDS = {
    "api": ("operation", "error", "times", "after", "late"),
    "task": ("reason", "times"),
    "hang": ("stage",),
    "rollback-fails": (),
    "invalid-networking": (),
}


class Faults:
    """The faults in the state, which a restart keeps."""

    def __init__(self, state: State) -> None:
        self._state = state

    def add(self, order: dict[str, Any]) -> dict[str, Any]:
        """Add a fault and return it, with defaults.

        For example, UpdateService is throttled twice, after one call that succeeds:
        `{"kind": "api", "operation": "UpdateService", "error": "ThrottlingException", "after": 1, "times": 2}`.

        Args:
            order: `kind`, and keys of that kind: `operation`, `error` (a key of `_API`), `reason` (of a task that does
                not start or stops) or `stage` (of a deployment that hangs); `times` (how often it is injected; none:
                always), `after` (how many calls pass first), `late` (execute the call, lose its response).

        Raises:
            ValueError: It is invalid; the message lists the accepted values.
        """
        kind = order.get("kind")
        if kind not in _KINDS:
            raise ValueError(f"kind is {kind!r}; accepted: {', '.join(_KINDS)}")
        for key in order:
            if key != "kind" and key not in _KINDS[kind]:
                raise ValueError(f"{kind} knows no {key!r}; accepted: {', '.join(_KINDS[kind])}")
        _one_of(order, "error", tuple(_API), kind == "api")
        _one_of(order, "reason", _TASK, kind == "task")
        for key, needed in (("operation", "api"), ("stage", "hang")):
            if kind == needed and not isinstance(order.get(key), str):
                raise ValueError(f"{key} is {order.get(key)!r}; accepted: a name")
        for key in ("times", "after"):
            value = order.get(key)
            if value is not None and (type(value) is not int or value < 0):
                raise ValueError(f"{key} is {value!r}; accepted: a whole number, 0 or more")
        if not isinstance(order.get("late", False), bool):
            raise ValueError(f"late is {order['late']!r}; accepted: true or false")
        fault = {"after": 0, "times": None if kind in ("api", "task", "hang") else 1, **order}
        with self._state.lock:
            self._state.faults.append(fault)
            self._state.save()
        return fault

    def all(self) -> list[dict[str, Any]]:
        """Return the faults that are still to be injected."""
        with self._state.lock:
            return [dict(fault) for fault in self._state.faults]

    def clear(self) -> None:
        """Remove all faults."""
        with self._state.lock:
            self._state.faults.clear()
            self._state.save()

    def of_call(self, call: calls.Call) -> Optional[Refusal]:
        """Return the error to inject into this call, or None."""
        with self._state.lock:
            fault = self._strike("api", operation=call.operation)
        if fault is None:
            return None
        family = 2 if call.service == "s3" else int(call.protocol == "query")
        return _API[fault["error"]][family]._replace(is_late=fault.get("late", False))

    def of_task(self) -> str:
        """Return the fault to inject into a task that starts now, or an empty string."""
        for reason in _TASK:
            if reason != NO_CAPACITY and self._strike("task", reason=reason):
                return reason
        return ""

    def lacks_capacity(self) -> bool:
        """Return whether there is no capacity for a task that starts now."""
        return self._strike("task", reason=NO_CAPACITY) is not None

    def hangs(self, stage: str) -> bool:
        """Return whether a fault keeps deployments in this stage."""
        return self._strike("hang", stage=stage) is not None

    def strikes(self, kind: str) -> bool:
        """Return whether to inject a fault of this kind now, and count it."""
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


def _one_of(order: dict[str, Any], key: str, accepted: tuple[str, ...], needed: bool) -> None:
    if needed and order.get(key) not in accepted:
        raise ValueError(f"{key} is {order.get(key)!r}; accepted: {', '.join(accepted)}")
