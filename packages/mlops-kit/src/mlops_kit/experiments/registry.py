"""Make a validated run the registered champion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlops_kit.core.console import step
from mlops_kit.core.errors import UserError
from mlops_kit.core.files import scratch, write_json

from . import model_card, runs, store
from .settings import CARD_FILE, CHAMPION, load_model_card

REPORT = Path("reports/registration.json")
PREVIOUS = "previous"

_COPIED_TAGS = (
    "git.commit",
    "git.dirty",
    "lock.digest",
    "data.source",
    "data.digest",
    "model.sha256",
)


def register(run_id: str = "") -> dict[str, Any]:
    """Register a run, by default the last one, give it the alias `champion` and the earlier champion `previous`.

    Each step can be repeated: after a kill in the middle, the next call finishes the work; once all is
    done, a further call changes nothing but the model card, which says what configs/model-card.yaml says now.
    Writes and returns reports/registration.json.

    Raises:
        UserError: There is no run, it has not passed validation, or it was compared with another champion than that of now.
    """
    human = load_model_card()
    with store.connected() as client, store.one_at_a_time():
        run = runs.find(client, run_id or runs.last())
        verdict = run.tags.get(runs.VERDICT_TAG)
        if verdict != "passed":
            found = "it failed" if verdict == "failed" else "it was not judged yet (make validate)"
            raise UserError(f"run {run.run_id} has not passed validation: {found}")
        judged = runs.verdict(run)
        _refuse_another_champion(client, run, judged)
        with step("register") as running:
            version = _version(client, run)
            _describe(client, run, version, model_card.text(run, judged, human, version))
            changed = _crown(client, run.config.registered_model, version)
            running.detail = f"{run.config.registered_model} version {version}"
    report = {
        "registered_model": run.config.registered_model,
        "version": version,
        "run_id": run.run_id,
        "changed": changed,
    }
    write_json(REPORT, report)
    return report


def _refuse_another_champion(client: Any, run: runs.Run, judged: dict[str, Any] | None) -> None:
    """Whoever passed beside an earlier champion, or was champion before, has to be judged beside that of now."""
    champion = runs.champion(client, run.config.registered_model)
    if champion is None or champion.run_id == run.run_id:
        return
    before = (judged or {}).get("champion", {}).get("version", "")
    if before != str(champion.version):
        beside = f"beside version {before}" if before else "when there was no champion"
        raise UserError(
            f"the champion is version {champion.version} by now, and run {run.run_id} was judged {beside}: make validate"
        )


def _version(client: Any, run: runs.Run) -> str:
    """Return the number of the run's registered version, which is created at most once."""
    from mlflow.exceptions import MlflowException

    name = run.config.registered_model
    for version in client.search_model_versions(f"name = '{name}'"):
        if version.run_id == run.run_id:
            return str(version.version)
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    tags = {key: run.tags[key] for key in _COPIED_TAGS}
    source = run.tags["model.uri"]  # models:/MODEL_ID
    created = client.create_model_version(
        name, source, run_id=run.run_id, tags=tags, model_id=source.rpartition("/")[2]
    )
    return str(created.version)


def _describe(client: Any, run: runs.Run, version: str, card: str) -> None:
    """Put the model card beside the run, and say at the version where it is: a description may be too short for it."""
    with scratch() as folder:
        file = folder / CARD_FILE
        file.write_text(card, encoding="utf-8")
        runs.keep(run, file)
    said = f"Model card: {CARD_FILE}, an artifact of run {run.run_id}"
    client.update_model_version(run.config.registered_model, version, description=said)


def _crown(client: Any, name: str, version: str) -> bool:
    """Move the aliases; `previous` first, so that a kill between the two loses neither version."""
    champion = runs.champion(client, name)
    if champion is not None and str(champion.version) == version:
        return False
    if champion is not None:
        client.set_registered_model_alias(name, PREVIOUS, champion.version)
    client.set_registered_model_alias(name, CHAMPION, version)
    return True
