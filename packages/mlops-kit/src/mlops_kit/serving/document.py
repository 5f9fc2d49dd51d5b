"""The models of the service's responses; their docstrings are in its OpenAPI document."""

from __future__ import annotations

from typing import Optional, Union

from pydantic import BaseModel


class Answer(BaseModel):
    """The prediction of one row; in classification with the probability of each class."""

    prediction: Union[bool, int, float, str]
    probabilities: Optional[dict[str, float]] = None


class Answers(BaseModel):
    """The predictions, in the order of the rows."""

    model_version: str
    predictions: list[Answer]


class Problem(BaseModel):
    """The reason why there is no prediction."""

    detail: str


class FieldProblem(BaseModel):
    """The error of one field, and its location."""

    type: str
    loc: list[Union[str, int]]
    msg: str


class FieldProblems(BaseModel):
    """The errors of the first invalid row, for which all rows were refused."""

    detail: list[FieldProblem]
