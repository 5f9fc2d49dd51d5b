"""The response that is written at once is, byte for byte, the JSON of the predictions of each row."""

import numpy as np
import pytest
from pydantic_core import to_json

from mlops_kit.artifact.predictor import Model
from mlops_kit.serving.response import ResponseWriter

NUMBERS = [0.0, -0.0, 0.1, 1.0, 1e-5, 1e-7, 5e-324, 1e16, 123456789.125, 2 / 3, -1.5e300, 37.0]


@pytest.mark.parametrize(
    "classes",
    [
        ["no", "yes"],
        [False, True],
        [1, 2, 3],
        [0.5, 1.0],
        ["50 %", "%b %% %s", '"quoted"\\', "ü,\n{}"],
        [],
    ],
)
@pytest.mark.parametrize("rows", [1, 12])
def test_response_is_the_json_of_the_answers(classes, rows):
    model = Model({"columns": [], "derived": [], "classes": classes, "version": "3"}, None)
    width = len(classes) or 1
    outputs = np.resize(NUMBERS, (rows + 1, width))[1:]
    outputs[0, -1] = 1e301  # the last class is predicted of one row at least
    answers = model.answers(outputs)
    labels = model.labels(outputs)
    assert ResponseWriter(model).write(outputs, labels) == to_json(
        {"model_version": "3", "predictions": answers}
    )
    assert labels == [one["prediction"] for one in answers if classes]
    assert model.answers(outputs, labels) == answers
