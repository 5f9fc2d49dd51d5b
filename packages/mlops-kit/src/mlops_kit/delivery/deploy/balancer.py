"""The load balancer: the traffic weight of each target group, and the health of its targets."""

from __future__ import annotations

from typing import Any

from .contract import Contract

_COLOURS = ("blue", "green")


class Balancer:
    """The two rules and the two target groups of one contract; read-only, since ECS changes them."""

    def __init__(self, client: Any, contract: Contract) -> None:
        """Take a client of Elastic Load Balancing."""
        self._client, self._contract = client, contract

    def weights(self, rule: str) -> dict[str, float]:
        """Return the percentage (0 to 100) of a listener rule's traffic for each target group's ARN.

        Source: https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetGroupTuple.html
        """
        described = self._client.describe_rules(RuleArns=[rule])["Rules"][0]
        found: dict[str, float] = {}
        for action in described["Actions"]:
            groups = action.get("ForwardConfig", {}).get("TargetGroups") or [
                {"TargetGroupArn": action.get("TargetGroupArn", ""), "Weight": 1}
            ]
            for group in groups:
                if group["TargetGroupArn"]:
                    found[group["TargetGroupArn"]] = group.get("Weight", 1)
        total = sum(found.values())
        return {arn: 100 * weight / total if total else 0.0 for arn, weight in found.items()}

    def health(self, target_group: str) -> list[str]:
        """Return the state of each target of a target group: healthy, initial, draining and others."""
        answer = self._client.describe_target_health(TargetGroupArn=target_group)
        return [each["TargetHealth"]["State"] for each in answer["TargetHealthDescriptions"]]

    def production(self) -> dict[str, float]:
        """Return the percentage of production traffic by colour."""
        return self._by_colour(self._contract.production_rule)

    def test(self) -> dict[str, float]:
        """Return the percentage of test traffic by colour."""
        return self._by_colour(self._contract.test_rule)

    def target_group(self, colour: str) -> str:
        """Return the ARN of the blue or the green target group."""
        contract = self._contract
        return contract.blue_target_group if colour == "blue" else contract.green_target_group

    def _by_colour(self, rule: str) -> dict[str, float]:
        weights = self.weights(rule)
        return {colour: weights.get(self.target_group(colour), 0.0) for colour in _COLOURS}
