"""Secrets of the service's container, given by ARN as a task definition takes them.

Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/specifying-sensitive-data.html
"""

from __future__ import annotations

import json
from typing import NamedTuple

from . import aws


class Source(NamedTuple):
    """The source of a value: an SSM parameter, or a secret, with an optional key of its JSON and version."""

    arn: str
    key: str
    version: dict[str, str]  # as GetSecretValue takes it

    @property
    def is_parameter(self) -> bool:
        """Return whether it is an SSM parameter."""
        return self.arn.split(":")[2] == "ssm"


class Secrets:
    """Look-up of secrets in AWS."""

    def __init__(self, clients: aws.Aws) -> None:
        """Take the clients of AWS."""
        self._aws = clients

    def find(self, arn: str) -> None:
        """Check that a secret exists; the permission to read it is not needed.

        Raises:
            ClientError: AWS has no such secret or parameter.
        """
        source = parse(arn)
        if source.is_parameter:
            # By its ARN, in which a name with a leading slash and one without look the same.
            self._aws.client("ssm").get_parameter(Name=source.arn)
        else:
            self._aws.client("secretsmanager").describe_secret(SecretId=source.arn)

    def value(self, arn: str) -> str:
        """Return the value that the container gets.

        Raises:
            ClientError: AWS refuses, or has no such secret or parameter.
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
    """Return the source in an ARN; a secret's may go on with `:key:stage:version`, each of which may be empty.

    >>> source = parse("arn:aws:secretsmanager:eu-north-1:123456789012:secret:api-Ab12Cd:key:AWSCURRENT:")
    >>> source.key, source.version
    ('key', {'VersionStage': 'AWSCURRENT'})
    """
    parts = arn.split(":")
    if parts[2] == "ssm":
        return Source(arn, "", {})
    key, stage, number = [*parts[7:], "", "", ""][:3]
    version = {"VersionStage": stage, "VersionId": number}
    return Source(":".join(parts[:7]), key, {name: one for name, one in version.items() if one})
