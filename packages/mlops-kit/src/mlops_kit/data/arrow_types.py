"""The types that Arrow, and so Parquet, has for the model's kinds of columns and for its classes."""

from __future__ import annotations

import pyarrow

OF_KIND = {
    "numeric": pyarrow.float64(),
    "boolean": pyarrow.bool_(),
    "categorical": pyarrow.string(),
    "date": pyarrow.timestamp("us"),
}


def of_predictions(classes: list[bool] | list[int] | list[str]) -> pyarrow.DataType:
    """Return the type of a predicted class; of a predicted number where there are no classes."""
    of_class = {bool: pyarrow.bool_(), int: pyarrow.int64(), str: pyarrow.string()}
    return of_class[type(classes[0])] if classes else pyarrow.float64()
