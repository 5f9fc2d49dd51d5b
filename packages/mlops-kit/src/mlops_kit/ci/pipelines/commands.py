"""The subcommands for CI systems: arguments and printing, as in cli.py, which adds them to its own."""

# No `from __future__ import annotations` here: on Python 3.9 typer would lose every option's variable.

from typing import Annotated

import typer

from mlops_kit.core.console import echo

app = typer.Typer()


@app.command("ci-summary")
def ci_summary() -> None:
    """Show the run's summary on the CI system's own page."""
    from . import summary

    summary.show()


@app.command("ci-outputs")
def ci_outputs() -> None:
    """Pass the pushed image's name and digest to the workflow's next steps."""
    from . import summary

    for name, value in summary.outputs().items():
        echo(f"{name}={value}")


@app.command("ci-identity")
def ci_identity() -> None:
    """Print the subject of this job's identity token, which a role in AWS has to trust."""
    from mlops_kit.ci import oidc

    echo(oidc.identity())


@app.command("ci-switch")
def ci_switch(to: Annotated[str, typer.Option(envvar="TO", help="The CI system.")] = "") -> None:
    """Put the pipeline of another CI system in place."""
    from . import switch

    placed = ", ".join(map(str, switch.switch(to)))
    echo(f"switched to {to}: {placed}; next: docs/ci-portability.md has what to set up there")


@app.command("lint-makefile")
def lint_makefile() -> None:
    """Check the Makefile's targets, and their recipes with ShellCheck; exit 1 if something is found."""
    from . import makefile_lint

    findings = makefile_lint.findings()
    for finding in findings:
        echo(finding)
    if findings:
        raise typer.Exit(1)


@app.command("kit-check")
def kit_check(
    warn: Annotated[bool, typer.Option(help="Exit 0 all the same, as the gates want it.")] = False,
) -> None:
    """List the files of packages/ that are not as released; exit 1 if there are any."""
    from mlops_kit.ci import kit_check as released

    if warn and not released.SUMS.is_file():
        return
    found = released.differences()
    for line in found:
        echo(f"kit-check: {line}")
    if not found:
        echo("kit-check: packages/ is as released")
    elif not warn:
        raise typer.Exit(1)
