"""Format records as responses of the ECS API.

Source: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Types.html
"""

from __future__ import annotations

import uuid
from typing import Any, Optional

from .plan import stage, strategy
from .records import Deployment, Revision, Service, State, Task, deployment_id
from .scheduler import wanted

_PENDING = ("PROVISIONING", "PENDING")


def service(state: State, record: Service) -> dict[str, Any]:
    """Return a service as DescribeServices does."""
    revision = state.revisions[record.revision]
    newest = state.deployment_of(record)
    return {
        "serviceArn": record.arn,
        "serviceName": record.name,
        "clusterArn": record.cluster,
        "status": record.status,
        "desiredCount": record.desired,
        **_counts(state.tasks_of(record)),
        "taskDefinition": revision.task_definition,
        "deploymentConfiguration": record.configuration,
        "loadBalancers": record.load_balancers,
        "serviceRegistries": [],
        "healthCheckGracePeriodSeconds": record.grace,
        "deployments": _classic(state, record),
        "currentServiceDeployment": newest.arn if newest else None,
        "currentServiceRevisions": [
            {"arn": arn, "requestedTaskCount": count, **_task_counts(state, record, arn)}
            for arn, count in (wanted(record, newest) or {}).items()
            if arn and count
        ],
        "events": [
            {
                "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{record.arn}/{event['number']}")),
                "createdAt": event["createdAt"],
                "message": event["message"],
            }
            for event in record.events
        ],
        "createdAt": record.created,
        "schedulingStrategy": "REPLICA",
        **record.request,
    }


def deployment(state: State, record: Deployment) -> dict[str, Any]:
    """Return a service deployment as DescribeServiceDeployments does."""
    owner = state.services[record.service]
    counts = wanted(owner, record) or {}
    share = (record.percent, 100.0 if record.tested else 0.0)
    rest = (100.0 - share[0], 100.0 - share[1])
    alarms = record.configuration.get("alarms")
    answer = {
        **brief(owner, record),
        "stoppedAt": record.stopped,
        "updatedAt": record.updated,
        "targetServiceRevision": _summary(state, owner, record.target, counts, share),
        "sourceServiceRevisions": [
            _summary(state, owner, arn, counts, rest) for arn in [record.source] if arn
        ],
        "lifecycleHookDetails": [
            {
                "hookId": hook.id,
                "targetType": "PAUSE",
                "status": hook.status,
                "expiresAt": hook.expires,
                "timeoutAction": hook.timeout_action,
            }
            for hook in record.hooks
        ],
        "deploymentConfiguration": record.configuration,
        "rollback": record.rollback or None,
        "deploymentCircuitBreaker": {
            "status": record.breaker,
            "failureCount": record.failures,
            "threshold": record.threshold,
        },
        "alarms": alarms
        and {
            "status": record.alarms,
            "alarmNames": alarms["alarmNames"],
            "triggeredAlarmNames": record.triggered,
        },
        "lifecycleStage": _stage(record),
    }
    del answer["targetServiceRevisionArn"]
    return _present(answer)


def brief(owner: Service, record: Deployment) -> dict[str, Any]:
    """Return a service deployment in its short form, as ListServiceDeployments does."""
    return _present(
        {
            "serviceDeploymentArn": record.arn,
            "serviceArn": record.service,
            "clusterArn": owner.cluster,
            "createdAt": record.created,
            "startedAt": record.started,
            "finishedAt": record.finished,
            "targetServiceRevisionArn": record.target,
            "status": record.status,
            "statusReason": record.reason or None,
        }
    )


def revision(state: State, record: Revision) -> dict[str, Any]:
    """Return a service revision as DescribeServiceRevisions does."""
    owner = state.services[record.service]
    resolved = {"targetGroupArn": record.target_group} if record.target_group else None
    return _present(
        {
            "serviceRevisionArn": record.arn,
            "serviceArn": record.service,
            "clusterArn": owner.cluster,
            "taskDefinition": record.task_definition,
            "containerImages": record.images,
            "loadBalancers": owner.load_balancers,
            "resolvedConfiguration": resolved and {"loadBalancers": [resolved]},
            "createdAt": record.created,
            **record.request,
        }
    )


