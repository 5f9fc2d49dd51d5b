"""The ECS operations that only read.

Source: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Operations.html
"""

from __future__ import annotations

from typing import Any

from . import answers
from .lookup import EcsError, Lookup
from .records import State

Answer = dict[str, Any]
_MOST_DESCRIBED = 20  # deployments or revisions in one request
_MOST_LISTED = 100


class Queries:
    """Each method handles the operation of its name: it takes the region and the request, and returns the response."""

    def __init__(self, state: State, lookup: Lookup) -> None:
        self._state, self._lookup = state, lookup

    def describe_services(self, region: str, request: Answer) -> Answer:
        """Describe services; an inactive one is returned, an unknown one is in `failures`."""
        cluster = self._lookup.cluster(region, request.get("cluster"))
        found, failures = [], []
        for name in request["services"]:
            service = self._lookup.service(cluster, name)
            if service:
                found.append(answers.service(self._state, service))
            else:
                failures.append(_missing(f"{cluster.replace(':cluster/', ':service/')}/{name}"))
        return {"services": found, "failures": failures}

    def list_services(self, region: str, request: Answer) -> Answer:
        """List the services of a cluster that were not deleted."""
        cluster = self._lookup.cluster(region, request.get("cluster"))
        arns = [
            service.arn
            for service in self._state.services.values()
            if service.cluster == cluster and service.status != "INACTIVE"
        ]
        return _page("serviceArns", arns, request, 10)

    def list_service_deployments(self, region: str, request: Answer) -> Answer:
        """List the deployments of a service, newest first."""
        cluster = self._lookup.cluster(region, request.get("cluster"))
        service = self._lookup.existing_service(cluster, request["service"])
        created, statuses = request.get("createdAt", {}), request.get("status")
        found = [
            answers.brief(service, deployment)
            for deployment in (
                self._state.deployments[arn] for arn in reversed(service.deployments)
            )
            if created.get("after", 0) <= deployment.created <= created.get("before", 2**63)
            and (not statuses or deployment.status in statuses)
        ]
        return _page("serviceDeployments", found, request, 20)

    def describe_service_deployments(self, _region: str, request: Answer) -> Answer:
        """Describe deployments; an unknown one is in `failures`."""
        arns = _not_too_many(request["serviceDeploymentArns"])
        known = self._state.deployments
        return {
            "serviceDeployments": [
                answers.deployment(self._state, known[arn]) for arn in arns if arn in known
            ],
            "failures": [_missing(arn) for arn in arns if arn not in known],
        }

    def describe_service_revisions(self, _region: str, request: Answer) -> Answer:
        """Describe revisions; an unknown one is in `failures`."""
        arns = _not_too_many(request["serviceRevisionArns"])
        known = self._state.revisions
        return {
            "serviceRevisions": [
                answers.revision(self._state, known[arn]) for arn in arns if arn in known
            ],
            "failures": [_missing(arn) for arn in arns if arn not in known],
        }

    def list_tasks(self, region: str, request: Answer) -> Answer:
        """List tasks that run, or with desiredStatus STOPPED those that do not."""
        cluster = self._lookup.cluster(region, request.get("cluster"))
        service = ""
        if "serviceName" in request:
            service = self._lookup.existing_service(cluster, request["serviceName"]).arn
        arns = [
            task.arn
            for task in self._state.tasks.values()
            if task.cluster == cluster
            and service in ("", task.service)
            and task.desired_status == request.get("desiredStatus", "RUNNING")
            and request.get("startedBy") in (None, task.deployment)
            and request.get("family") in (None, _family(task.task_definition))
        ]
        return _page("taskArns", arns, request, 100)

    def describe_tasks(self, region: str, request: Answer) -> Answer:
        """Describe tasks, given by id or ARN; an unknown one is in `failures`."""
        cluster = self._lookup.cluster(region, request.get("cluster"))
        found, failures = [], []
        for name in request["tasks"]:
            arn = f"{cluster.replace(':cluster/', ':task/')}/{name.rpartition('/')[2]}"
            task = self._state.tasks.get(arn)
            if task:
                found.append(answers.task(task, self._state.services[task.service]))
            else:
                failures.append(_missing(arn))
        return {"tasks": found, "failures": failures}


def _family(task_definition: str) -> str:
    return task_definition.rpartition("/")[2].partition(":")[0]


def _missing(arn: str) -> Answer:
    return {"arn": arn, "reason": "MISSING"}


def _not_too_many(arns: list[str]) -> list[str]:
    if len(arns) > _MOST_DESCRIBED:
        raise EcsError(
            "InvalidParameterException", f"At most {_MOST_DESCRIBED} ARNs can be described at once."
        )
    return arns


def _page(key: str, found: list[Any], request: Answer, default: int) -> Answer:
    """Return one page of `found`; the token is the index at which the next one starts."""
    token = request.get("nextToken", "0")
    if not token.isdecimal():
        raise EcsError("InvalidParameterException", "Invalid token.")
    start, size = int(token), request.get("maxResults", default)
    if not 1 <= size <= _MOST_LISTED:
        raise EcsError("InvalidParameterException", f"maxResults must be 1 to {_MOST_LISTED}.")
    answer: Answer = {key: found[start : start + size]}
    if start + size < len(found):
        answer["nextToken"] = str(start + size)
    return answer
