"""A release: one image by digest, its contents, and who pushed it. It is written once and never changed."""

from __future__ import annotations

import getpass
import json
import os
from datetime import datetime, timezone
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from mlops_kit.artifact import folder
from mlops_kit.core.errors import UserError
from mlops_kit.experiments.settings import CARD_FILE


class Release(BaseModel):
    """An image, its model, and the golden predictions that verify it."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    digest: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")
    tag: str
    commit: str
    registered_model: str
    model_version: str
    model_commit: str
    data_digest: str
    pushed_by: str
    pushed_at: str  # UTC, ISO 8601

    # Of model.json: golden rows with their predictions, and the tolerance of a prediction.
    golden: list[dict[str, Any]]
    tolerance: float
    scale: float

    # The model card in Markdown, and its unwritten fields; older releases have none.
    model_card: str = ""
    model_card_lacks: list[str] = []

    @property
    def name(self) -> str:
        """The release in messages: model, version and image tag."""
        return f"{self.registered_model} version {self.model_version} ({self.tag})"

    def image(self, repository: str) -> str:
        """Return the image's reference by digest in `repository`."""
        return f"{repository}@{self.digest}"


def of_image(record: dict[str, Any], digest: str) -> Release:
    """Return the release of the image that artifacts/image.json describes; its model is in artifacts/model/.

    Raises:
        UserError: artifacts/model/ is gone or damaged, or holds another model now.
    """
    card = folder.read_manifest(folder.FOLDER)
    for_people = folder.FOLDER / CARD_FILE
    if card["version"] != record["model_version"] or card["data_digest"] != record["data_digest"]:
        raise UserError(
            f"{folder.FOLDER} holds version {card['version']} of {card['registered_model']}, the image"
            f" {record['tag']} version {record['model_version']}: make image puts the new one in an image"
        )
    return Release(
        digest=digest,
        tag=record["tag"].rpartition(":")[2],
        commit=record["commit"],
        registered_model=record["registered_model"],
        model_version=record["model_version"],
        model_commit=record["model_commit"],
        data_digest=record["data_digest"],
        pushed_by=who(),
        pushed_at=now(),
        golden=card["golden"],
        tolerance=card["parity"]["tolerance"],
        scale=card["parity"]["scale"],
        model_card=for_people.read_text(encoding="utf-8") if for_people.is_file() else "",
        model_card_lacks=card.get("model_card_lacks", []),
    )


def who() -> str:
    """Return who deploys: the user of the CI run, else USER@HOST."""
    for variable in (
        "GITHUB_ACTOR",
        "GITLAB_USER_LOGIN",
        "BUILD_USER",
        "CIRCLE_USERNAME",
        "BUILD_REQUESTEDFOR",
    ):
        if os.environ.get(variable):
            return os.environ[variable]
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's numbered user has no name
        user = str(os.getuid())
    return f"{user}@{os.uname().nodename}"


def now() -> str:
    """Return the time in UTC, as ISO 8601 to the second: 2026-01-31T12:00:00Z."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse(text: str) -> Release:
    """Return the release in a record that `Release.model_dump_json` wrote."""
    return Release.model_validate(json.loads(text))
