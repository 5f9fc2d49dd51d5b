"""The subcommands that watch: arguments and printing, as in cli.py, which adds them to its own."""

# No `from __future__ import annotations` here: on Python 3.9 typer would lose every option's variable.

from pathlib import Path

import typer

from mlops_kit.core.console import say
from mlops_kit.experiments.cli_options import CONFIG, ConfigPath, Model, Overrides
from mlops_kit.experiments.settings import load_train, model_name

from .settings import load_monitor

app = typer.Typer()


@app.command()
def monitor(config: ConfigPath = CONFIG, overrides: Overrides = "", model: Model = "") -> None:
    """Compare what the service was asked lately with the model's own rows; exit 1 past the limit."""
    if _has_drifted(config, overrides, model):
        say("drifted: reports/monitor.html; next: look, or make retrain")
        raise typer.Exit(1)


@app.command()
def retrain(config: ConfigPath = CONFIG, overrides: Overrides = "", model: Model = "") -> None:
    """Monitor, and past the limit train, validate and register; exit 1 then, whatever comes of it."""
    settings = load_train(config, overrides)
    if not _has_drifted(config, overrides, model):
        return
    from mlops_kit.core import job_summary, project
    from mlops_kit.experiments import registry, validation

    run_id = project.current().train(settings)["run_id"]
    verdict = validation.validate(settings, run_id)
    if verdict.passed:
        done = registry.register(run_id)
        said = (
            f"{done['registered_model']} version {done['version']} is the champion now: deploy it"
        )
    else:
        said = f"not good enough, nothing is registered: {validation.REPORT}"
    job_summary.put_section("Retrained", [f"{said}."])
    say(f"drifted and retrained: {said}")
    raise typer.Exit(1)


def _has_drifted(config: Path, overrides: str, model: str) -> bool:
    """Compare, print one line for each thing to know, and tell whether something is past its limit."""
    settings = load_monitor()
    if settings.source is None:
        say("NOT JUDGED: configs/monitor.yaml names no source, so nothing is compared")
        return False
    name, alias = model_name(model, config, overrides)
    from . import monitor as watching
    from . import reports, result

    done = watching.watch(settings, name, alias)
    for sentence in done.tripped():
        say(f"drift: {sentence}")
    for note in done.notes:
        say(f"note: {note}")
    judged = reports.verdict(done)
    say(f"{judged.upper() if done.status == result.NOT_JUDGED else judged}: {reports.PAGE}")
    return done.status == result.DRIFTED
