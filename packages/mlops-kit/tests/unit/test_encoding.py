"""The service's encoding equals, bit by bit, the output of the pipeline's first step."""

import datetime

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder, StandardScaler

from mlops_kit.artifact import encoding, manifest
from mlops_kit.artifact.encoding import Encoder, in_rows
from mlops_kit.artifact.row_values import parsed, written
from mlops_kit.core.errors import UserError
from mlops_kit.core.project import current
from mlops_kit.data import Columns
from mlops_kit.data.profile import profile
from mlops_kit.experiments import pipeline as model
from mlops_kit.experiments.model_storage import StoredModel

pytestmark = pytest.mark.usefixtures("checkout")

KINDS = {
    **{"n": "numeric", "b": "boolean", "k": "categorical", "d": "date"},
    **{"s": "categorical", "m": "categorical"},
}
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
    """Every kind of column with missing values; `s` has many categories, `m` more than are numbered."""
    draw = np.random.default_rng(seed)
    days = np.datetime64("1900-01-01T00:00:00.000001", "us") + draw.integers(0, 2**52, rows)
    every = pd.DataFrame(
        {
            "n": draw.normal(size=rows) * 10.0 ** draw.integers(-30, 30, rows),
            "b": draw.random(rows) < 0.5,
            "k": draw.choice(["red", "green", "", "ü"], rows),
            "d": days.astype(str),
            "s": [f"s{number}" for number in draw.integers(0, 60, rows)],
            "m": [f"m{number}" for number in draw.integers(0, 500, rows)],
        }
    )
    every.loc[:3, "d"] = ["9999-12-31", "0001-01-01", "1969-12-31T23:59:59", "2024-02-29"]
    return COLUMNS.coerce(every.astype(object).mask(draw.random(every.shape) < 0.2))


def stored(settings, kind, rows=None, columns=COLUMNS, classes=2):
    rows = table() if rows is None else rows
    task = "classification" if classes else "regression"
    metric = "accuracy" if classes else "mae"
    config = settings(
        f"task={task} validation.metric={metric} model.kind={kind} {QUICK.get(kind, '')}"
    )
    numbers = np.arange(len(rows))
    target = numbers % classes if classes else np.sin(numbers)
    pipeline = model.build(config, columns, rows, target).fit(rows, target)
    return StoredModel(pipeline, columns, profile(columns, rows), rows)


def matrices(of, rows):
    """Return the encodings of `rows` by the service and by the pipeline."""
    ours = Encoder(manifest.described(of), []).matrix(parsed(of.columns, rows))
    return ours, np.asarray(of.pipeline["encode"].transform(rows), dtype=float)


@every_kind
@pytest.mark.parametrize("classes", [2, 3, 11, None])
def test_rows_become_the_same_numbers(settings, kind, classes):
    of = stored(settings, kind, classes=classes)
    for rows in (of.held_out, table(seed=1)):  # the second has categories that fit did not see
        ours, theirs = matrices(of, rows)
        np.testing.assert_array_equal(ours, theirs)
        assert ours.dtype == np.float64


@every_kind
@pytest.mark.parametrize("names", ["n", "b", "k", "d", "s", "m", "kd", "bn", "dkmnbs"])
def test_columns_of_some_kinds_alone_become_the_same_numbers(settings, kind, names):
    columns = Columns({name: KINDS[name] for name in names})
    of = stored(settings, kind, table()[list(names)], columns)
    np.testing.assert_array_equal(*matrices(of, of.held_out))


@every_kind
def test_rare_categories_share_a_number_and_unseen_ones_have_their_own(settings, kind):
    of = stored(settings, kind, classes=11)
    column = next(one for one in manifest.described(of) if one["name"] == "m")
    assert "means" not in column
    most = 254 if kind == "hist_gradient_boosting" else 100
    assert len(column["categories"]) > most
    assert len(set(column["codes"])) == most
    assert column["unseen_code"] not in column["codes"]
    assert column["missing_code"] not in column["codes"]


@every_kind
@pytest.mark.parametrize("classes", [2, 3, None])
def test_many_categories_have_the_mean_target_of_their_rows(settings, kind, classes):
    columns = {
        one["name"]: one for one in manifest.described(stored(settings, kind, classes=classes))
    }
    width = classes if classes == 3 else 1
    assert "means" not in columns["k"]
    assert "codes" in columns["s"]
    assert "codes" not in columns["m"]
    overall = [1 / 3] * 3 if classes == 3 else [0.5] if classes else [0.0]
    for name in "sm":
        column = columns[name]
        assert len(column["means"]) == len(column["categories"])
        assert {len(means) for means in column["means"]} == {width}
        assert column["unseen_mean"] == pytest.approx(overall, abs=0.01)
        assert column["missing_mean"] == pytest.approx(overall, abs=0.2)


