"""The service's encoding gives, bit by bit, the numbers of the pipeline's first step."""

import datetime

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder, StandardScaler

from mlops_kit.artifact import manifest
from mlops_kit.artifact.encoding import Encoder
from mlops_kit.artifact.row_values import parsed, written
from mlops_kit.core.errors import UserError
from mlops_kit.core.project import current
from mlops_kit.data import Columns
from mlops_kit.data.profile import profile
from mlops_kit.experiments import pipeline as model
from mlops_kit.experiments.model_storage import StoredModel

pytestmark = pytest.mark.usefixtures("checkout")

KINDS = {"n": "numeric", "b": "boolean", "k": "categorical", "d": "date", "m": "categorical"}
COLUMNS = Columns(KINDS)
ROWS = 700
QUICK = {
    "hist_gradient_boosting": "model.params.max_iter=1",
    "random_forest": "model.params.n_estimators=2",
}
every_kind = pytest.mark.parametrize(
    "kind", [kind for kind, tasks in current().estimators.items() if "classification" in tasks]
)


def table(seed=0, rows=ROWS):
    """Every kind of column with missing values; `m` has more categories than any encoder numbers."""
    draw = np.random.default_rng(seed)
    days = np.datetime64("1900-01-01T00:00:00.000001", "us") + draw.integers(0, 2**52, rows)
    every = pd.DataFrame(
        {
            "n": draw.normal(size=rows) * 10.0 ** draw.integers(-30, 30, rows),
            "b": draw.random(rows) < 0.5,
            "k": draw.choice(["red", "green", "", "ü"], rows),
            "d": days.astype(str),
            "m": [f"m{number}" for number in draw.integers(0, 500, rows)],
        }
    )
    every.loc[:3, "d"] = ["9999-12-31", "0001-01-01", "1969-12-31T23:59:59", "2024-02-29"]
    return COLUMNS.coerce(every.astype(object).mask(draw.random(every.shape) < 0.2))


def stored(settings, kind, rows=None, columns=COLUMNS):
    rows = table() if rows is None else rows
    config = settings(f"model.kind={kind} {QUICK.get(kind, '')}")
    pipeline = model.build(config, columns)
    pipeline.fit(rows, np.arange(len(rows)) % 2)
    return StoredModel(pipeline, columns, profile(columns, rows), rows)


def matrices(of, rows):
    """Return what the service and what the pipeline make of `rows`."""
    ours = Encoder(manifest.described(of), []).matrix(parsed(of.columns, rows))
    return ours, np.asarray(of.pipeline["encode"].transform(rows), dtype=float)


@every_kind
def test_rows_become_the_same_numbers(settings, kind):
    of = stored(settings, kind)
    for rows in (of.held_out, table(seed=1)):  # the second has categories that fit did not see
        ours, theirs = matrices(of, rows)
        np.testing.assert_array_equal(ours, theirs)
        assert ours.dtype == np.float64


@every_kind
@pytest.mark.parametrize("names", ["n", "b", "k", "d", "kd", "bn", "dknbm"])
def test_columns_of_some_kinds_alone_become_the_same_numbers(settings, kind, names):
    columns = Columns({name: KINDS[name] for name in names})
    of = stored(settings, kind, table()[list(names)], columns)
    np.testing.assert_array_equal(*matrices(of, of.held_out))


@every_kind
def test_rare_categories_share_a_number_and_unseen_ones_have_their_own(settings, kind):
    of = stored(settings, kind)
    column = next(one for one in manifest.described(of) if one["name"] == "m")
    most = 254 if kind == "hist_gradient_boosting" else 100
    assert len(column["categories"]) > most
    assert len(set(column["codes"])) == most
    assert column["unseen_code"] not in column["codes"]
    assert column["missing_code"] not in column["codes"]


