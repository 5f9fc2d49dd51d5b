"""The service's image: what it adds to its base, and how long a changed source takes to be in it."""

from __future__ import annotations

import json
import statistics
import time
from pathlib import Path

from measure import BenchError, Table, run
from parts import PYTHON, copy_project
from serving import export

# Not `make image`: that also writes the SBOM, for which it runs the image.
REBUILD = (
    f"{PYTHON} -c 'import json; from mlops_kit.delivery.image import build as image;"
    ' image.build_target("serve", "bench:image", image.Options(),'
    ' image.build_arguments(json.load(open("artifacts/model/model.json")), "none", True))\''
)
SIZE = "docker image inspect --format '{{.Size}}'"
MOST_MEGABYTES = 250
MOST_SECONDS = 2


def image(scratch: Path, runs: int) -> Table:
    """Size over the base, and the seconds of a build after a change of the source."""
    header, note = (
        "what",
        "found",
        "runs",
        "aim",
        "met",
    ), "the image of the service with an ONNX model"
    try:
        run("docker version", scratch)
    except BenchError:
        missing = ("image", "not measured: no Docker engine answers", "–", "–", "–")
        return Table("image", header, [missing], note, [])
    folder = copy_project(scratch / "project")
    export(folder)
    Path(folder, "artifacts").mkdir(exist_ok=True)
    Path(folder, "onnx").rename(folder / "artifacts" / "model")
    print("image: ALLOW_DIRTY=1 make image …", flush=True)
    run(f"{PYTHON} -m ml_template image", folder, {"ALLOW_DIRTY": "1"})
    record = json.loads(Path(folder, "artifacts", "image.json").read_text(encoding="utf-8"))
    sizes = [int(run(f"{SIZE} {name}", folder)) for name in (record["tag"], record["base"])]
    added = (sizes[0] - sizes[1]) / 1e6
    seconds = _rebuilds(folder, runs)
    rows = [
        (
            "over its base",
            f"{added:.0f} MB",
            "1",
            f"<= {MOST_MEGABYTES} MB",
            _met(added, MOST_MEGABYTES),
        ),
        (
            "a changed source",
            f"{statistics.median(seconds):.1f} s ({min(seconds):.1f}–{max(seconds):.1f})",
            str(runs),
            f"<= {MOST_SECONDS} s",
            _met(statistics.median(seconds), MOST_SECONDS),
        ),
    ]
    return Table("image", header, rows, note, [{"megabytes": added, "rebuild_seconds": seconds}])


def _rebuilds(folder: Path, runs: int) -> list[float]:
    source = folder / "packages/mlops-kit/src/mlops_kit/serving/__init__.py"
    run(REBUILD, folder)
    seconds = []
    for number in range(1, runs + 1):
        source.write_text(
            f"{source.read_text(encoding='utf-8')}# change {number}\n", encoding="utf-8"
        )
        print(f"image: {number}/{runs}, a changed source …", end=" ", flush=True)
        start = time.perf_counter()
        run(REBUILD, folder)
        seconds.append(time.perf_counter() - start)
        print(f"{seconds[-1]:.1f} s", flush=True)
    return seconds


def _met(found: float, aim: float) -> str:
    return "yes" if found <= aim else "no"
