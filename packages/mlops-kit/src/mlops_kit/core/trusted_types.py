"""What skops may construct when it loads a model, besides the types it knows itself and those that the project lists.

Each was read: none runs code when it is built from stored values.
"""

from . import project

_KIT = [
    "numpy.dtype",
    "mlops_kit.experiments.pipeline.DateParts",
    "mlops_kit.experiments.pipeline.Derived",  # calls the project's own features.py
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
    "sklearn.compose._column_transformer._RemainderColsList",  # a list, in scikit-learn 1.6
    # Voting, stacking and calibration: a dictionary, and two holders of fitted numbers.
    "sklearn.utils._bunch.Bunch",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    # Gradient boosting with categories keeps partial(check_array, ...). skops builds no subclass of partial,
    # and the function inside must be trusted, too.
    "functools.partial",
    "sklearn.utils.validation.check_array",
]


def trusted_types() -> list[str]:
    """Return the names of all types that a stored model may hold."""
    return [*_KIT, *project.current().trusted_types]
