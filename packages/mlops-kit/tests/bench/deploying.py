"""What a release waits for: from `make deploy` to the new version proved in production, on the local ECS."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from measure import Table, run, spread
from parts import ROOT, copy_project

NOTE = (
    "make deploy ENV=local, all at once, median (fastest–slowest), with the probe and the watching after the switch; AWS"
    " takes longer: the local ECS has its tasks at once, and minutes of watching are seconds there"
)
COMMIT = "git init -q && git add -A && git -c user.name=bench -c user.email=bench@example.com commit -qm bench"


def deploying(scratch: Path, runs: int) -> Table:
    """Seconds of the first deployment, of others over it, and of a rollback."""
    folder = copy_project(scratch / "project")
    shutil.copy2(ROOT / ".gitignore", folder)
    folder.joinpath(".venv").symlink_to(ROOT / ".venv")
    run(COMMIT, folder)
    environment = {
        "LOCAL_DIR": str(scratch / "aws"),
        "MLFLOW_TRACKING_URI": "sqlite:///mlflow.db",
    }

    def timed(what: str, command: str) -> float:
        print(f"deploy: {what} …", end=" ", flush=True)
        start = time.perf_counter()
        run(command, folder, environment)
        print(f"{time.perf_counter() - start:.1f} s", flush=True)
        return time.perf_counter() - start

    found: dict[str, list[float]] = {}
    run("make local-up ENV=local", folder, environment)
    try:
        for number in range(runs + 1):
            run("make pipeline export", folder, environment)  # another version each time
            what = "one over it" if number else "the first deployment"
            found.setdefault(what, []).append(timed(what, "make deploy ENV=local"))
        found["make rollback"] = [timed("make rollback", "make rollback ENV=local")]
    finally:
        run("make local-down ENV=local", folder, environment)
    return Table(
        name="deploy",
        header=("what", "seconds", "runs"),
        rows=[(what, spread(taken, 1), str(len(taken))) for what, taken in found.items()],
        note=NOTE,
        facts=[{"what": what, "seconds": taken} for what, taken in found.items()],
    )
