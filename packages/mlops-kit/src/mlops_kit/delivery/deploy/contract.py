"""The contract between infrastructure and deployer: JSON in one SSM parameter per environment, written by `infra/`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mlops_kit.core.errors import UserError, one_line


class Contract(BaseModel):
    """All resources that a deployment uses and does not own.

    Unknown keys are ignored, so that the infrastructure can be updated before the deployer.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    environment: str
    region: str
    account_id: str = Field(pattern=r"^[0-9]{12}$")

    # Names of the cluster and of the service that the deployer creates in it.
    cluster: str
    service: str
    container_port: int = Field(ge=1, le=65535)
    architecture: Literal["X86_64", "ARM64"] = "X86_64"  # of the machines that tasks run on
    subnets: list[str] = Field(min_length=1)
    security_groups: list[str] = Field(min_length=1)
    assign_public_ip: bool = False

    # The image's repository, as host/name, and the bucket of release records; both are shared by all environments.
    repository: str
    records_bucket: str

    # ARNs: two target groups, and the rule of each listener that ECS moves between them.
    blue_target_group: str
    green_target_group: str
    production_rule: str
    test_rule: str
    production_url: str = Field(pattern=r"^https?://")
    test_url: str = Field(pattern=r"^https?://")

    # ARNs of the roles: ECS on the load balancer; ECS to start tasks; the tasks themselves.
    load_balancer_role: str
    execution_role: str
    task_role: str

    # The s3:// prefix that the service's records are shipped to; empty: it records nothing.
    predictions: str = Field("", pattern=r"^(s3://[a-z0-9.-]+/[^\s'\"]+)?$")

    log_group: str
    alarm_topic: str = ""  # ARN in SNS, which gets alarms and drift; empty: none
    alarms: list[str] = []  # names; each of them rolls a deployment back
    secrets: dict[str, str] = {}  # variable of the container: ARN in Secrets Manager or SSM


def parse(text: str, name: str) -> Contract:
    """Return the contract in `text`, the value of the SSM parameter `name`.

    Raises:
        UserError: It is not JSON, or keys are missing or invalid; the message names all of them.
    """
    try:
        return Contract.model_validate_json(text)
    except ValidationError as error:
        problems = "; ".join(_sentence(dict(problem)) for problem in error.errors())
        raise UserError(
            f"the SSM parameter {name} is no contract: {problems} (make infra-apply writes it)"
        ) from None


def _sentence(problem: dict[str, Any]) -> str:
    where = ".".join(str(part) for part in problem["loc"])
    return f"{where}: {problem['msg']}" if where else one_line(ValueError(problem["msg"]))
