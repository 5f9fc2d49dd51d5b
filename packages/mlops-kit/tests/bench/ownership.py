"""What a team owns in a generated project, and the runner minutes that each of its pushes takes."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterable
from pathlib import Path

import yaml
from gates import empty_caches
from generated import generate
from measure import BenchError, Table, run
from parts import BASE

PIPELINE = ".github/workflows/ci.yml"
NOTE = (
    "A project generated with the default answers; `packages/` is the kit's and the emulator's, which nobody edits. Minutes are"
    f" what GitHub bills for a push, by {PIPELINE}: each job that a push starts, as often as its matrix has entries, the"
    " seconds of an installation from a full download cache and of its make targets, measured here once, on one Python, with the tools' caches empty,"
    " rounded up to whole minutes, one at least; checkouts and other actions are not counted, nor what is not measured"
)


def ownership(scratch: Path, _runs: int) -> Table:
    """Count files and lines, and what a push costs; runs each target of the pipeline once."""
    project = generate(scratch)
    rows = _counted(project)
    jobs = _jobs(yaml.safe_load((project / PIPELINE).read_text(encoding="utf-8")))
    seconds = _measured(project, [target for _, _, targets in jobs for target in targets])
    minutes = 0
    for name, times, targets in jobs:
        taken = sum(seconds[target] or 0 for target in targets)
        each = max(1, math.ceil(taken / 60))
        minutes += times * each
        parts = " + ".join(_duration(target, seconds[target]) for target in targets) or "no target"
        rows.append((f"job {name}", f"{times} × {each} min", parts))
    whole = "the sum" if None not in seconds.values() else "the sum of what was measured"
    rows.append(("runner minutes of a push", str(minutes), whole))
    facts = [{"what": what, "found": found, "how": how} for what, found, how in rows]
    return Table("ownership", ("what", "found", "how"), rows, NOTE, facts)


def _counted(project: Path) -> list[tuple[str, ...]]:
    files = [project / name for name in run("git ls-files -z", project).split("\0") if name]
    kit = [path for path in files if path.relative_to(project).parts[0] == "packages"]
    own = [path for path in files if path not in kit]
    python = [path for path in own if path.suffix == ".py"]
    parts = {path.relative_to(project).parts[0] for path in python}
    by_part = [f"{part}/ {_lines(project.glob(f'{part}/**/*.py')):,}" for part in sorted(parts)]
    return [
        ("files outside packages/", f"{len(own):,}", f"packages/ has {len(kit):,}"),
        ("Python files outside packages/", f"{len(python):,}", ""),
        ("lines of Python outside packages/", f"{_lines(python):,}", ", ".join(by_part)),
    ]


def _lines(files: Iterable[Path]) -> int:
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in files)


def _jobs(pipeline: dict) -> list[tuple[str, int, list[str]]]:
    """Return the jobs that a push starts: their names, how often each runs, and their make targets."""
    return [
        (name, _times(job), _targets(job))
        for name, job in pipeline["jobs"].items()
        if _on_push(job.get("if", ""))
    ]


def _on_push(condition: str) -> bool:
    """Return whether a job's condition lets a push pass: it names the events that it is for."""
    return "github.event_name" not in condition or bool(re.search(r"[\"']push[\"']", condition))


def _times(job: dict) -> int:
    matrix = job.get("strategy", {}).get("matrix", {})
    if not all(isinstance(values, list) for values in matrix.values()):
        raise BenchError(f"{PIPELINE} has a matrix that is no list, which this cannot count")
    return math.prod(len(values) for values in matrix.values())


def _targets(job: dict) -> list[str]:
    """Return the targets of the steps, `install` first, which any other begins with on a fresh checkout.

    A step for what failed is left out.
    """
    steps = [step for step in job["steps"] if "!= 'success'" not in step.get("if", "")]
    commands = "\n".join(step.get("run", "") for step in steps)
    found = re.findall(r"^make (.+)$", commands, re.M)
    return list(dict.fromkeys(["install", *found])) if found else []


def _measured(project: Path, targets: list[str]) -> dict[str, float | None]:
    """Return the seconds of each target, called in the order of the jobs; None for one that cannot run here."""
    found: dict[str, float | None] = {}
    for target in dict.fromkeys(targets):
        empty_caches(project)
        print(f"ownership: make {target} …", end=" ", flush=True)
        start = time.perf_counter()
        try:
            run(f"make {target}", project, {"PYTHON": str(BASE)})
            found[target] = time.perf_counter() - start
        except BenchError:
            found[target] = None
        print(_duration(target, found[target]), flush=True)
    return found


def _duration(target: str, seconds: float | None) -> str:
    return f"{target} not measured" if seconds is None else f"{target} {seconds:.0f} s"
