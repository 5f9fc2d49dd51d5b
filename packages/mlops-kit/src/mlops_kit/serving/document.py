"""What the service answers, for its OpenAPI document."""

from __future__ import annotations

from typing import Optional, Union

from pydantic import BaseModel


class Answer(BaseModel):
    """One row's answer; classes come with their probabilities."""

    prediction: Union[bool, int, float, str]
    probabilities: Optional[dict[str, float]] = None


class Answers(BaseModel):
    """The answers, in the order of the rows."""

    model_version: str
    predictions: list[Answer]


class Problem(BaseModel):
    """Why there is no answer."""

    detail: str


class FieldProblem(BaseModel):
    """What is wrong with one field, and where it is."""

    type: str
    loc: list[Union[str, int]]
    msg: str


class FieldProblems(BaseModel):
    """Why the rows were refused: of wrong fields those of the first wrong row."""

    detail: list[FieldProblem]
