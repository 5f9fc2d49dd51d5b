"""The whole way: from the rows that configs/train.yaml names to a registered champion, and the notebook that looks at it."""

import json
from pathlib import Path

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "explore.ipynb"


def test_rows_become_a_champion(make):
    for target in ("train", "validate", "register"):
        make(target)

    trained = json.loads(Path("reports/train.json").read_text(encoding="utf-8"))
    champion = json.loads(Path("reports/registration.json").read_text(encoding="utf-8"))
    assert (champion["run_id"], champion["version"]) == (trained["run_id"], "1")

    shown = run_notebook()
    assert shown["run"].run_id == trained["run_id"]
    assert len(shown["table"]) == len(shown["dataset"].test_target)
    assert shown["found"]["metric"] == shown["run"].config.validation.metric


def run_notebook():
    """Run the notebook's cells one after another, and return its variables."""
    variables = {}
    for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), variables)  # nosec B102 # a file of this repository
    return variables
