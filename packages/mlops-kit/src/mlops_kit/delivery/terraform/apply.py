"""Plan, apply and destroy a root, after a confirmation; before a destroy the deployer's ECS service is deleted."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlops_kit.core import project
from mlops_kit.core.console import echo
from mlops_kit.core.errors import UserError
from mlops_kit.core.files import write_json

from ..region import region
from . import roots
from .cli import Terraform
from .roots import BOOTSTRAP, Root

REPORT = Path("reports/infra-plan.json")
_PRODUCTION = "production"
_PATIENCE = 900  # seconds to wait for a draining service


def plan(name: str) -> list[dict[str, Any]]:
    """Show what an apply would change, write it to reports/infra-plan.json, and return it as `Terraform.plan` does.

    Raises:
        UserError: The environment has no alert address, or Terraform failed.
    """
    with _connected(_with_alert_emails(roots.load(name))) as terraform:
        changes = terraform.plan()
    write_json(REPORT, {"environment": name, "changes": changes})
    return changes


def apply(name: str, approved: bool) -> int:
    """Show the plan, ask unless `approved`, and apply it; return how many resources changed.

    Raises:
        UserError: The environment has no alert address, the plan was not confirmed, or Terraform failed.
    """
    with _connected(_with_alert_emails(roots.load(name))) as terraform:
        changes = terraform.plan()
        if changes:
            _confirm(f"Make these {len(changes)} changes in {name}?", "yes", approved)
        terraform.apply()
        terraform.move_state()
    return len(changes)


def destroy(name: str, approved: bool, confirmed: str) -> int:
    """Show the plan, ask, delete the deployer's service, and destroy; return how many resources were destroyed.

    Args:
        name: The environment or root.
        approved: Do not ask; production is asked for all the same.
        confirmed: `name` again (CONFIRM), in place of the question.

    Raises:
        UserError: It is protected, is bootstrap, which holds the other states, or was not confirmed; or Terraform failed.
    """
    root = roots.load(name)
    if name == BOOTSTRAP:
        raise UserError(
            "ENV is 'bootstrap', which holds the states of all others: empty and delete its bucket and roles by hand"
        )
    if root.variables.get("protected", root.is_environment):
        raise UserError(
            f"configs/infra/{name}.yaml has protected: true; to destroy {name}, set it to false and make infra-apply ENV={name} first"
        )
    with _connected(root) as terraform:
        changes = terraform.plan(destroy=True)
        # Production is never destroyed by a variable that is set for all environments.
        sure = confirmed == name or (approved and name != _PRODUCTION)
        _confirm(f"Destroy these {len(changes)} resources, and the service in {name}?", name, sure)
        if root.is_environment:
            _delete_service(name)
        terraform.apply()
    return len(changes)


def _with_alert_emails(root: Root) -> Root:
    """Return the root after the check that an environment's alarms go to an address.

    Raises:
        UserError: There is none, or only addresses that cannot exist (*.example, RFC 2606).
    """
    given = root.variables.get("alert_emails") or []
    if root.is_environment and not [one for one in given if not str(one).endswith(".example")]:
        raise UserError(
            f"configs/infra/{root.name}.yaml: alert_emails is {given}, so alarms would reach nobody;"
            " accepted: 1 to 10 addresses that are read, like alert_emails: [team@example.com]"
        )
    return root


def _confirm(question: str, answer: str, given: bool) -> None:
    if given:
        return
    if not sys.stdin.isatty():
        variable = "AUTO_APPROVE=1" if answer == "yes" else f"CONFIRM={answer}"
        raise UserError(
            f"there is no terminal to confirm on: give {variable} to continue without a question"
        )
    echo(f"{question} Type {answer} to continue:")
    if input().strip() != answer:
        raise UserError("nothing was changed: it was not confirmed")


@contextmanager
def _connected(root: Root) -> Iterator[Terraform]:
    bucket, exists = _state_bucket()
    terraform = Terraform(root, bucket)
    try:
        terraform.connect(exists)
        yield terraform
    finally:
        terraform.close()


def _state_bucket() -> tuple[str, bool]:
    """Return the name of this account's Terraform state bucket, and whether it exists."""
    from ..deploy import aws

    try:
        account = client("sts").get_caller_identity()["Account"]
        bucket = f"{roots.short(project.current().name)}-terraform-{account}"
        client("s3").head_bucket(Bucket=bucket)
    except aws.errors() as error:
        if aws.code(error) in ("404", "NoSuchBucket"):
            return bucket, False
        raise UserError(aws.sentence(error)) from error
    return bucket, True


def _delete_service(name: str) -> None:
    """Delete the deployer's service and wait until it is INACTIVE.

    Terraform does not manage it, and its cluster cannot be deleted before it.

    Raises:
        UserError: AWS refuses, or the service still drains after 900 s.
    """
    from ..deploy import aws

    # As infra/names names both; the contract that has them may be gone already.
    there = dict.fromkeys(("cluster", "service"), f"{project.current().name}-{name}")
    ecs = client("ecs")
    try:
        ecs.delete_service(**there, force=True)
    except aws.errors() as error:
        if aws.code(error) in ("ServiceNotFoundException", "ClusterNotFoundException"):
            return
        raise UserError(aws.sentence(error)) from error
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        found = ecs.describe_services(cluster=there["cluster"], services=[there["service"]])
        if not found["services"] or found["services"][0]["status"] == "INACTIVE":
            echo(f"destroy    the service {there['service']} has ended")
            return
        time.sleep(1)
    raise UserError(f"the service {there['service']} still drains after {_PATIENCE} s: try again")


def client(service: str) -> Any:
    """Return the boto3 client of an AWS service in the project's region."""
    import boto3

    return boto3.client(service, region_name=region())
