"""The command line: one subcommand for each make target, which parses options and prints; its docstring is the help text."""

# No `from __future__ import annotations` here: on Python 3.9 typer would lose every option's environment variable.

import os
import shlex
import signal
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from mlops_kit import config_files
from mlops_kit.artifact import folder
from mlops_kit.ci import oidc
from mlops_kit.ci.metrics import commands as ci_commands
from mlops_kit.ci.pipelines import commands as pipeline_commands
from mlops_kit.core import job_summary, project
from mlops_kit.core.console import echo, show_table
from mlops_kit.core.errors import exit_on_error
from mlops_kit.delivery import monitor_commands
from mlops_kit.delivery.deploy import commands as deployment_commands
from mlops_kit.delivery.image import commands as image_commands
from mlops_kit.delivery.terraform import commands as infrastructure_commands
from mlops_kit.experiments.cli_options import CONFIG, ConfigPath, Model, Overrides
from mlops_kit.experiments.search.settings import load_search
from mlops_kit.experiments.settings import TrainConfig, load_train, model_name
from mlops_kit.serving.settings import SERVE, load_serve

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
app.add_typer(config_files.app)
app.add_typer(image_commands.app)
app.add_typer(deployment_commands.app)
app.add_typer(infrastructure_commands.app)
app.add_typer(pipeline_commands.app)
app.add_typer(ci_commands.app)
app.add_typer(monitor_commands.app)


@app.command()
def pipeline(config: ConfigPath = CONFIG, overrides: Overrides = "") -> None:
    """Train, validate and register one run; exit 1 if it does not meet the thresholds."""
    settings = load_train(config, overrides)
    run_id = _train(settings)
    _validate(settings, run_id)
    echo(_register(run_id))


@app.command()
def train(config: ConfigPath = CONFIG, overrides: Overrides = "") -> None:
    """Fit the model that the config describes and track the run."""
    _train(load_train(config, overrides))
    echo("trained: reports/train.json; next: make validate (or look: make mlflow-ui)")


def _train(settings: TrainConfig) -> str:
    """Train, and return the id of the new run."""
    from mlops_kit.experiments import accelerator

    accelerator.install()  # before the project imports scikit-learn
    return str(project.current().train(settings)["run_id"])


@app.command()
def search(config: ConfigPath = CONFIG, overrides: Overrides = "") -> None:
    """Search for better parameters on a cluster, as configs/search.yaml describes."""
    settings, wanted = load_train(config, overrides), load_search()
    from mlops_kit.experiments.search import search as searching

    report = searching.search(settings, wanted)
    columns, rows = searching.table(report)
    show_table(f"{report['metric']}, run {report['run_id']}", columns, rows)
    given = f"CONFIG={config} " if config != CONFIG else ""
    together = shlex.quote(f"{overrides} {report['set']}".strip())
    if report["set"]:
        echo(f"searched: reports/search.json; next: make train {given}SET={together}")
    else:
        echo("searched: reports/search.json; nothing was better than the parameters of the config")


@app.command()
def validate(config: ConfigPath = CONFIG, overrides: Overrides = "") -> None:
    """Validate the last run on the test set and against the champion; exit 1 if it does not meet the thresholds."""
    _validate(load_train(config, overrides))
    echo("validated: reports/validation.json; next: make register")


def _validate(settings: TrainConfig, run_id: str = "") -> None:
    """Validate a run and print its checks; exit 1 if it does not meet the thresholds."""
    from mlops_kit.experiments import validation

    result = validation.validate(settings, run_id)
    rows = [
        [c.name, c.measured, c.threshold, "passed" if c.passed else "FAILED"] for c in result.checks
    ]
    show_table(f"run {result.run_id}", ["check", "measured", "threshold", ""], rows)
    if not result.passed:
        echo("thresholds not met: reports/validation.json; nothing is registered")
        raise typer.Exit(1)


@app.command()
def register() -> None:
    """Make the validated run the registered champion."""
    echo(_register())


@app.command()
def promote(
    config: ConfigPath = CONFIG,
    overrides: Overrides = "",
    reason: Annotated[
        str, typer.Option(envvar="REASON", help="Why, though it is worse; kept with the version.")
    ] = "",
) -> None:
    """Make the challenger of make retrain the champion; refuse one that make compare found worse."""
    settings = load_train(config, overrides)
    from mlops_kit.experiments import registry

    done = registry.promote(settings.registered_model, reason)
    echo(f"rests on: {done.on}")
    name = settings.registered_model
    echo(f"{name} version {done.version} is now the champion; next: make export")


