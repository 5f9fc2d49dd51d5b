"""Keep the service's number of tasks between two bounds, or leave it fixed."""

from __future__ import annotations

from typing import Any

from .contract import Contract
from .settings import DeployConfig

_DIMENSION = {"ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount"}
_POLICY = "cpu"


def apply(client: Any, config: DeployConfig, contract: Contract) -> str:
    """Set up target tracking on the service's CPU as in the config, or remove it; return a description.

    Source: https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-target-tracking.html

    Raises:
        ClientError: AWS refuses.
    """
    resource = f"service/{contract.cluster}/{contract.service}"
    target = {**_DIMENSION, "ResourceId": resource}
    wanted = config.autoscaling
    if wanted is None:
        found = client.describe_scalable_targets(ServiceNamespace="ecs", ResourceIds=[resource])
        if found["ScalableTargets"]:
            client.deregister_scalable_target(**target)
        return f"always {config.tasks.count}"
    client.register_scalable_target(**target, MinCapacity=wanted.min, MaxCapacity=wanted.max)
    client.put_scaling_policy(
        **target,
        PolicyName=_POLICY,
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": wanted.cpu_percent,
            "PredefinedMetricSpecification": {
                "PredefinedMetricType": "ECSServiceAverageCPUUtilization"
            },
        },
    )
    return f"{wanted.min} to {wanted.max}, CPU near {wanted.cpu_percent:g} %"
