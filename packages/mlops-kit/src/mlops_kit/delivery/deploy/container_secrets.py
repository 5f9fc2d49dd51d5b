"""Secrets of the service's container, given by ARN as a task definition takes them."""

from __future__ import annotations

import json
from typing import NamedTuple

from . import aws


class Source(NamedTuple):
    """What an ARN names: a parameter of SSM, or a secret with perhaps a key of the JSON in it and a version."""

    arn: str
    key: str
    version: dict[str, str]  # as GetSecretValue takes it

    @property
    def is_parameter(self) -> bool:
        """Whether it is one of SSM."""
        return self.arn.split(":")[2] == "ssm"


class Secrets:
    """Asks AWS for them."""

    def __init__(self, clients: aws.Aws) -> None:
        """Take the clients of AWS."""
        self._aws = clients

    def find(self, arn: str) -> None:
        """Ask whether it is there, which needs no right to read it; AWS's error says that it is not."""
        source = parse(arn)
        if source.is_parameter:
            # By its ARN, for that does not tell a name with a slash in front from one without.
            self._aws.client("ssm").get_parameter(Name=source.arn)
        else:
            self._aws.client("secretsmanager").describe_secret(SecretId=source.arn)

    def value(self, arn: str) -> str:
        """Return what the container gets.

        Raises:
            KeyError: The JSON in the secret has no such key.
        """
        source = parse(arn)
        if source.is_parameter:
            answer = self._aws.client("ssm").get_parameter(Name=source.arn, WithDecryption=True)
            return str(answer["Parameter"]["Value"])
        manager = self._aws.client("secretsmanager")
        answer = manager.get_secret_value(SecretId=source.arn, **source.version)
        text = str(answer["SecretString"])
        return str(json.loads(text)[source.key]) if source.key else text


def parse(arn: str) -> Source:
    """Return what an ARN names; of a secret also `ARN:key:stage:version`, each of which may be empty."""
    parts = arn.split(":")
    if parts[2] == "ssm":
        return Source(arn, "", {})
    key, stage, number = [*parts[7:], "", "", ""][:3]
    version = {"VersionStage": stage, "VersionId": number}
    return Source(":".join(parts[:7]), key, {name: one for name, one in version.items() if one})
