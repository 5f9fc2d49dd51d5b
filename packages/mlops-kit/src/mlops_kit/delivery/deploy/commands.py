"""The subcommands of a deployment: arguments and printing, as in cli.py, which adds them to its own."""

# No `from __future__ import annotations` here: on Python 3.9 typer would lose every option's variable.

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from mlops_kit.core.console import echo, show_table
from mlops_kit.core.errors import UserError
from mlops_kit.core.job_summary import FILE as SUMMARY

from . import aws
from .report import JSON, Report

app = typer.Typer()

Env = Annotated[str, typer.Option("--env", envvar="ENV", help="One of configs/deploy/.")]
ImageTag = Annotated[
    str, typer.Option(envvar="IMAGE_TAG", help="Default: what was last pushed from here.")
]
Reason = Annotated[str, typer.Option(envvar="REASON", help="Kept with the deployment.")]


@app.command("local-account")
def local_account() -> None:
    """Create in the emulator of ENV=local what Terraform creates in an account, unless it exists."""
    from .. import local_aws
    from . import local_account as account

    port = local_aws.port()
    with _aws_errors():
        made = account.create(port)
    echo(f"local account: cluster, load balancer and contract {'made' if made else 'are there'}")
    production, test = account.urls(port)
    echo(f"production  {production}")
    echo(f"test        {test}")
    echo("next: make deploy ENV=local")


@app.command("push")
def push(env: Env = "") -> None:
    """Push the built image to the environment's repository and make a release of it."""
    from . import environment
    from . import push as pushing

    with _aws_errors():
        release, is_new = pushing.push(environment.connect(env))
    verb = "pushed" if is_new else "was pushed before"
    echo(f"{verb}: {release.name}, {release.digest}; next: make deploy ENV={env}")


@app.command("deploy")
def deploy(
    env: Env = "",
    image_tag: ImageTag = "",
    reason: Reason = "",
    approve: Annotated[
        str, typer.Option(envvar="APPROVE", help="The release's tag, where `approval` asks for it.")
    ] = "",
    resume: Annotated[bool, typer.Option(envvar="RESUME")] = False,
    supersede: Annotated[bool, typer.Option(envvar="SUPERSEDE")] = False,
) -> None:
    """Deploy a release and verify that it serves; RESUME watches the deployment in flight, SUPERSEDE replaces it."""
    from . import deploy as deploying
    from . import environment, permission
    from . import push as pushing

    report = Report("deploy", env, reason)
    with _reported(report):
        there = environment.connect(env)
        deployer = deploying.Deployer(there, report)
        if resume:
            deployer.resume()
        else:
            release = pushing.find(there, image_tag)
            deployer.deploy(permission.Wanted(release, reason, approve, supersede))


@app.command("rollback")
def rollback(
    env: Env = "",
    to: Annotated[str, typer.Option(envvar="TO", help="An image tag; default: before.")] = "",
    reason: Reason = "",
) -> None:
    """Roll back to the previous release, or to TO; also while a deployment is stuck."""
    from . import environment
    from . import rollback as rolling_back

    report = Report("rollback", env, reason)
    with _reported(report):
        rolling_back.roll_back(environment.connect(env), report, to, reason)


@app.command("deploy-plan")
def plan(env: Env = "", image_tag: ImageTag = "") -> None:
    """Show what a deployment would change; change nothing."""
    from . import environment
    from . import push as pushing
    from . import status

    with _aws_errors():
        there = environment.connect(env)
        release = pushing.find(there, image_tag)
        changes = status.changes(there, release)
    if changes:
        show_table(f"{env}: {release.name}", ["what", "now", "then"], changes)
    echo(
        f"plan: {len(changes)} changes; next: make deploy ENV={env}"
        if changes
        else "plan: no changes"
    )


@app.command("status")
def show_status(env: Env = "") -> None:
    """Show the release that serves, traffic weights, target health, and the last five deployments."""
    from . import environment, status

    with _aws_errors():
        found = status.read(environment.connect(env))
    for name, value in found.lines:
        echo(f"{name:<16} {value}")
    show_table("traffic", ["", "production", "test", "targets"], found.colours)
    columns = ["started", "release", "by", "", "took", "why"]
    show_table("last deployments", columns, found.deployments)


@app.command("verify")
def verify(env: Env = "", image_tag: ImageTag = "") -> None:
    """Check everything that a deployment needs; change nothing; exit 2 if something is missing."""
    from . import first_deployment, preflight

    first = first_deployment.FirstDeployment(env)
    try:
        with _aws_errors():
            checks = first.look(image_tag)
    finally:
        columns = ["step", "", "found"]
        show_table(f"{env}: docs/first-aws-deployment.md", columns, first.rows())
    rows = [[c.name, "passed" if c.passed else "FAILED", c.detail] for c in checks]
    show_table(f"{env}: preflight", ["check", "", "found"], rows)
    preflight.require(checks)
    echo(f"verified: next: make deploy ENV={env}")


@app.command("logs")
def logs(
    env: Env = "",
    minutes: Annotated[int, typer.Option(envvar="MINUTES", min=1, help="How far back.")] = 15,
) -> None:
    """Show what the service logged in the last MINUTES."""
    from . import environment, log_lines

    with _aws_errors():
        there = environment.connect(env)
        for line in log_lines.since(there, minutes):
            echo(line)


@contextmanager
def _aws_errors() -> Iterator[None]:
    """Turn an error of AWS into a message for the user."""
    try:
        yield
    except aws.errors() as error:
        raise UserError(aws.sentence(error)) from error


@contextmanager
def _reported(report: Report) -> Iterator[None]:
    """Write the reports, also after an error, print a line with the outcome, and exit with its code."""
    try:
        with _aws_errors():
            yield
    except UserError as error:
        report.end(error.exit_code, str(error))
        report.write()
        raise
    except Exception as error:
        report.end(70, f"unexpected {type(error).__name__}: {error}")
        report.write()
        raise
    report.write()
    echo(f"{report.outcome}: {report.sentence}; {SUMMARY}, {JSON}; next: {report.next}")
    raise typer.Exit(report.exit_code or 0)
