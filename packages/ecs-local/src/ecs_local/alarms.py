"""The alarms of a deploymentConfiguration, and their state in CloudWatch."""

from __future__ import annotations

from typing import Any

from .aws import Aws, region_of


def active_alarms(aws: Aws, configuration: dict[str, Any], arn: str) -> list[str]:
    """Return the configured alarms that are in state ALARM, in the region of `arn`; none where alarms are off."""
    alarms = configuration.get("alarms", {})
    if not alarms.get("enable"):
        return []
    cloudwatch = aws.client("cloudwatch", region_of(arn))
    found = cloudwatch.describe_alarms(AlarmNames=alarms["alarmNames"])["MetricAlarms"]
    # Moto does not filter by state where names are given.
    return [alarm["AlarmName"] for alarm in found if alarm["StateValue"] == "ALARM"]
