"""The models of the service's responses, for its OpenAPI document; their docstrings are in it."""

from __future__ import annotations

from typing import Optional, Union

from pydantic import BaseModel


class Answer(BaseModel):
    """The prediction of one row; classes have their probabilities."""

    prediction: Union[bool, int, float, str]
    probabilities: Optional[dict[str, float]] = None


class Answers(BaseModel):
    """The predictions, in the order of the rows."""

    model_version: str
    predictions: list[Answer]


class Problem(BaseModel):
    """Why there is no prediction."""

    detail: str


class FieldProblem(BaseModel):
    """The error of one field, and its location."""

    type: str
    loc: list[Union[str, int]]
    msg: str


class FieldProblems(BaseModel):
    """Why the rows were refused: the errors of the first invalid row."""

    detail: list[FieldProblem]
