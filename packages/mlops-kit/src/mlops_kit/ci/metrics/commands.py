"""The subcommands about builds: arguments and printing, as in cli.py, which adds them to its own."""

# No `from __future__ import annotations` here: on Python 3.9 typer would lose every option's variable.

import os
from datetime import datetime, timezone

import typer

from mlops_kit.core.console import echo, show_table, step
from mlops_kit.core.errors import UserError
from mlops_kit.core.job_summary import FILE as SUMMARY

from ..settings import load_ci_prices

app = typer.Typer()

_LONGEST_WAIT = 300  # seconds to wait for GitHub's rate limit


@app.command("ci-times")
def ci_times() -> None:
    """Show the duration of each target and track it; exit 0 also where there is no store."""
    from . import history, timed, times

    timings = times.read()
    if not timings:
        echo(f"no build times: {timed.FILE} has none since the last make ci-times")
        return
    try:
        earlier = history.track(timings)
    except UserError as error:  # a build's duration must not fail it
        echo(f"warning: not tracked: {error}")
        earlier = {}
    except (
        Exception
    ) as error:  # nor may errors of requests, botocore and others that MLflow does not catch
        # Its text may hold the address with its credentials.
        echo(f"warning: not tracked: unexpected {type(error).__name__}")
        earlier = {}
    show_table("build times", times.COLUMNS, times.rows(timings, earlier))
    warnings = times.regressions(timings, earlier)
    for warning in warnings:
        echo(f"warning: {warning}")
    times.summarize(timings, earlier, warnings)
    echo(f"build times: {SUMMARY}")


@app.command("ci-report")
def ci_report() -> None:
    """Report the cost of this month's runners (GitHub's API, configs/ci-prices.yaml), also to Slack and by e-mail."""
    # The other CI systems run this each week as well, also where nothing is on GitHub.
    if not (os.environ.get("GITHUB_ACTIONS") or os.environ.get("GITHUB_REPOSITORY")):
        echo("no cost report: GITHUB_REPOSITORY is not set")
        return
    prices = load_ci_prices()
    from .. import github
    from ..notices import send
    from . import cost, github_jobs

    now = datetime.now(timezone.utc)
    repository = github.connect(_LONGEST_WAIT)
    with step("github") as running:
        jobs = list(github_jobs.since(repository, cost.months(now)[0]))
        running.detail = f"{len(jobs):,} jobs of {repository.name}"
    found = cost.report(jobs, prices, now)
    cost.write(found)
    show_table("dearest jobs", cost.columns(found), cost.rows(found["dearest"]))
    for sentence in cost.sentences(found):
        echo(sentence)
    for line in send.report(cost.title(found), cost.MARKDOWN):
        echo(line)
    echo(f"ci-report: {cost.MARKDOWN}, {cost.JSON}")
