"""The whole way: from the rows that configs/train.yaml names to a registered champion."""

import json
from pathlib import Path


def test_rows_become_a_champion(make):
    for target in ("train", "validate", "register"):
        make(target)

    trained = json.loads(Path("reports/train.json").read_text(encoding="utf-8"))
    champion = json.loads(Path("reports/registration.json").read_text(encoding="utf-8"))
    assert (champion["run_id"], champion["version"]) == (trained["run_id"], "1")
