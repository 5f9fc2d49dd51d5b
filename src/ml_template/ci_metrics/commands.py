"""The subcommands about builds: arguments and printing, as in __main__.py, which adds them to its own."""

# No `from __future__ import annotations` here: on Python 3.9 typer would lose every option's variable.

import typer

from ..console import say, show_table
from ..errors import UserError
from ..summary import FILE as SUMMARY

app = typer.Typer()


@app.command("ci-times")
def ci_times() -> None:
    """Table what each target took and track it; exit 0 also where the store is not there."""
    from . import history, timed, times

    timings = times.read()
    if not timings:
        say(f"no build times: {timed.FILE} has none since the last make ci-times")
        return
    try:
        earlier = history.track(timings)
    except UserError as error:  # what a build took must not fail it
        say(f"warning: not tracked: {error}")
        earlier = {}
    show_table("build times", times.COLUMNS, times.rows(timings, earlier))
    warnings = times.regressions(timings, earlier)
    for warning in warnings:
        say(f"warning: {warning}")
    times.summarize(timings, earlier, warnings)
    say(f"build times: {SUMMARY}")
