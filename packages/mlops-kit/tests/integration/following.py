"""A scratch copy of this project in which documents are followed: their files written, their commands run."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

from .documents import GUIDES, Block, make_words


class Project:
    """A scratch copy of this project, in which documents are followed."""

    def __init__(self, folder: Path, is_not_run: Callable[[str], bool]) -> None:
        self.folder, self.is_not_run = folder, is_not_run
        own = ("CI_CACHE", "COVERAGE", "GITHUB_", "MAKE", "MFLAGS", "SLACK_", "SMTP_", "SUMMARY")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(own)}
        source = os.pathsep.join(map(str, (folder / "src", folder / "packages/mlops-kit/src")))
        self.environment = {**kept, "PYTHONPATH": source, "OMP_NUM_THREADS": "1"}
        self.targets: set[str] = set()
        self.printed: dict[str, str] = {}
        self.server: subprocess.Popen | None = None
        self.address = ""

    def follow(self, block: Block) -> None:
        if block.file:
            path = self.folder / block.file[0]
            path.write_text(block.file[1], encoding="utf-8")
        for name, old, new in block.changes:
            path = self.folder / name
            text = path.read_text(encoding="utf-8")
            assert text.count(old) == 1, (block.document, name, old)
            path.write_text(text.replace(old, new), encoding="utf-8")
        for command, printed in block.sessions:
            done = self.run(command)
            assert all(line in done.stdout + done.stderr for line in printed), done
        for command in block.commands:
            if not self.is_not_run(command) and not self.is_known(block.document, command):
                done = self.start(command) if " serve" in command else self.run(command)
                assert done.returncode in (0, None), (command, done.stdout, done.stderr)
                self.printed[command.split()[0]] = str(done.stdout)

    def is_known(self, document: str, command: str) -> bool:
        """Return whether the command is made of targets that have run, outside of the guides."""
        called = make_words(command.split())
        new = bool(called) and not set(called[1]) <= self.targets
        self.targets.update(called[1] if called else [])
        return bool(called) and not new and document not in GUIDES

    def run(self, command: str) -> subprocess.CompletedProcess:
        command = command.replace("http://127.0.0.1:8000", self.address)
        return subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def start(self, command: str) -> subprocess.Popen:
        """Start what does not end, and wait until it logs its address."""
        self.stop()
        self.server = subprocess.Popen(
            shlex.split(command),
            cwd=self.folder,
            env={**self.environment, "PORT": "0"},
            stdout=subprocess.PIPE,
            text=True,
        )
        for line in self.server.stdout:
            if '"url":' in line:
                self.address = re.search(r'"url":"([^"]+)"', line)[1]
                return self.server
        raise AssertionError(f"{command} ended with {self.server.wait()}")

    def stop(self) -> None:
        if self.server:
            self.server.terminate()
            assert '"event":"ended"' in self.server.communicate(timeout=60)[0]
            self.server = None
