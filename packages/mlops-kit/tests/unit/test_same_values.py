"""The same value means the same in a file, in a request and in training: predictions are equal, or refused alike."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mlops_kit.artifact import manifest, request_schema
from mlops_kit.artifact.predictor import Model, outputs
from mlops_kit.artifact.request_schema import RefusedRowsError
from mlops_kit.core.errors import UserError
from mlops_kit.data import batches, kinds, source_files, sources
from mlops_kit.data.profile import profile
from mlops_kit.data.settings import DataConfig
from mlops_kit.experiments import pipeline
from mlops_kit.serving import batch_predictions

EXAMPLES = 40
ROWS = 24

drawn = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


class Trained:
    """A model as `make train` and `make export` make it of a file, without their checks, and three ways to ask it."""

    def __init__(self, make_settings, config, kind="hist_gradient_boosting"):
        self.config = config
        params = "{max_iter: 5, min_samples_leaf: 1}" if kind.startswith("hist") else "{}"
        train = make_settings(
            f"model.kind={kind} 'model.params={params}' task=regression validation.metric=r2"
        )
        frame, _ = sources.read(config)
        features = frame.drop(columns=config.target)
        self.columns, errors = kinds.infer(features, config)
        if errors:
            raise errors[0]
        self.rows = self.columns.coerce(features)
        target = np.random.default_rng(0).normal(size=len(frame))
        self.pipeline = pipeline.build(train, self.columns, self.rows, target)
        pipeline.fit(self.pipeline, self.columns, self.rows, target)
        self.described = manifest.described(
            SimpleNamespace(
                columns=self.columns,
                pipeline=self.pipeline,
                profile=profile(self.columns, self.rows),
            )
        )
        card = {"columns": self.described, "derived": [], "classes": []}
        card |= {
            "golden": [{"row": {}, "answer": {}}],
            "missing_values": self.columns.missing_values,
        }
        self.model = Model(card, lambda matrix: outputs(self.pipeline[1:], matrix))

    def of_training(self):
        return outputs(self.pipeline, self.rows)[:, 0]

    def of_frame(self, frame):
        return outputs(self.pipeline, self.columns.coerce(frame))[:, 0]

    def of_file(self, name, **keys):
        config = self.config.model_copy(update={"source": name, **keys})
        with source_files.local_files(name, "DATA") as files:
            table = batches.open_table(files, config)
            answers = [
                batch_predictions.answer(self.model, batch.values, batch.before, config)
                for batch in table.batches(self.columns.kinds, 7)
            ]
        return np.concatenate([answer.columns["prediction"] for answer in answers])

    def of_json(self, *rows):
        checker = request_schema.Checker(self.described, {}, len(rows))
        values = checker.values(json.dumps({"rows": rows}))
        return np.array([answer["prediction"] for answer in self.model.predict(values)])


@pytest.fixture
def trained(settings):
    """A function from a file and keys of `data` to a model; texts are written to data.csv."""

    def make(text, kind="hist_gradient_boosting", source="data.csv", **keys):
        if isinstance(text, bytes):
            Path(source).write_bytes(text)
        elif text is not None:
            Path(source).write_text(text)
        return Trained(settings, DataConfig(source=source, target="y", **keys), kind)

    return make


def table(name, texts):
    return f"{name},x,y\n" + "".join(f"{text},{n % 5},{n}\n" for n, text in enumerate(texts))


# --- one kind of column after the other -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "texts",
    [
        ["00037", "37", "01067", "007", "7"],
        ["1582218195625938945", "1582218195625938950", "", "1582218195625939900"],
        ["1e5", "100000", "1.10", "1.1", "0x10"],
        ["True", "False", "", "True"],
        ["3", "4", "", "5"],
    ],
)
@pytest.mark.parametrize("kind", ["hist_gradient_boosting", "linear"])
def test_named_categories_are_texts_everywhere(trained, texts, kind):
    texts = texts * 6
    model = trained(table("zip", texts), kind, categorical=["zip"])
    assert model.columns.kinds["zip"] == "categorical"
    assert model.described[0]["categories"] == sorted({text for text in texts if text})
    sent = [{"zip": text or None, "x": n % 5} for n, text in enumerate(texts)]
    expected = model.of_training()
    np.testing.assert_array_equal(model.of_json(*sent), expected)
    np.testing.assert_array_equal(model.of_file("data.csv"), expected)
    assert len(set(expected)) >= len(set(texts))


@pytest.mark.parametrize(
    "values",
    [
        [37, 38, None, 39],
        [1582218195625938945, 1582218195625938950, None, 1582218195625939900],
        [True, False, None, True],
        [0.5, 37.0, None, 1e16],
    ],
)
def test_numbers_and_booleans_of_parquet_and_json_equal_csv_categories(trained, values):
    values = values * 6
    # pandas' own type of whole numbers with gaps keeps their digits.
    whole = all(type(value) is int for value in values if value is not None)
    column = pd.Series(values, dtype="Int64" if whole else object)
    if all(isinstance(value, float) for value in values if value is not None):
        column = column.astype("float64")
    frame = pd.DataFrame({"zip": column, "x": [n % 5 for n in range(24)], "y": range(24)})
    frame.to_csv("data.csv", index=False)
    frame.to_parquet("data.parquet")
    from_csv = trained(None, categorical=["zip"])
    from_parquet = trained(None, source="data.parquet", categorical=["zip"])
    assert from_csv.described == from_parquet.described
    expected = from_csv.of_training()
    sent = [{"zip": value, "x": n % 5} for n, value in enumerate(values)]
    for model in (from_csv, from_parquet):
        np.testing.assert_array_equal(model.of_json(*sent), expected)
        np.testing.assert_array_equal(model.of_file("data.csv"), expected)
        np.testing.assert_array_equal(model.of_file("data.parquet"), expected)


def test_what_means_missing_travels_with_the_model(trained):
    texts = ["-999", "1", "2", "-999.0", "7", "8"] * 4
    model = trained(table("score", texts), missing_values=["-999"])
    expected = model.of_json({"score": None, "x": 0})
    np.testing.assert_array_equal(model.of_json({"score": -999, "x": 0}), expected)
    Path("later.csv").write_text("score,x\n-999,0\n-999.00,0\n,0\n")
    # The words of the model count, not those of the config that scores.
    np.testing.assert_array_equal(model.of_file("later.csv", missing_values=[]), [expected[0]] * 3)


def test_missing_values_are_refused_where_training_saw_none(trained):
    model = trained(table("score", ["1", "2", "3"] * 8), missing_values=["-999"])
    with pytest.raises(RefusedRowsError, match="which means missing"):
        model.of_json({"score": -999, "x": 0})
    model = trained(table("country", ["FR", "DE", "IT"] * 8))
    with pytest.raises(RefusedRowsError, match="which means missing"):
        model.of_json({"country": "NA", "x": 0})


def test_na_and_none_can_be_values(trained):
    texts = ["NA", "DE", "None", "FR"] * 6
    model = trained(table("country", texts), missing_values=[])
    assert model.described[0]["categories"] == ["DE", "FR", "NA", "None"]
    sent = [{"country": text, "x": n % 5} for n, text in enumerate(texts)]
    np.testing.assert_array_equal(model.of_json(*sent), model.of_training())
    np.testing.assert_array_equal(model.of_file("data.csv"), model.of_training())
    assert trained(None).rows["country"].isna().sum() == 12


def test_blanks_around_values_and_names_do_not_count(trained):
    text = " work , x, y\n" + "".join(f" {w} , {n % 5}, {n}\n" for n, w in enumerate("ab?" * 8))
    model = trained(text, missing_values=["?"])
    assert list(model.columns.kinds) == ["work", "x"]
    assert model.described[0]["categories"] == ["a", "b"]
    sent = [{"work": f" {w}", "x": n % 5} for n, w in enumerate("ab?" * 8)]
    np.testing.assert_array_equal(model.of_json(*sent), model.of_training())
    np.testing.assert_array_equal(model.of_file("data.csv"), model.of_training())
    notes = []
    sources.read(model.config, notes=notes)
    assert notes == [
        "blanks are cut around the name of work, x, y",
        "blanks are cut around values of work",
    ]


def test_blanks_around_names_of_parquet_do_not_count(trained):
    frame = pd.DataFrame({" work ": ["a", "b", "c"] * 8, "x": range(24), " y": range(24)})
    frame.to_parquet("data.parquet")
    model = trained(None, source="data.parquet")
    assert list(model.columns.kinds) == ["work", "x"]
    np.testing.assert_array_equal(model.of_file("data.parquet"), model.of_training())


def test_marks_of_each_column_are_read_alike_in_training_and_scoring(trained):
    lines = [f"{n},{n}5;{n}.25;{n}" for n in range(24)]
    text = "\n".join(["income;ratio;y", *lines])
    model = trained(text, delimiter=";", decimal=",")
    assert model.rows["ratio"].tolist() == [n + 0.25 for n in range(24)]
    assert model.rows["income"].tolist() == [float(f"{n}.{n}5") for n in range(24)]
    np.testing.assert_array_equal(model.of_file("data.csv"), model.of_training())


@pytest.mark.parametrize(
    ("texts", "numbers"),
    [
        (["$1,234.50", "$7", "($8)"], [1234.5, 7, -8]),
        (["12 %", "3.5 %", "7%"], [12, 3.5, 7]),
        (["1.234,50", "8,5", "1.000.000"], [1234.5, 8.5, 1e6]),
    ],
)
def test_spellings_that_were_found_are_those_of_scoring(trained, texts, numbers):
    quoted = [f'"{text}"' for text in texts * 8]
    model = trained(table("amount", quoted))
    sent = [{"amount": number, "x": n % 5} for n, number in enumerate(numbers * 8)]
    np.testing.assert_array_equal(model.of_json(*sent), model.of_training())
    np.testing.assert_array_equal(model.of_file("data.csv"), model.of_training())
    # Fewer rows leave a doubt by themselves, but the model knows.
    Path("later.csv").write_text(f"amount,x\n{quoted[0]},0\n")
    np.testing.assert_array_equal(model.of_file("later.csv"), model.of_training()[:1])


@pytest.mark.parametrize(
    ("texts", "keys", "iso"),
    [
        (["1981 Q1", "1981 Q4"], {}, ["1981-01-01", "1981-10-01"]),
        (["Q1/81", "Q4/81"], {"dates": {"day": "Q%q/%y"}}, ["1981-01-01", "1981-10-01"]),
        (["31-12-99", "01-02-00"], {}, ["1999-12-31", "2000-02-01"]),
    ],
)
def test_quarters_and_short_years_are_the_same_dates_everywhere(trained, texts, keys, iso):
    model = trained(table("day", texts * 12), **keys)
    assert model.rows["day"].dt.strftime("%Y-%m-%d").tolist() == iso * 12
    sent = [{"day": text, "x": n % 5} for n, text in enumerate(texts * 12)]
    np.testing.assert_array_equal(model.of_json(*sent), model.of_training())
    np.testing.assert_array_equal(model.of_file("data.csv"), model.of_training())
    with pytest.raises(RefusedRowsError):
        model.of_json({"day": iso[0], "x": 0})


def test_typed_columns_read_numbers_by_the_config(trained):
    frame = pd.DataFrame({"amount": [1.5, 2.5, 3.5] * 8, "x": [0, 1, 2] * 8, "y": range(24)})
    frame.to_parquet("data.parquet")
    model = trained(None, source="data.parquet")
    Path("later.csv").write_text("amount;x\n1,5;0\n2,5;1\n")
    found = model.of_file("later.csv", delimiter=";", decimal=",")
    np.testing.assert_array_equal(found, model.of_training()[:2])


# --- every kind together ----------------------------------------------------------------------------------------

# Of each kind: how a cell is written in CSV, and what a request sends for it.
_amounts = st.integers(0, 5_000_000).map(lambda cents: cents / 100)
_stamps = st.datetimes(pd.Timestamp("1960-01-13"), pd.Timestamp("2060-01-01")).map(
    lambda moment: moment.replace(microsecond=0)
)
_names = (
    "00037",
    "37",
    "37.0",
    "1e5",
    "True",
    "true",
    "a",
    " b",
    "7",
    "ü, ö",
    "1582218195625938945",
)


def _same(text):
    return text, text.strip()


KINDS = {
    "plain": _amounts.map(lambda number: (repr(number), number)),
    "whole": st.integers(-(2**40), 2**40).map(lambda number: (f" {number}", number)),
    "share": _amounts.map(lambda number: (f"{number} %", number)),
    "money": _amounts.map(lambda number: (f"${number:,.2f}", number)),
    "euro": _amounts.map(lambda number: (f"{number:.2f} €".replace(".", ","), number)),
    "code": st.sampled_from(_names).map(_same),
    "free": st.sampled_from(["red", "blue ", "x1", "NaN-ish", "10 a"]).map(_same),
    "iso": _stamps.map(lambda moment: _same(moment.isoformat(" "))),
    "german": _stamps.map(lambda moment: _same(f"{moment:%d.%m.%Y}")),
    "slashes": _stamps.map(lambda moment: _same(f"{moment:%Y/%m/%d %H:%M}")),
    "truth": st.booleans().map(lambda truth: (str(truth), truth)),
}
CODES = {"code"}


@st.composite
def tables(draw):
    """Draw columns, each with cells and what requests send; None is a missing value, written in one of several ways."""
    names = draw(st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=5, unique=True))
    found = {}
    for name in names:
        cells = KINDS[name]
        if draw(st.booleans()):
            words = st.sampled_from(["", "NA", " ?", "-999"]).map(lambda word: (word, None))
            cells = st.one_of(cells, cells, cells, words)
        found[name] = draw(st.lists(cells, min_size=ROWS, max_size=ROWS))
    return found


STRANGERS = [("abc", "abc"), ("12-13", "12-13"), ("2013-02-30", "2013-02-30"), ("new", "new")]


@st.composite
def later(draw, table):
    """Draw rows that come after training: cells of the table in other places, and some that it never had."""
    rows = []
    for _ in range(3):
        strange = st.sampled_from(STRANGERS)
        row = {
            name: draw(st.one_of(st.sampled_from(cells), st.sampled_from(cells), strange))
            for name, cells in table.items()
        }
        rows.append(row)
    return rows


def written(rows, suffix):
    """Write rows of cells to a file and return its name; with a target beside them, for training."""
    frame = pd.DataFrame(rows, dtype=object)
    name = f"rows{suffix}"
    if suffix == ".parquet":
        frame.to_parquet(name)
    else:
        frame.to_csv(name, index=False, sep="\t" if ".tsv" in suffix else ",")
    return name


def refusable(ask, *errors):
    try:
        return ask()
    except errors:
        return None


def same_predictions(found, expected):
    # The order in which a linear model adds up depends on how many rows there are.
    if found is None or expected is None:
        assert found is expected
    else:
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def check(make_settings, columns_of_cells, rows_of_later, suffix, kind):
    rows = [dict(zip(columns_of_cells, cells)) for cells in zip(*columns_of_cells.values())]
    cells = [
        {name: cell for name, (cell, _) in row.items()} | {"y": n} for n, row in enumerate(rows)
    ]
    config = DataConfig(
        source=written(cells, suffix),
        target="y",
        categorical=sorted(CODES & set(columns_of_cells)),
        missing_values=["NA", "?", "-999"],
    )
    try:
        model = Trained(make_settings, config, kind)
    except UserError:  # a drawn column leaves a doubt: it is refused before anything is fitted
        return 0
    sent = [{name: value for name, (_, value) in row.items()} for row in rows]
    same_predictions(model.of_json(*sent), model.of_training())
    same_predictions(model.of_file(config.source), model.of_training())
    may_lack = {column["name"] for column in model.described if column["missing"]}
    for row in rows_of_later:
        cell = {name: one for name, (one, _) in row.items()}
        value = {name: one for name, (_, one) in row.items()}
        name = written([cell], suffix)
        from_file = refusable(lambda name=name: model.of_file(name), UserError)
        frame = pd.DataFrame([cell], dtype=object)
        from_frame = refusable(lambda frame=frame: model.of_frame(frame), UserError)
        same_predictions(from_file, from_frame)
        if any(one is None and name not in may_lack for name, one in value.items()):
            continue  # the service refuses what a file is scored with and noted
        from_json = refusable(lambda value=value: model.of_json(value), RefusedRowsError)
        same_predictions(from_file, from_json)
    return len(rows) + len(rows_of_later)


def test_files_requests_and_training_agree_on_any_table(settings):
    checked = []

    @drawn
    @given(st.data())
    def same(data):
        cells = data.draw(tables())
        suffix = data.draw(st.sampled_from([".csv", ".tsv", ".csv.gz", ".parquet"]))
        kind = data.draw(st.sampled_from(["hist_gradient_boosting", "linear"]))
        checked.append(check(settings, cells, data.draw(later(cells)), suffix, kind))

    same()
    assert np.count_nonzero(checked) > len(checked) / 2
