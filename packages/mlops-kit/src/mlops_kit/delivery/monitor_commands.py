"""The subcommands for monitoring: arguments and printing. They are in `delivery`: an environment has the predictions."""

# No `from __future__ import annotations` here: on Python 3.9 typer would lose every option's variable.

from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from mlops_kit.core.console import echo, show_table
from mlops_kit.core.errors import UserError
from mlops_kit.experiments.cli_options import CONFIG, ConfigPath, Model, Overrides
from mlops_kit.experiments.settings import load_train, model_name
from mlops_kit.monitoring.settings import MonitorConfig, load_monitor

app = typer.Typer()

Env = Annotated[
    str, typer.Option("--env", envvar="ENV", help="One of configs/deploy/; default: as the config.")
]
Since = Annotated[str, typer.Option(envvar="SINCE", help="A date, or a time in UTC.")]
Until = Annotated[str, typer.Option(envvar="UNTIL", help="A date, or a time in UTC.")]

Data = Annotated[str, typer.Option(envvar="DATA", help="A file, a folder, or an s3:// URL.")]


class _Scope(NamedTuple):
    """The model, environment and time span that are compared."""

    config: Path
    overrides: str
    model: str
    env: str
    since: str
    until: str


@app.command()
def monitor(
    config: ConfigPath = CONFIG,
    overrides: Overrides = "",
    model: Model = "",
    env: Env = "",
    since: Since = "",
    until: Until = "",
) -> None:
    """Compare recent requests to the service with the model's test set; exit 1 if drift exceeds a threshold."""
    if _has_drifted(_Scope(config, overrides, model, env, since, until)):
        echo("drifted: reports/monitor.html; next: look, or make retrain")
        raise typer.Exit(1)


@app.command()
def retrain(
    config: ConfigPath = CONFIG,
    overrides: Overrides = "",
    model: Model = "",
    env: Env = "",
    since: Since = "",
    until: Until = "",
) -> None:
    """Monitor; if drift exceeds a threshold, train, validate and register a challenger, and exit 1 in any case."""
    settings = load_train(config, overrides)
    if not _has_drifted(_Scope(config, overrides, model, env, since, until)):
        return
    from mlops_kit.core import job_summary, project
    from mlops_kit.experiments import registry, validation

    run_id = project.current().train(settings)["run_id"]
    result = validation.validate(settings, run_id)
    if result.passed:
        done = registry.challenge(run_id)
        name = done["registered_model"]
        outcome = (
            f"{name} version {done['version']} is the challenger now: look at it, then make promote"
        )
    else:
        outcome = f"thresholds not met, nothing is registered: {validation.REPORT}"
    job_summary.put_section("Retrained", [f"{outcome}."])
    echo(f"drifted and retrained: {outcome}")
    raise typer.Exit(1)


@app.command()
def labels(
    config: ConfigPath = CONFIG,
    overrides: Overrides = "",
    model: Model = "",
    env: Env = "",
    since: Since = "",
    until: Until = "",
    data: Data = "",
) -> None:
    """Join labels to the recorded predictions, and show the metrics for each day."""
    settings = load_monitor()
    source = data or settings.labels
    if not source:
        raise UserError(
            "DATA is nothing; accepted: a file, a folder or an s3:// URL of labels, with the columns request_id, row and the target"
        )
    name, alias = model_name(model, config, overrides)
    from mlops_kit.monitoring import labels as labelling
    from mlops_kit.monitoring.span import span

    when = span(since, until, settings.days)
    settings = _with_rows(settings, env, "join labels to")
    done = labelling.join(settings, when, name, alias, source)
    show_table(f"{name}, by day", labelling.COLUMNS, labelling.rows(done))
    if done.replaced:
        echo(f"note: {done.replaced:,} labels replace earlier ones")
    if done.unknown:
        echo(
            f"note: {done.unknown:,} labels are of rows that were not kept, or of another time or version"
        )
    echo(f"labelled: {done.labels:,} rows: {labelling.JSON}")


@app.command()
def compare(
    config: ConfigPath = CONFIG,
    overrides: Overrides = "",
    model: Model = "",
    env: Env = "",
    since: Since = "",
    until: Until = "",
    data: Data = "",
) -> None:
    """Compare the challenger's predictions with the champion's; exit 1 if the challenger is worse."""
    settings = load_monitor()
    name, alias = model_name(model, config, overrides)
    from mlops_kit.experiments.promotion import COMPARISON, WORSE
    from mlops_kit.monitoring import compare as comparing
    from mlops_kit.monitoring import comparison
    from mlops_kit.monitoring.span import span

    when = span(since, until, settings.days)
    settings = _with_rows(settings, env, "compare")
    done = comparing.compare(settings, when, name, alias, data or settings.labels or "")
    if done.metrics:
        rivals = f"{name} version {done.challenger} against version {done.champion}"
        show_table(rivals, comparison.COLUMNS, done.rows_of_metrics())
    for note in done.notes:
        echo(f"note: {note}")
    if done.agreement:
        echo(f"agreement: {done.agrees()}")
    if done.latencies:
        echo(f"latency: {done.took()}")
    echo(f"{done.sentence}: {COMPARISON}")
    if done.result == WORSE:
        raise typer.Exit(1)


def _has_drifted(scope: _Scope) -> bool:
    """Measure drift, print the findings, and return whether one exceeds its threshold."""
    settings, there = _with_source(load_monitor(), scope.env)
    if settings.source is None:
        echo(
            "INSUFFICIENT DATA: configs/monitor.yaml names no source and no environment, so nothing is compared"
        )
        return False
    name, alias = model_name(scope.model, scope.config, scope.overrides)
    from mlops_kit.monitoring import monitor as monitoring
    from mlops_kit.monitoring import reports, result
    from mlops_kit.monitoring.span import span

    when = span(scope.since, scope.until, settings.days)
    done = monitoring.measure_drift(settings, when, name, alias)
    for sentence in done.tripped():
        echo(f"drift: {sentence}")
    for note in done.notes:
        echo(f"note: {note}")
    has_drifted = done.status == result.DRIFTED
    if there and has_drifted:
        from .deploy import predictions

        sent = predictions.alert(there, f"{name} in {there.name} has drifted", done.tripped())
        echo(f"note: {sent}" if sent else "note: the contract names no alarm_topic to notify")
    headline = reports.result_sentence(done)
    if done.status == result.INSUFFICIENT_DATA:
        headline = headline.upper()
    echo(f"{headline}: {reports.PAGE}")
    return has_drifted


def _with_source(settings: MonitorConfig, env: str) -> tuple[MonitorConfig, Any]:
    """Return the settings and the environment that ENV or the config names, or None; its predictions are then the source."""
    name = env or settings.environment
    if not name:
        return settings, None
    from .deploy import predictions

    there = predictions.connect(name)
    return settings.model_copy(update={"source": there.contract.predictions}), there


def _with_rows(settings: MonitorConfig, env: str, purpose: str) -> MonitorConfig:
    """Return the settings with a source.

    Raises:
        UserError: There is none; the message names the `purpose`.
    """
    settings, _ = _with_source(settings, env)
    if settings.source is None:
        raise UserError(
            f"configs/monitor.yaml names no source and no environment, so there is nothing to {purpose}; give"
            ' ENV=…, or MONITOR_SET="source=data/predictions"'
        )
    return settings
