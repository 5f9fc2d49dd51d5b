"""The subcommands for CI systems: arguments and printing, as in cli.py, which adds them to its own."""

# No `from __future__ import annotations` here: on Python 3.9 typer would lose every option's variable.

from typing import Annotated

import typer

from mlops_kit.core.console import say

app = typer.Typer()


@app.command("ci-summary")
def ci_summary() -> None:
    """Show on the CI system's own page what the run has to say."""
    from . import summary

    summary.show()


@app.command("ci-outputs")
def ci_outputs() -> None:
    """Tell the workflow's next steps the pushed image's name and digest."""
    from . import summary

    for name, value in summary.outputs().items():
        say(f"{name}={value}")


@app.command("ci-identity")
def ci_identity() -> None:
    """Say whom this job's identity token names: what a role in AWS has to trust."""
    from mlops_kit.ci import oidc

    say(oidc.identity())


@app.command("ci-switch")
def ci_switch(to: Annotated[str, typer.Option(envvar="TO", help="The CI system.")] = "") -> None:
    """Put the pipeline of another CI system in place."""
    from . import switch

    placed = ", ".join(map(str, switch.switch(to)))
    say(f"switched to {to}: {placed}; next: docs/ci-portability.md has what to set up there")


@app.command("lint-makefile")
def lint_makefile() -> None:
    """Check the Makefile's targets, and their recipes with ShellCheck; exit 1 if something is found."""
    from . import makefile_lint

    findings = makefile_lint.findings()
    for finding in findings:
        say(finding)
    if findings:
        raise typer.Exit(1)


@app.command("kit-check")
def kit_check(
    warn: Annotated[bool, typer.Option(help="Exit 0 all the same, as the gates want it.")] = False,
) -> None:
    """Tell which files of packages/ are not as released; exit 1 if there are any."""
    from mlops_kit.ci import kit_check as released

    if warn and not released.SUMS.is_file():
        return
    found = released.differences()
    for line in found:
        say(f"kit-check: {line}")
    if not found:
        say("kit-check: packages/ is as released")
    elif not warn:
        raise typer.Exit(1)
