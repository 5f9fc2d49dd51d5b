"""Shift traffic: the weights of the production rule and the test rule."""

from __future__ import annotations

from typing import Any, Optional

from .aws import Aws, region_of
from .records import Deployment, Revision, Service, State


class Traffic:
    """Writes weights to moto's elbv2, where clients and the balancer read them."""

    def __init__(self, state: State, aws: Aws) -> None:
        self._state, self._aws = state, aws

    def apply(self, service: Service, deployment: Deployment) -> None:
        """Set the weights of both rules as the deployment's `percent` and `tested` require."""
        target = self._state.revisions[deployment.target]
        source = self._state.revisions.get(deployment.source)
        for balancer in service.load_balancers:
            advanced = balancer.get("advancedConfiguration")
            if not advanced or (source and source.target_group == target.target_group):
                continue
            new = target.target_group
            old = _other(new, [balancer["targetGroupArn"], advanced["alternateTargetGroupArn"]])
            self._forward(advanced["productionListenerRule"], old, new, deployment.percent)
            if "testListenerRule" in advanced:
                percent = 100.0 if deployment.tested else 0.0
                self._forward(advanced["testListenerRule"], old, new, percent)

    def next_group(self, service: Service, source: Optional[Revision]) -> str:
        """Return the ARN of the target group for a new revision: the one that the old revision does not use."""
        if not service.load_balancers:
            return ""
        balancer = service.load_balancers[0]
        first: str = balancer["targetGroupArn"]
        if source is None or "advancedConfiguration" not in balancer:
            return first
        alternate: str = balancer["advancedConfiguration"]["alternateTargetGroupArn"]
        return alternate if source.target_group == first else first

    def _forward(self, rule: str, old: str, new: str, percent: float) -> None:
        # Weights are whole numbers up to 999, so a fraction of a percent needs thousandths:
        # https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetGroupTuple.html
        scale = 1 if percent == int(percent) else 10
        share = round(percent * scale)
        weights = [(old, min(100 * scale - share, 999)), (new, share)]
        groups = [{"TargetGroupArn": group, "Weight": weight} for group, weight in sorted(weights)]
        action: dict[str, Any] = {"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}
        self._aws.client("elbv2", region_of(rule)).modify_rule(RuleArn=rule, Actions=[action])


def _other(group: str, groups: list[str]) -> str:
    return next(one for one in groups if one != group)