@every_kind
def test_values_that_fit_never_saw_become_the_same_numbers(settings, kind):
    rows = table().assign(k="red", n=1.0, b=1.0)
    of = stored(settings, kind, rows.assign(n=np.arange(ROWS) % 7.0))
    other = rows.assign(k=np.resize(["red", "\0", "RED", " red", np.nan], ROWS), n=np.nan, b=np.nan)
    np.testing.assert_array_equal(*matrices(of, COLUMNS.coerce(other.astype(object))))


@pytest.mark.parametrize("kind", ["random_forest", "linear"])  # scikit-learn 1.9's boosting can't
@pytest.mark.parametrize("name", "kd")
def test_a_column_without_any_value_becomes_the_same_numbers(settings, kind, name):
    rows = COLUMNS.coerce(table().assign(**{name: None}))
    np.testing.assert_array_equal(*matrices(stored(settings, kind, rows), rows))


@every_kind
def test_what_is_unseen_is_named_for_each_value(settings, kind):
    encoder = Encoder(manifest.described(stored(settings, kind)), [])
    row = {"n": None, "b": None, "k": "red", "d": None, "m": None}
    rows = [row, {**row, "k": "violet"}, {**row, "k": "violet", "m": "mauve"}]
    assert sorted(encoder.unseen(rows)) == ["k", "k", "m"]


def test_the_width_is_that_of_the_numbers(settings):
    of = stored(settings, "linear")
    encoder = Encoder(manifest.described(of), [])
    assert encoder.width == of.pipeline["encode"].transform(of.held_out[:1]).shape[1] == 8
    assert encoder.matrix([]).shape == (0, 8)


@pytest.mark.parametrize("its_format", [None, "%d/%m/%Y", "%Y-%m-%d %H:%M:%S.%f"])
def test_a_rows_date_is_written_as_a_request_has_it(its_format):
    columns = Columns({"d": "date"}, {"d": its_format} if its_format else {})
    text = {"%d/%m/%Y": "03/02/2021", None: "2021-02-03T04:05:06.070000"}.get(
        its_format, "2021-02-03 04:05:06.070000"
    )
    (row,) = parsed(columns, columns.coerce(pd.DataFrame({"d": [text]})))
    assert type(row["d"]) is datetime.datetime
    assert written(columns, row) == {"d": text}
    assert written(columns, {"d": None}) == {"d": None}


def test_parsed_rows_hold_plain_values():
    row = {"n": 1, "b": True, "k": "x", "d": "2020-01-01", "m": None}
    (plain,) = parsed(COLUMNS, COLUMNS.coerce(pd.DataFrame([row])))
    assert plain == {"n": 1.0, "b": True, "k": "x", "d": datetime.datetime(2020, 1, 1), "m": None}
    assert [type(value) for value in plain.values()] == [
        *(float, bool, str, datetime.datetime),
        type(None),
    ]


class TestForeignFirstSteps:
    """A pipeline whose first step is another one than model.py builds is refused in a sentence."""

    SENTENCE = "the pipeline's first step has to be the `encode` that model.py builds"

    def refusal(self, of):
        with pytest.raises(UserError, match=self.SENTENCE) as caught:
            manifest.check_encoding(of, manifest.described(of))
        assert "put other preparation behind it" in str(caught.value)
        return str(caught.value)

    def test_no_encode_at_all(self, settings):
        of = stored(settings, "linear")
        other = Pipeline([("scale", StandardScaler()), ("estimator", of.pipeline["estimator"])])
        self.refusal(StoredModel(other, of.columns, of.profile, of.held_out))

    def test_another_encode(self, settings):
        of = stored(settings, "linear")
        other = Pipeline([("encode", OrdinalEncoder()), ("estimator", of.pipeline["estimator"])])
        self.refusal(StoredModel(other, of.columns, of.profile, of.held_out))

    def test_an_encode_that_scales(self, settings):
        columns = Columns({"n": "numeric"})
        of = stored(settings, "linear", table()[["n"]], columns)
        scale = StandardScaler().fit(of.held_out)
        other = Pipeline([("encode", scale), ("estimator", of.pipeline["estimator"])])
        told = self.refusal(StoredModel(other, columns, of.profile, of.held_out))
        assert told.endswith("(it gives other numbers)")
