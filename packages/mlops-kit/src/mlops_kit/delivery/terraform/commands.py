"""The subcommands of the infrastructure: arguments and printing, as in cli.py, which adds them to its own."""

# No `from __future__ import annotations` here: on Python 3.9 typer would lose every option's variable.

from pathlib import Path
from typing import Annotated

import typer

from mlops_kit.core.console import echo, show_table
from mlops_kit.core.files import write_text

app = typer.Typer()

Env = Annotated[str, typer.Option("--env", envvar="ENV", help="One of configs/infra/.")]
Approved = Annotated[
    bool, typer.Option("--auto-approve", envvar="AUTO_APPROVE", help="Do not ask.")
]


@app.command("infra-check")
def check(checkov: Annotated[Path, typer.Option(help="The program.")]) -> None:
    """Check the Terraform without an account: format, validity, its tests, checkov."""
    from . import check as checking

    checking.check(checkov)
    echo("checked: next: make infra-plan ENV=…")


@app.command("infra-plan")
def plan(env: Env = "") -> None:
    """Show what infra-apply would change; change nothing."""
    from . import apply as changing

    changes = changing.plan(env)
    count = f"{len(changes)} changes; next: make infra-apply ENV={env}" if changes else "no changes"
    echo(f"plan: {count} ({changing.REPORT})")


@app.command("infra-apply")
def apply(env: Env = "", auto_approve: Approved = False) -> None:
    """Show what would change, ask, and apply it."""
    from . import apply as changing

    count = changing.apply(env, auto_approve)
    echo(f"applied: {count} changes in {env}")


@app.command("infra-destroy")
def destroy(
    env: Env = "",
    auto_approve: Approved = False,
    confirmed: Annotated[str, typer.Option("--confirm", envvar="CONFIRM", help="ENV again.")] = "",
) -> None:
    """Show what would be destroyed, ask for ENV, and destroy it."""
    from . import apply as changing

    count = changing.destroy(env, auto_approve, confirmed)
    echo(f"destroyed: {count} resources of {env}")


@app.command("infra-cost")
def cost(env: Env = "") -> None:
    """Show what ENV, or each environment, costs in a month."""
    from . import cost as costs
    from . import roots

    names = [env] if env else [n for n in roots.names() if roots.load(n).is_environment]
    estimates = {name: costs.estimate(name) for name in names}
    for name, found in estimates.items():
        rows = [
            [line.what, f"{line.quantity:,.0f}", line.unit, f"{line.dollars:.2f}"]
            for line in found.lines
        ]
        rows.append(["together", "", "", f"{found.total:.2f}"])
        columns = ["what", "how much", "of", "US dollars"]
        show_table(f"{name}: a month", columns, rows)
        echo(f"prices of {found.region}, {found.date}, and what is assumed: infra/prices.yaml")
    write_text(costs.REPORT, costs.table(estimates))


@app.command("train-remote")
def train_remote(env: Env = "") -> None:
    """Train as an ECS task in ENV and follow its log; exit with the container's exit code."""
    from . import train_remote as training

    code = training.train(env)
    echo("trained: the run is in MLflow" if code == 0 else f"training ended with {code}")
    raise typer.Exit(code)
