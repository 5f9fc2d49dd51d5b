"""Write the JSON schemas that editors check configs/*.yaml against."""

from pathlib import Path

from mlops_kit.config_files import KINDS
from mlops_kit.core import project
from mlops_kit.core.config import schema
from mlops_kit.core.files import write_text

from ml_template.__main__ import PROJECT

FOLDER = Path("packages/mlops-kit/src/mlops_kit/schemas")

project.use(PROJECT)
for path, kind in KINDS.items():
    write_text(FOLDER / f"{path.stem}.schema.json", schema(kind))
