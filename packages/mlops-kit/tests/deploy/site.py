"""A checkout that releases are packed in and deployed from: good ones, ones that are broken, and their users."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from ecs_local.testing import Emulator
from mlops_kit.artifact import folder as model_folder

from .local_ecs import PACKAGE, REGION, ROOT, SOURCES

CODE = ("src", "packages/mlops-kit/src")  # of a checkout, what a release is packed from
PATIENCE = 120  # seconds until what must come counts as never coming
QUICK = "poll_seconds=0.1 bake_minutes=1 probe.requests=10 probe.attempts=2 tasks.grace_seconds=10"


class Outcome(NamedTuple):
    """The exit code and the output of a command."""

    code: int
    out: str


class Answers(NamedTuple):
    """The responses to users, with their counts, and lost requests."""

    answers: dict[str, int]
    lost: dict[str, int]

    @property
    def count(self) -> int:
        return sum(self.answers.values())


class Edit(NamedTuple):
    """A line of the service that a broken release has otherwise; `old` stands in the file once."""

    name: str
    old: str
    new: str

    def make(self, serving: Path) -> None:
        """Edit the file of this name in the folder."""
        text = (serving / self.name).read_text()
        assert text.count(self.old) == 1, self
        (serving / self.name).write_text(text.replace(self.old, self.new))


_READ = "            body = await self._bodies.read("
_SLEEP = "            await asyncio.sleep"
_RIGHT = "answer = self._response.write(outputs"
BREAKS = {
    "crashes": [Edit("server.py", "import gc\n", "raise SystemExit('no luck today')\n")],
    "never listens": [Edit("server.py", "import gc\n", "import time\ntime.sleep(600)\n")],
    # It is healthy, and answers other than the model that the release was made of.
    "answers wrongly": [Edit("served.py", f"{_RIGHT},", f"{_RIGHT}[:, ::-1],")],
    "is slow": [Edit("predict_route.py", _READ, f"{_SLEEP}(0.4)\n{_READ}")],
    "slows down": [
        Edit(
            "predict_route.py",
            "class PredictRoute:",
            "_asked = __import__('itertools').count()\n\n\nclass PredictRoute:",
        ),
        Edit("predict_route.py", _READ, f"{_SLEEP}(0.4 * (next(_asked) > 100))\n{_READ}"),
    ],
}


class Site:
    """A checkout with a model of one version, from which releases are packed and deployed."""

    def __init__(self, folder: Path, emulator: Emulator, **variables: str) -> None:
        self.folder = folder
        self._variables = {
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": emulator.url,
            "LOCAL_MINUTE": emulator.variables["LOCAL_MINUTE"],
            "DEPLOY_SET": QUICK,
            "ENV": "local",
            "PYTHONPATH": SOURCES,
            **variables,
        }

    @property
    def record(self) -> dict:
        """Return artifacts/image.json."""
        return json.loads((self.folder / "artifacts/image.json").read_text())

    @property
    def report(self) -> dict:
        """Return reports/deploy.json."""
        return json.loads((self.folder / "reports/deploy.json").read_text())

    @property
    def tag(self) -> str:
        return self.record["tag"].rpartition(":")[2]

    def pack(self) -> None:
        """Pack the checkout into an image in the local registry, and make a release of it."""
        self._must("-m", PACKAGE, "local-release")
        self._must("-m", PACKAGE, "push")

    def run(self, command: str, settings: str = "", **variables: str) -> Outcome:
        """Run the deployer to its end; `settings` over the quick ones."""
        process = self.start(command, settings, **variables)
        out, _ = process.communicate(timeout=PATIENCE)
        return Outcome(process.returncode, out)

    def start(self, command: str, settings: str = "", **variables: str) -> subprocess.Popen:
        """Start the deployer; what it prints comes through a pipe."""
        given = {"DEPLOY_SET": f"{QUICK} {settings}", **variables}
        return self._popen(["-m", PACKAGE, command], given)

    def _must(self, *arguments: str) -> None:
        process = self._popen(list(arguments), {})
        out, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, out

    def _popen(self, arguments: list[str], variables: dict[str, str]) -> subprocess.Popen:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self.folder,
            env={**kept, **self._variables, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


def made_site(
    folder: Path, name: str, models: dict[str, Path], emulator: Emulator, **variables: str
) -> Site:
    """Return a site with its release in the registry of `emulator`."""
    shutil.copytree(ROOT / "configs", folder / "configs")
    for code in CODE:
        left = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / code, folder / code, ignore=left)
    shutil.copytree(models["1" if name == "1" else "2"], folder / model_folder.FOLDER)
    for edit in BREAKS.get(name, []):
        edit.make(folder / CODE[1] / "mlops_kit/serving")
    site = Site(folder, emulator, **variables)
    site.pack()
    return site


@contextmanager
def traffic(
    emulator: Emulator, site: Site, connections: int = 2, pause: float = 0.01
) -> Iterator[list[Answers]]:
    """Users ask production while the block runs; what they got is in the list that is given, afterwards."""
    got: list[Answers] = []
    body = site.folder / model_folder.FOLDER / model_folder.EXAMPLE
    command = [sys.executable, str(Path(__file__).with_name("traffic.py")), emulator.production]
    process = subprocess.Popen(
        [*command, str(body), str(connections), str(pause)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "asking\n"
        yield got
    finally:
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=PATIENCE)
        got.append(Answers(**json.loads(out)))
