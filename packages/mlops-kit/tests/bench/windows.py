"""Draw windows of a stream, clean ones and such whose drift is injected, and count how many `make monitor` would trip on.

`windows.py train` writes rows to train on; `windows.py count WINDOWS ROWS` prints counts as JSON, once they are trained on.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mlops_kit.core import project
from mlops_kit.experiments import runs, store
from mlops_kit.monitoring import monitor, recorded_rows
from mlops_kit.monitoring.settings import MonitorConfig

from ml_template.__main__ import PROJECT

CONFIG = {
    "experiment": "bench",
    "registered_model": "bench",
    "task": "classification",
    "data": {"source": "rows.csv", "target": "bought"},
    "validation": {"metric": "roc_auc"},
}
CITIES = [f"city {number}" for number in range(60)]


def drawn(seed: int, rows: int) -> Any:
    """Rows of every kind: numbers that hang together, 60 cities, a tenth of everything missing."""
    draw = np.random.default_rng(seed)
    common = draw.normal(size=rows)
    frame = pd.DataFrame({f"number {n}": common + draw.normal(size=rows) for n in range(8)})
    frame["visits"] = draw.poisson(5, rows).astype(float)
    frame["region"] = draw.choice(["north", "south", "west"], rows, p=[0.5, 0.3, 0.2])
    frame["city"] = draw.choice(CITIES, rows)
    frame["member"] = draw.choice(["true", "false"], rows)
    days = np.datetime64("2025-01-01") + draw.integers(0, 365, rows)
    frame["joined"] = days.astype(str)
    score = common + frame["visits"] / 5 + (frame["region"] == "north") + draw.normal(size=rows)
    return frame.mask(draw.random(frame.shape) < 0.1).assign(
        bought=np.where(score > 1.5, "yes", "no")
    )


def some(rows: Any, share: float, value: Any) -> Any:
    """Replace a share of a column's values."""
    return rows.mask(np.random.default_rng(len(rows)).random(len(rows)) < share, value)


DRIFTS = {
    "none": lambda rows: {},
    "a number moved by half its deviation": lambda rows: {"number 0": rows["number 0"] + 0.7},
    "a number spread twice as far": lambda rows: {"number 0": rows["number 0"] * 2},
    "a sixth of the rows in another category": lambda rows: {
        "region": some(rows["region"], 1 / 6, "west")
    },
    "a tenth more of a column missing": lambda rows: {"visits": some(rows["visits"], 0.11, np.nan)},
    "a tenth in a category never seen": lambda rows: {"city": some(rows["city"], 0.1, "Atlantis")},
    "every number moved by a fifth of it": lambda rows: {
        name: rows[name] + 0.28 for name in rows if name.startswith("number")
    },
}


def count_tripped(windows: int, rows: int) -> dict[str, int]:
    """Return of how many windows each kind of drift trips."""
    with store.connect() as client:
        version = runs.of_alias(client, "bench", "champion")
        stored = runs.load_model(runs.find(client, version.run_id))
    tripped = dict.fromkeys(DRIFTS, 0)
    for seed in range(1, windows + 1):
        raw = drawn(seed, rows)
        for name, change in DRIFTS.items():
            inputs = stored.columns.coerce(raw.assign(**change(raw)))
            probabilities = stored.pipeline.predict_proba(inputs)
            answers = pd.DataFrame(probabilities, columns=stored.pipeline.classes_)
            answers.insert(0, "prediction", stored.pipeline.classes_[probabilities.argmax(axis=1)])
            window = recorded_rows.Window(
                pd.DataFrame(index=inputs.index), answers, dict(inputs.items())
            )
            found = monitor.compare(MonitorConfig(), stored, window)
            tripped[name] += any(each.drifted for each in found)
    return tripped


project.use(PROJECT)
if sys.argv[1] == "train":
    drawn(0, 10_000).to_csv("rows.csv", index=False)
    Path("own.yaml").write_text(json.dumps(CONFIG), encoding="utf-8")  # JSON is YAML
else:
    print(json.dumps(count_tripped(int(sys.argv[2]), int(sys.argv[3]))))
