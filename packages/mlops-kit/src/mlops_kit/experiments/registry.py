"""Register a validated run as a version: the champion, or a challenger that can be promoted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from mlops_kit.core.console import step
from mlops_kit.core.errors import UserError
from mlops_kit.core.files import scratch, write_json

from . import model_card, promotion, runs, store
from .settings import CARD_FILE, CHALLENGER, CHAMPION, load_model_card

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


class Promoted(NamedTuple):
    """The version that is the champion now, and the basis of the promotion, in a sentence."""

    version: str
    on: str


def register(run_id: str = "") -> dict[str, Any]:
    """Register a run, by default the last one, give it the alias `champion` and the earlier champion `previous`.

    Each step is idempotent: if a call is killed, the next one finishes the work; a further call changes nothing but
    the model card, which is written from the current configs/model-card.yaml.
    Writes and returns reports/registration.json.

    Raises:
        UserError: There is no run, it has not passed validation, or it was validated against another champion.
    """
    return _register(run_id, _promote)


def challenge(run_id: str) -> dict[str, Any]:
    """Register a run as `register` does, but give it the alias `challenger`; the champion stays.

    Raises:
        UserError: As `register`.
    """
    return _register(run_id, _name_challenger)


def promote(name: str, reason: str = "") -> Promoted:
    """Make the challenger of the model `name` its champion, and the earlier champion `previous`.

    The basis of the promotion, and `reason`, are kept as tags of the version.

    Raises:
        UserError: There is no challenger, it was validated against another champion, or make compare found it worse
            and no reason is given.
    """
    with store.connect() as client, store.hold_lock():
        version = runs.of_alias(client, name, CHALLENGER)
        run = runs.find(client, version.run_id)
        _check_champion(client, run, runs.validation(run))
        champion, number = runs.champion(client, name), str(version.version)
        before = "" if champion is None else str(champion.version)
        on = promotion.rests_on(name, before, number, reason)
        client.set_model_version_tag(name, number, promotion.RESTS_ON_TAG, on)
        if reason:
            client.set_model_version_tag(name, number, promotion.REASON_TAG, reason)
        _promote(client, name, number)
    return Promoted(number, on)


def _register(run_id: str, name_it: Callable[[Any, str, str], bool]) -> dict[str, Any]:
    human = load_model_card()
    with store.connect() as client, store.hold_lock():
        run = runs.find(client, run_id or runs.last())
        tag = run.tags.get(runs.VALIDATION_TAG)
        if tag != "passed":
            found = "it failed" if tag == "failed" else "it was not validated yet (make validate)"
            raise UserError(f"run {run.run_id} has not passed validation: {found}")
        validation = runs.validation(run)
        _check_champion(client, run, validation)
        with step("register") as running:
            version = _version(client, run)
            _describe(client, run, version, model_card.text(run, validation, human, version))
            changed = name_it(client, run.config.registered_model, version)
            running.detail = f"{run.config.registered_model} version {version}"
    report = {
        "registered_model": run.config.registered_model,
        "version": version,
        "run_id": run.run_id,
        "changed": changed,
    }
    write_json(REPORT, report)
    return report


def _check_champion(client: Any, run: runs.Run, validation: dict[str, Any] | None) -> None:
    """Raise a UserError if the run was validated against another champion, unless it is the current one itself."""
    champion = runs.champion(client, run.config.registered_model)
    if champion is None or champion.run_id == run.run_id:
        return
    before = (validation or {}).get("champion", {}).get("version", "")
    if before != str(champion.version):
        against = f"against version {before}" if before else "when there was no champion"
        raise UserError(
            f"the champion is now version {champion.version}, and run {run.run_id} was validated {against}:"
            " make validate"
        )


def _version(client: Any, run: runs.Run) -> str:
    """Return the number of the run's registered version, created if there is none."""
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
    """Store the model card as an artifact of the run, and name it in the version's description, whose length is limited."""
    with scratch() as folder:
        file = folder / CARD_FILE
        file.write_text(card, encoding="utf-8")
        runs.keep(run, file)
    description = f"Model card: {CARD_FILE}, an artifact of run {run.run_id}"
    client.update_model_version(run.config.registered_model, version, description=description)


def _promote(client: Any, name: str, version: str) -> bool:
    """Move the aliases; `previous` first, so that a kill between the two loses neither version."""
    champion, challenger = (runs.aliased(client, name, each) for each in (CHAMPION, CHALLENGER))
    changed = champion is None or str(champion.version) != version
    if changed:
        if champion is not None:
            client.set_registered_model_alias(name, PREVIOUS, champion.version)
        client.set_registered_model_alias(name, CHAMPION, version)
    if challenger is not None and str(challenger.version) == version:
        client.delete_registered_model_alias(name, CHALLENGER)
    return changed


def _name_challenger(client: Any, name: str, version: str) -> bool:
    before = runs.aliased(client, name, CHALLENGER)
    if before is not None and str(before.version) == version:
        return False
    client.set_registered_model_alias(name, CHALLENGER, version)
    return True
