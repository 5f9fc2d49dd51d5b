"""The Arrow types, which are also those of Parquet, of each kind of column and of predictions."""

from __future__ import annotations

import pyarrow

OF_KIND = {
    "numeric": pyarrow.float64(),
    "boolean": pyarrow.bool_(),
    "categorical": pyarrow.string(),
    "date": pyarrow.timestamp("us"),
}


def of_predictions(classes: list[bool] | list[int] | list[str]) -> pyarrow.DataType:
    """Return the Arrow type of a predicted class, or of a predicted number if `classes` is empty."""
    of_class = {bool: pyarrow.bool_(), int: pyarrow.int64(), str: pyarrow.string()}
    return of_class[type(classes[0])] if classes else pyarrow.float64()
