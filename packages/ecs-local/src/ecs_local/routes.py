"""The routing of requests: the listeners' rules and the targets' health, in memory, so that no request needs moto."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Optional

_REASONS = {
    "initial": ("Elb.InitialHealthChecking", "Initial health checks in progress"),
    "unhealthy": ("Target.FailedHealthChecks", "Health checks failed"),
    "draining": ("Target.DeregistrationInProgress", "Target deregistration is in progress"),
    "healthy": (None, None),
}
_GOOD, _BAD = 2, 3  # consecutive checks that make a target healthy or unhealthy


@dataclass(eq=False)
class Target:
    """A task's port in a target group. The engine registers and drains it; the balancer checks and uses it."""

    port: int
    path: str
    codes: str  # the target group's matcher: 200, 200-299 or 200,202
    state: str = "initial"
    in_flight: int = 0
    good: int = 0
    bad: int = 0

    def add_check(self, status: Optional[int]) -> None:
        """Count a health check by its HTTP status; None is no response."""
        if status is not None and _accepted(status, self.codes):
            self.good, self.bad = self.good + 1, 0
        else:
            self.good, self.bad = 0, self.bad + 1
        if self.state != "draining":
            if self.good >= _GOOD:
                self.state = "healthy"
            elif self.bad >= _BAD:
                self.state = "unhealthy"


@dataclass
class Route:
    """A rule: its path patterns (none: every path), and its target groups with their weights."""

    patterns: list[str]
    weights: dict[str, int]
    status: int = 503  # where it has no target group
    _due: dict[str, int] = field(default_factory=dict)

    def matches(self, path: str) -> bool:
        """Return whether the rule applies to this path."""
        return not self.patterns or any(fnmatchcase(path, pattern) for pattern in self.patterns)

    def next_group(self) -> Optional[str]:
        """Return the next target group, by smooth weighted round-robin, or None if no group has a weight."""
        total = sum(self.weights.values())
        if not total:
            return None
        for group, weight in self.weights.items():
            self._due[group] = self._due.get(group, 0) + weight
        chosen = max(self.weights, key=lambda group: self._due[group])
        self._due[chosen] -= total
        return chosen


class Routes:
    """All rules by port, and all targets by target group."""

    def __init__(self) -> None:
        self.rules: dict[int, list[Route]] = {}
        self._targets: dict[str, list[Target]] = {}
        self._turns: dict[str, int] = {}

    def register(self, group: str, target: Target) -> None:
        """Add a target; lists are replaced, never changed, because another thread reads them."""
        self._targets[group] = [*self._targets.get(group, []), target]

    def deregister(self, group: str, target: Target) -> None:
        """Remove a target."""
        self._targets[group] = [one for one in self._targets.get(group, []) if one is not target]

    def health(self, group: str) -> list[dict[str, Any]]:
        """Return the health of a group's targets, as DescribeTargetHealth does.

        Source: https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetHealth.html
        """
        return [
            {
                "Id": "127.0.0.1",
                "Port": target.port,
                "State": target.state,
                "Reason": _REASONS[target.state][0],
                "Description": _REASONS[target.state][1],
            }
            for target in self._targets.get(group, [])
        ]

    def pick(self, port: int, path: str) -> tuple[Optional[Target], int]:
        """Return the target for a request and 200, or None and the status of the error."""
        route = next((one for one in self.rules.get(port, []) if one.matches(path)), None)
        if route is None:
            return None, 404
        group = route.next_group()
        if group is None:
            return None, route.status
        healthy = [one for one in self._targets.get(group, []) if one.state == "healthy"]
        if not healthy:
            return None, 503
        turn = self._turns[group] = self._turns.get(group, -1) + 1
        return healthy[turn % len(healthy)], 200


def read_rules(elbv2: Any) -> dict[int, list[Route]]:
    """Return the rules of every listener in elbv2, by port."""
    rules = {}
    for balancer in elbv2.describe_load_balancers()["LoadBalancers"]:
        arn = balancer["LoadBalancerArn"]
        for listener in elbv2.describe_listeners(LoadBalancerArn=arn)["Listeners"]:
            found = elbv2.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"]
            found.sort(key=lambda rule: (rule["IsDefault"], _priority(rule)))
            rules[int(listener["Port"])] = [_route(rule) for rule in found]
    return rules


def _priority(rule: dict[str, Any]) -> int:
    return 0 if rule["IsDefault"] else int(rule["Priority"])


def _route(rule: dict[str, Any]) -> Route:
    patterns = [
        value
        for condition in rule["Conditions"]
        if condition["Field"] == "path-pattern"
        for value in (condition.get("PathPatternConfig") or condition)["Values"]
    ]
    action = rule["Actions"][-1]
    if action["Type"] == "fixed-response":
        return Route(patterns, {}, int(action["FixedResponseConfig"]["StatusCode"]))
    return Route(patterns, weights_of(action))


def weights_of(action: dict[str, Any]) -> dict[str, int]:
    """Return the weights (0 to 999) of a forward action's target groups, by ARN."""
    groups = action.get("ForwardConfig", {}).get("TargetGroups")
    if groups:
        return {group["TargetGroupArn"]: int(group.get("Weight", 1)) for group in groups}
    return {action["TargetGroupArn"]: 1} if "TargetGroupArn" in action else {}


def _accepted(status: int, codes: str) -> bool:
    for code in codes.split(","):
        first, _, last = code.partition("-")
        if int(first) <= status <= int(last or first):
            return True
    return False
