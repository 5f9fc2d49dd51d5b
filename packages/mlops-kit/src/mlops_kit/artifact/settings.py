"""The settings of `export` in configs/serve.yaml."""

from __future__ import annotations

from pydantic import Field

from mlops_kit.core.config import Section


class ExportConfig(Section):
    """The tolerance of the ONNX form, and the number of golden rows."""

    tolerance: float = Field(
        1e-5, gt=0, le=1, description="a difference of predictions, more than 0, at most 1"
    )
    golden_rows: int = Field(5, ge=1, le=100, description="a whole number of rows, 1 to 100")