def test_no_row_to_fit_on_has_a_part_in_its_own_mean(settings):
    """With each category once, a mean of its own rows would reveal the target."""
    columns, target = Columns({"k": "categorical"}), np.arange(60.0)
    rows = pd.DataFrame({"k": pd.Series([f"k{number}" for number in range(60)], dtype=object)})
    config = settings("task=regression validation.metric=mae model.kind=linear")
    step = model.build(config, columns, rows, target)["encode"]
    means = step.fit_transform(rows, target)[:, -1]
    assert len(set(means)) == 5  # that of the rows outside of each fold
    assert np.ptp(means) < 20


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
    values = {
        "k": ["red", "violet", "violet"],
        "s": ["s1", "s1", "?"],
        "m": [None, None, "mauve"],
    }
    assert sorted(encoder.unseen(values)) == ["k", "k", "m", "s"]


def test_the_width_is_that_of_the_numbers(settings):
    of = stored(settings, "linear")
    encoder = Encoder(manifest.described(of), [])
    assert encoder.width == of.pipeline["encode"].transform(of.held_out[:1]).shape[1] == 11
    assert encoder.matrix(dict.fromkeys(KINDS, ())).shape == (0, 11)


def test_packed_columns_are_the_numbers_that_numpy_makes():
    """All that a column may hold: floats, codes, booleans, None; and the same rows one by one, which NumPy converts."""
    extremes = [0.0, -0.0, 5e-324, -1.7976931348623157e308, 0.1, 1e16]
    columns = [
        tuple(extremes * 2),
        [None, 1.5] * 6,
        [None] * 12,
        [True, False, None] * 4,
        list(range(12)),
        (2**53 + 1,) * 12,
    ]
    packed = encoding._matrix(columns)
    expected = np.array(columns, dtype=np.float64).T
    assert packed.tobytes() == np.ascontiguousarray(expected).tobytes()
    assert packed.dtype == np.float64
    assert packed.flags.c_contiguous
    assert packed.flags.writeable
    alone = [encoding._matrix([column[n : n + 1] for column in columns]) for n in range(12)]
    assert np.concatenate(alone).tobytes() == packed.tobytes()


@pytest.mark.parametrize("its_format", [None, "%d/%m/%Y", "%Y-%m-%d %H:%M:%S.%f"])
def test_a_rows_date_is_written_as_a_request_has_it(its_format):
    columns = Columns({"d": "date"}, {"d": its_format} if its_format else {})
    text = {"%d/%m/%Y": "03/02/2021", None: "2021-02-03T04:05:06.070000"}.get(
        its_format, "2021-02-03 04:05:06.070000"
    )
    (row,) = in_rows(parsed(columns, columns.coerce(pd.DataFrame({"d": [text]}))))
    assert type(row["d"]) is datetime.datetime
    assert written(columns, row) == {"d": text}
    assert written(columns, {"d": None}) == {"d": None}


def test_parsed_rows_hold_plain_values():
    row = {"n": 1, "b": True, "k": "x", "d": "2020-01-01", "s": "y", "m": None}
    (plain,) = in_rows(parsed(COLUMNS, COLUMNS.coerce(pd.DataFrame([row]))))
    day = datetime.datetime(2020, 1, 1)
    assert plain == {"n": 1.0, "b": True, "k": "x", "d": day, "s": "y", "m": None}
    assert [type(value) for value in plain.values()] == [
        *(float, bool, str, datetime.datetime),
        *(str, type(None)),
    ]


class TestForeignFirstSteps:
    """A pipeline whose first step is not the one that encode.py builds is refused."""

    SENTENCE = "the pipeline's first step has to be the `encode` that the kit builds"

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
        scale = ColumnTransformer([("numeric", StandardScaler(), ["n"])]).fit(of.held_out)
        other = Pipeline([("encode", scale), ("estimator", of.pipeline["estimator"])])
        reason = self.refusal(StoredModel(other, columns, of.profile, of.held_out))
        assert reason.endswith("(it gives other numbers)")
