"""Run Terraform (or the program in the variable TERRAFORM) in a root, with its state in the account's bucket."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess  # nosec B404 # Terraform is a program
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Optional

from mlops_kit.core.errors import UserError
from mlops_kit.core.files import write_json, write_text

from ..region import region
from .roots import BOOTSTRAP, Root

_WORK = Path("artifacts/terraform")
_ONLY_HERE = 'terraform {\n  backend "local" {\n    path = "%s"\n  }\n}\n'


def program() -> str:
    """Return the path of Terraform.

    Raises:
        UserError: It is not on the PATH.
    """
    name = os.environ.get("TERRAFORM") or "terraform"
    found = shutil.which(name)
    if found is None:
        raise UserError(
            f"{name} is not on the PATH: install Terraform 1.10 or newer, or name another program by TERRAFORM=…"
            " (OpenTofu: TERRAFORM=tofu)"
        )
    return found


class Terraform:
    """Terraform in one root. Its files between two calls are in artifacts/terraform/NAME/."""

    def __init__(self, root: Root, bucket: str) -> None:
        """Take the root and the name of the state bucket."""
        self._program = program()
        self._root, self._bucket = root, bucket
        self._work = (_WORK / root.name).absolute()
        self._variables = self._work / "variables.tfvars.json"
        self._plan = self._work / "plan"

    def connect(self, bucket_exists: bool) -> None:
        """Run `terraform init`: download the providers and connect to the state.

        The state bucket is itself created by bootstrap: until it exists, bootstrap's state is a local file.

        Raises:
            UserError: There is no bucket and this is not bootstrap, or Terraform failed.
        """
        write_json(self._variables, self._root.variables)
        if not bucket_exists:
            if self._root.name != BOOTSTRAP:
                raise UserError(
                    f"there is no bucket {self._bucket} for Terraform's state: make infra-apply ENV=bootstrap makes it"
                )
            write_text(self._override, _ONLY_HERE % self._first_state)
            self._run("init", "-input=false", "-reconfigure")
        elif self._first_state.exists():
            self.move_state()
        else:
            self._run("init", "-input=false", "-reconfigure", *self._backend())

    def move_state(self) -> None:
        """Move bootstrap's first state from the local file into the bucket that it created."""
        if not self._first_state.exists():
            return
        self._override.unlink(missing_ok=True)
        shutil.rmtree(self._work / "data", ignore_errors=True)
        write_text(self._override, _ONLY_HERE % self._first_state)
        self._run("init", "-input=false", "-reconfigure")
        self._override.unlink()
        self._run("init", "-input=false", "-migrate-state", "-force-copy", *self._backend())
        self._first_state.unlink()

    def plan(self, destroy: bool = False) -> list[dict[str, Any]]:
        """Show the plan, keep it for `apply`, and return its changes: address, type, actions, and changed arguments.

        Only the names of changed arguments are returned, since values may be secret.

        Raises:
            UserError: Terraform failed.
        """
        variables = f"-var-file={self._variables}"
        extra = ["-destroy"] if destroy else []
        self._run("plan", "-input=false", f"-out={self._plan}", variables, *extra)
        shown = json.loads(self._run("show", "-json", str(self._plan), quiet=True))
        return [
            {
                "address": one["address"],
                "type": one["type"],
                "actions": one["change"]["actions"],
                "differs": _differing(one["change"]),
            }
            for one in shown.get("resource_changes", [])
            if one["change"]["actions"] not in (["no-op"], ["read"])
        ]

    def apply(self) -> None:
        """Apply the last plan.

        Raises:
            UserError: Terraform failed; the state has its partial changes.
        """
        self._run("apply", "-input=false", str(self._plan))
        self._plan.unlink(missing_ok=True)

    def close(self) -> None:
        """Remove the backend override from the root's folder."""
        self._override.unlink(missing_ok=True)

    @property
    def _override(self) -> Path:
        return self._root.folder / "backend_override.tf"

    @property
    def _first_state(self) -> Path:
        return self._work / "first.tfstate"

    def _backend(self) -> list[str]:
        settings = {
            "bucket": self._bucket,
            "key": f"{self._root.name}.tfstate",
            "region": region(),
            "encrypt": "true",
            "use_lockfile": "true",
        }
        return [f"-backend-config={key}={value}" for key, value in settings.items()]

    def _run(self, command: str, *arguments: str, quiet: bool = False) -> str:
        where = {"TF_DATA_DIR": str(self._work / "data"), "TF_IN_AUTOMATION": "1"}
        return run([self._program, command, *plain(), *arguments], self._root.folder, where, quiet)


def _differing(change: dict[str, Any]) -> list[str]:
    before, after = change.get("before") or {}, change.get("after") or {}
    unknown = change.get("after_unknown") or {}
    keys = {key for key in {*before, *after} if before.get(key) != after.get(key)}
    return sorted({*keys, *(key for key in unknown if unknown[key] is True)})


def plain() -> list[str]:
    """Return the options without which logs would have colours: `-no-color`, unless stdout is a terminal."""
    return [] if sys.stdout.isatty() else ["-no-color"]


def run(
    arguments: list[str],
    folder: Path,
    variables: Optional[dict[str, str]] = None,
    quiet: bool = False,
) -> str:
    """Run a program to its end; on a signal, wait until it has shut down cleanly.

    Args:
        arguments: The program and its arguments.
        folder: The working directory.
        variables: Environment variables to add.
        quiet: Capture stdout instead of passing it through.

    Returns:
        The captured stdout; an empty string unless `quiet`.

    Raises:
        UserError: The program failed; the message has its name and exit code.
    """
    process = subprocess.Popen(  # nosec B603 # no shell, and arguments of our own
        arguments,
        cwd=folder,
        env={**os.environ, **(variables or {})},
        stdout=subprocess.PIPE if quiet else None,
        text=True,
    )
    with _signals_passed_on(process):
        out, _ = process.communicate()
    if process.returncode:
        shown = " ".join([Path(arguments[0]).name, *arguments[1:2]])
        raise UserError(
            f"{shown} in {folder} ended with {process.returncode}; see its output above"
        )
    return out or ""


@contextmanager
def _signals_passed_on(process: subprocess.Popen[str]) -> Iterator[None]:
    """Pass SIGTERM on to the program, and ignore Ctrl-C, which it gets from the terminal itself."""

    def pass_on(number: int, _frame: Optional[FrameType]) -> None:
        if number == signal.SIGTERM:
            process.terminate()

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