def task(record: Task, owner: Service) -> dict[str, Any]:
    """Return a task as DescribeTasks does."""
    container: dict[str, Any] = {
        "containerArn": f"{record.arn.replace(':task/', ':container/')}/{record.id}",
        "taskArn": record.arn,
        "name": record.container or None,
        "image": record.image or None,
        "imageDigest": record.image.partition("@")[2] or None,
        "lastStatus": record.status,
        "exitCode": record.exit_code,
        "reason": record.reason or None,
        "networkBindings": [],
        "networkInterfaces": [],
    }
    return _present(
        {
            "taskArn": record.arn,
            "clusterArn": record.cluster,
            "taskDefinitionArn": record.task_definition,
            "containers": [_present(container), *(_beside(record, name) for name in record.beside)],
            "group": f"service:{owner.name}",
            "startedBy": record.deployment,
            "launchType": owner.request.get("launchType"),
            "lastStatus": record.status,
            "desiredStatus": record.desired_status,
            "healthStatus": "HEALTHY" if record.healthy else "UNKNOWN",
            "createdAt": record.created,
            "startedAt": record.started,
            "stoppingAt": record.stopping,
            "stoppedAt": record.stopped,
            "stopCode": record.stop_code or None,
            "stoppedReason": record.stopped_reason or None,
        }
    )


def _beside(record: Task, name: str) -> dict[str, Any]:
    """Return a container that is not essential; its status is not tracked."""
    arn = f"{record.arn.replace(':task/', ':container/')}/{record.id}-{name}"
    return {"containerArn": arn, "taskArn": record.arn, "name": name}


def _stage(record: Deployment) -> Optional[str]:
    # A rolling deployment has no stages, and a pending one has none yet.
    if strategy(record.configuration) == "ROLLING" or record.started is None:
        return None
    return stage(record)


def _classic(state: State, record: Service) -> list[dict[str, Any]]:
    """Return `deployments` of a service, an older part of the API: the current or next revision, and the previous one."""
    newest = state.deployment_of(record)
    if newest is None or record.status != "ACTIVE":
        return []
    rollout = {"SUCCESSFUL": "COMPLETED", "ROLLBACK_SUCCESSFUL": "COMPLETED"}.get(newest.status)
    rollout = rollout or ("IN_PROGRESS" if newest.in_flight else "FAILED")
    shown = [("PRIMARY", record.revision, rollout)]
    if newest.in_flight and newest.source:
        shown.append(("ACTIVE", newest.source, "COMPLETED"))
    return [
        {
            "id": (
                deployment_id(newest) if status == "PRIMARY" else f"{deployment_id(newest)}-source"
            ),
            "status": status,
            "taskDefinition": state.revisions[arn].task_definition,
            "desiredCount": record.desired,
            **_counts(state.tasks_of(record, arn)),
            "failedTasks": newest.failures if arn == newest.target else 0,
            "createdAt": newest.created,
            "updatedAt": newest.updated,
            "rolloutState": state_of_rollout,
            "rolloutStateReason": newest.reason,
        }
        for status, arn, state_of_rollout in shown
    ]


def _summary(
    state: State,
    owner: Service,
    arn: str,
    counts: dict[str, int],
    weights: tuple[float, float],
) -> dict[str, Any]:
    shifts = bool(owner.load_balancers and "advancedConfiguration" in owner.load_balancers[0])
    return _present(
        {
            "arn": arn,
            "requestedTaskCount": counts.get(arn, 0),
            **_task_counts(state, owner, arn),
            "requestedProductionTrafficWeight": weights[0] if shifts else None,
            "requestedTestTrafficWeight": weights[1] if shifts else None,
        }
    )


def _task_counts(state: State, owner: Service, arn: str) -> dict[str, int]:
    counts = _counts(state.tasks_of(owner, arn))
    return {
        "runningTaskCount": counts["runningCount"],
        "pendingTaskCount": counts["pendingCount"],
    }


def _counts(tasks: list[Task]) -> dict[str, int]:
    return {
        "runningCount": sum(one.status == "RUNNING" for one in tasks),
        "pendingCount": sum(one.status in _PENDING for one in tasks),
    }


def _present(answer: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in answer.items() if value is not None}
