"""The types that skops may construct when it loads a model: scikit-learn's estimators, the project's list, and these.

Each was reviewed: none runs code when it is constructed from stored values.
"""

import contextlib
import importlib
import inspect
import re
from collections.abc import Iterable

from . import project

_IS_SKLEARNS = re.compile(r"sklearn\.(?!.*\btests?\b)")

_KIT = [
    "numpy.dtype",
    "mlops_kit.experiments.encode.DateParts",
    "mlops_kit.experiments.encode.Derived",  # calls the project's own features.py
    "sklearn.model_selection._split.KFold",  # the folds of target encoding: two numbers and a seed
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
    "sklearn.compose._column_transformer._RemainderColsList",  # a list, in scikit-learn 1.6
    # Voting, stacking and calibration: a dictionary, and two classes of fitted numbers.
    "sklearn.utils._bunch.Bunch",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    # Gradient boosting with categories keeps partial(check_array, ...). skops builds no subclass of partial,
    # and the function inside must be trusted, too.
    "functools.partial",
    "sklearn.utils.validation.check_array",
]


def trusted_types() -> list[str]:
    """Return the names of all types that a stored model may hold; of scikit-learn's estimators, those imported so far."""
    own = project.current().trusted_types  # imports the project's estimators
    return [*_KIT, *own, *_imported_estimators()]


def import_estimators(names: Iterable[str]) -> None:
    """Import the scikit-learn packages that define the types `names`, so that `trusted_types` lists their estimators."""
    for package in {".".join(n.split(".")[:2]) for n in names if _IS_SKLEARNS.match(n)}:
        with contextlib.suppress(ImportError):  # a file may name a package that does not exist
            importlib.import_module(package)


def _imported_estimators() -> list[str]:
    from sklearn.base import BaseEstimator

    found: set[type] = set()
    waiting: list[type] = [BaseEstimator]
    while waiting:
        new = set(waiting.pop().__subclasses__()) - found
        found |= new
        waiting += new
    public = (e for e in found if not (e.__name__.startswith("_") or inspect.isabstract(e)))
    return sorted(name for name in map(_name, public) if _IS_SKLEARNS.match(name))


def _name(of: type) -> str:
    return f"{of.__module__}.{of.__name__}"
