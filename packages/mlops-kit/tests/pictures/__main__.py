"""Make the pictures of the documents: the service's page, a run's report, and a rollout under traffic.

They are taken of this checkout's champion: `make pictures` after `make pipeline`.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Optional
from urllib.error import URLError
from urllib.request import urlopen

import matplotlib as mpl
from matplotlib.figure import Figure
from PIL import Image

from mlops_kit.experiments.report.pdf import find_browser
from mlops_kit.experiments.report.plots import STYLE

ROOT = Path(__file__).resolve().parents[4]
FOLDER = ROOT / "docs" / "pictures"
PORT = "8765"
WIDTH = 1000
COLOURS = 64  # enough for a page of one palette, and a quarter of the bytes
LINEAR = "strategy=LINEAR steps.percent=25 steps.bake_minutes=2 bake_minutes=1"


def main() -> None:
    """Write all three into docs/pictures/."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    make("export", "report")
    photograph((ROOT / "reports/index.html").as_uri(), 1080, FOLDER / "report.png")
    with served() as url:
        photograph(url, 900, FOLDER / "page.png")
    draw(rollout(), FOLDER / "rollout.png")


def make(*targets: str, **variables: str) -> None:
    """Run make targets in this checkout."""
    subprocess.run(
        ["make", "--no-print-directory", *targets],
        cwd=ROOT,
        env={**os.environ, **variables},
        check=True,
    )


@contextmanager
def served() -> Iterator[str]:
    """Serve artifacts/model/ for the while, and give the address."""
    url = f"http://127.0.0.1:{PORT}"
    service = subprocess.Popen(["make", "serve"], cwd=ROOT, env={**os.environ, "PORT": PORT})
    try:
        while fetch(f"{url}/readyz") is None:
            if service.poll() is not None:
                raise SystemExit("error: make serve has ended")
            time.sleep(0.2)
        yield url
    finally:
        service.terminate()
        service.wait()


def photograph(url: str, height: int, path: Path) -> None:
    """Write what Chromium shows of `url`, WIDTH by `height` pixels."""
    browser = find_browser()
    if browser is None:
        raise SystemExit("error: pictures need Chromium on PATH")
    with tempfile.TemporaryDirectory() as profile:
        subprocess.run(
            [
                *(browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
                *(f"--user-data-dir={profile}", f"--window-size={WIDTH},{height}"),
                *(f"--screenshot={path}", url),
            ],
            check=True,
            capture_output=True,
        )
    shrink(path)


def shrink(path: Path) -> None:
    """Write the picture again, in COLOURS colours."""
    with Image.open(path) as picture:
        picture.convert("RGB").quantize(COLOURS).save(path, optimize=True)


def rollout() -> list[tuple[float, str]]:
    """Deploy two releases to ENV=local, the second in steps; return when which version answered a user, in seconds."""
    answers: list[tuple[float, str]] = []
    with tempfile.TemporaryDirectory() as folder:
        local = {"LOCAL_DIR": folder, "ENV": "local", "LOCAL_MINUTE": "4"}
        try:
            make("local-up", "deploy", **local)
            make("pipeline", "export", SET="model.params.max_iter=150")
            port = int(Path(folder, "port").read_text()) + 1
            ended = threading.Event()
            user = threading.Thread(
                target=ask, args=(f"http://127.0.0.1:{port}/version", ended, answers)
            )
            user.start()
            make("deploy", **local, DEPLOY_SET=LINEAR)
            ended.set()
            user.join()
        finally:
            make("local-down", **local)
    return answers


def ask(url: str, ended: threading.Event, answers: list[tuple[float, str]]) -> None:
    """Send 50 requests a second until `ended`; note each response."""
    start = time.monotonic()
    while not ended.wait(0.02):
        answer = fetch(url)
        version = json.loads(answer)["version"] if answer else "lost"
        answers.append((time.monotonic() - start, version))


def fetch(url: str) -> Optional[str]:
    """Return what `url` answers, or None."""
    try:
        with urlopen(url, timeout=5) as response:  # nosec B310 # http on this machine
            return str(response.read().decode())
    except (URLError, ConnectionError):
        return None


def draw(answers: list[tuple[float, str]], path: Path) -> None:
    """Draw each version's share of the answers, second by second."""
    seconds = range(int(answers[-1][0]))
    versions = list(dict.fromkeys(version for _, version in answers))
    with mpl.rc_context({**STYLE, "font.size": 11}):
        figure = Figure(figsize=(WIDTH / 100, 3), layout="constrained")
        axes = figure.subplots()
        shares = [[share(answers, second, version) for second in seconds] for version in versions]
        axes.stackplot(
            seconds, shares, labels=[f"version {version}" for version in versions], step="post"
        )
        lost = sum(version == "lost" for _, version in answers)
        axes.set_title(
            f"make deploy, a quarter of the traffic at a time: {len(answers):,} requests, {lost} lost",
            loc="left",
        )
        axes.set_xlabel("seconds")
        axes.set_ylabel("share of answers, %")
        axes.margins(0)
        figure.legend(loc="outside right upper")
        figure.savefig(path, dpi=100)
    shrink(path)


def share(answers: list[tuple[float, str]], second: int, version: str) -> float:
    """Return the percentage of the answers in that second which came from `version`."""
    found = [each for at, each in answers if second <= at < second + 1]
    return 100 * sum(each == version for each in found) / max(1, len(found))


if __name__ == "__main__":
    main()
