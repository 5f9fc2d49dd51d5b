"""The check of the exported form against the pipeline, where neither ONNX nor skops can be trusted."""

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from mlops_kit.artifact import export
from mlops_kit.core.errors import UserError

ROWS = np.arange(6.0).reshape(-1, 1)


@pytest.fixture
def convert(tmp_path, monkeypatch):
    """Return the form of a pipeline whose predictions, once it was stored, are off."""

    def make(off, tolerance):
        monkeypatch.setattr(export, "load_form", lambda _file: lambda matrix: matrix + off)
        pipeline = LinearRegression().fit(ROWS, ROWS[:, 0])
        return export._convert(tmp_path, pipeline, ROWS, ROWS, 1.0, tolerance)

    return make


@pytest.mark.parametrize("off", [1e-4, np.nan])
def test_a_stored_pipeline_that_predicts_otherwise_is_refused(convert, off):
    with pytest.raises(UserError, match=r"accepted is export\.tolerance 1e-05"):
        convert(off, 1e-5)


def test_a_tolerance_that_forbids_onnx_allows_scikit_learns_own_rounding(convert):
    form = convert(1e-14, 1e-300)
    assert (form.format, form.tolerance) == ("skops", 1e-9)
