"""The recorded predictions of an environment, and the alert on their drift."""

from __future__ import annotations

from mlops_kit.core.errors import UserError

from . import aws, environment
from .environment import Environment

# SNS takes messages of at most 256 KiB, and subjects of fewer than 100 characters:
# https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
_MOST_SENTENCES = 20
_MOST_OF_SUBJECT = 99


def connect(name: str) -> Environment:
    """Return the environment `name`, whose contract has the place of its service's records.

    Raises:
        UserError: As `environment.connect`, or AWS refuses, or the contract has no such place.
    """
    try:
        found = environment.connect(name)
    except aws.errors() as error:
        raise UserError(aws.sentence(error)) from None
    if not found.contract.predictions:
        raise UserError(
            f"the service in {name} records nothing: prediction_days in configs/infra/{name}.yaml is 0 or was not applied"
            f" (make infra-apply ENV={name}, then make deploy ENV={name})"
        )
    return found


def alert(of: Environment, title: str, sentences: list[str]) -> str:
    """Publish the drift to the environment's alarm topic; return the outcome, or an empty string if it has none."""
    topic = of.contract.alarm_topic
    if not topic:
        return ""
    more = len(sentences) - _MOST_SENTENCES
    lines = sentences[:_MOST_SENTENCES] + ([f"and {more} more"] if more > 0 else [])
    try:
        of.aws.client("sns").publish(
            TopicArn=topic,
            Subject=title.encode("ascii", "replace").decode()[:_MOST_OF_SUBJECT],
            Message="\n".join([*lines, "", f"make monitor ENV={of.name} shows all of it."]),
        )
    except aws.errors() as error:  # an unsent alert does not change the result
        return f"NOT SENT to {topic}: {aws.sentence(error)}"
    return f"sent to {topic.rpartition(':')[2]}"