def _register(run_id: str = "") -> str:
    """Register a run, and return a line for the user: the version of the champion, and the next command."""
    from mlops_kit.experiments import registry

    done = registry.register(run_id)
    state = "is now" if done["changed"] else "already was"
    # Some profiles have no service.
    following = "make export serve" if SERVE.exists() else "make report"
    return f"{done['registered_model']} version {done['version']} {state} the champion; next: {following}"


@app.command()
def report(
    run_id: Annotated[str, typer.Option(envvar="RUN_ID", help="Default: the last run.")] = "",
) -> None:
    """Write the report of a run, reports/index.html, and a PDF where Chromium is installed."""
    from mlops_kit.experiments.report import report as page

    done = page.write(run_id)
    printed = f"no reports/report.pdf ({done.reason})" if done.reason else "reports/report.pdf"
    echo(f"reported: reports/index.html, {printed}; run {done.run_id}")


@app.command()
def export(
    config: ConfigPath = CONFIG,
    overrides: Overrides = "",
    model: Model = "",
) -> None:
    """Write the champion to artifacts/model/, in the format that the service loads."""
    settings = load_serve()
    name, alias = model_name(model, config, overrides)
    from mlops_kit.artifact import export as exporting

    wants_challenger = settings.challenger.mode is not None
    done = exporting.export(settings.export, name, alias, wants_challenger)
    challenger = done["challenger"]
    beside = f", challenger version {challenger['version']}" if challenger else ""
    if wants_challenger and not challenger:
        echo(f"note: no other version of {name} has the alias challenger")
    echo(f"exported: artifacts/model/ ({name} version {done['version']}{beside}); next: make serve")


@app.command()
def predict(
    config: ConfigPath = CONFIG,
    overrides: Overrides = "",
    data: Annotated[str, typer.Option(envvar="DATA", help="The file to score.")] = "",
    out: Annotated[str, typer.Option(envvar="OUT", help="The file to write.")] = "",
    model_dir: Annotated[Path, typer.Option(envvar="MODEL_DIR", help="The model.")] = folder.FOLDER,
) -> None:
    """Score DATA, read by the config, with the exported model; write OUT."""
    settings = load_train(config, overrides)
    from mlops_kit.serving import scoring

    done = scoring.score(settings.data, data, out, model_dir)
    for note in done.notes():
        echo(f"note: {note}")
    echo(f"scored: {out} ({done.rows:,} rows, {done.seconds:.1f} s)")


@app.command("mlflow-ui")
def mlflow_ui(port: Annotated[int, typer.Option(envvar="PORT", min=1, max=65535)] = 5000) -> None:
    """Show the runs and models in the browser."""
    from mlops_kit.experiments import store

    signal.signal(signal.SIGINT, signal.default_int_handler)  # the server ends its workers itself
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    store.show(port)


@app.command()
def audit() -> None:
    """Scan the locked dependencies for known vulnerabilities; exit 1 if make lock can fix one."""
    from mlops_kit.delivery import dependency_audit

    report = dependency_audit.audit()
    for sentence in dependency_audit.sentences(report):
        echo(sentence)
    if report["status"] == "not audited":
        echo(f"NOT AUDITED: the advisories could not be fetched ({report['reason']})")
    elif report["status"] == "vulnerable":
        echo("audit: vulnerable dependencies; make lock brings fixed releases")
        raise typer.Exit(1)
    else:
        echo("audit: clean" + (" but for what is held back" if report["held_back"] else ""))


@app.command()
def notify(
    status: Annotated[str, typer.Option(envvar="STATUS")] = "",
    what: Annotated[str, typer.Option(envvar="WHAT", help="What ended, like train.")] = "",
    text: Annotated[Path, typer.Option(envvar="SUMMARY", help="Sent along.")] = job_summary.FILE,
) -> None:
    """Send the result of a pipeline to Slack and by e-mail; exit 0 even if that fails."""
    from mlops_kit.ci.notices import send

    for line in send.notify(status, what, text):
        echo(line)


def main() -> None:
    """Run the command line; an error that a user can fix is one sentence and exit code 2."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupted)
    with exit_on_error(), oidc.token_file():
        app()


def _interrupted(number: int, _frame: object) -> NoReturn:
    """Exit at once: every step survives a kill, and libraries might catch an exception that was raised here."""
    sys.stderr.write("interrupted: no result was saved; the next run starts afresh\n")
    sys.stderr.flush()
    os._exit(128 + number)
