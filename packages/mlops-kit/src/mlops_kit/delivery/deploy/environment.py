"""One environment: its settings, its contract, and access to its parts."""

from __future__ import annotations

from typing import NamedTuple

from mlops_kit.core.errors import UserError

from . import aws, contract
from .balancer import Balancer
from .container_secrets import Secrets
from .contract import Contract
from .ecr import Ecr
from .ecs import Ecs
from .lock import Lock
from .preflight import Preflight
from .records import Records
from .settings import DeployConfig, load_deploy


class Environment(NamedTuple):
    """The settings, contract and clients of an environment."""

    name: str
    config: DeployConfig
    contract: Contract
    aws: aws.Aws

    @property
    def ecs(self) -> Ecs:
        """Access to its ECS service."""
        return Ecs(self.aws.client("ecs"), self.contract)

    @property
    def balancer(self) -> Balancer:
        """Read access to its load balancer."""
        return Balancer(self.aws.client("elbv2"), self.contract)

    @property
    def ecr(self) -> Ecr:
        """The repository of its images."""
        return Ecr(self.aws.client("ecr"), self.contract)

    @property
    def records(self) -> Records:
        """The records of its releases and deployments."""
        return Records(self.aws, self.contract.records_bucket, self.name)

    @property
    def preflight(self) -> Preflight:
        """The checks before a deployment."""
        return Preflight(self.aws, self.config, self.contract)

    def lock(self) -> Lock:
        """Return its lock, not yet acquired."""
        return Lock(self.records, self.name)

    def api_key(self) -> str:
        """Return the service's API key, or an empty string where the contract has none."""
        arn = self.contract.secrets.get("API_KEY")
        return Secrets(self.aws).value(arn) if arn else ""


def connect(name: str) -> Environment:
    """Return the environment `name`, from configs/deploy/ and its contract.

    Raises:
        UserError: There is no such environment, or no contract of it in this account and region.
        ClientError: AWS refuses.
    """
    config = load_deploy(name)
    clients = aws.Aws()
    try:
        answer = clients.client("ssm").get_parameter(Name=config.contract)
    except aws.errors() as error:
        if aws.code(error) == "ParameterNotFound":
            raise UserError(
                f"there is no SSM parameter {config.contract} in {clients.where}: either that is not where {name} is"
                f" (AWS_REGION=… or AWS_PROFILE=… leads elsewhere), or its infrastructure is not there yet"
                f" (make infra-apply ENV={name} makes it, and for ENV=local make local-up)"
            ) from None
        raise
    return Environment(
        name, config, contract.parse(answer["Parameter"]["Value"], config.contract), clients
    )
