"""Batches of files, how a text is read whatever its neighbours are, and the files that scoring writes."""

import gzip
import json
import random
import signal
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import skops.io
from pyarrow import parquet
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from mlops_kit.artifact import folder as model_folder
from mlops_kit.artifact.encoding import Encoder
from mlops_kit.artifact.predictor import load
from mlops_kit.artifact.row_values import parsed
from mlops_kit.core.errors import UserError
from mlops_kit.core.values import MISSING
from mlops_kit.data import Columns, batches
from mlops_kit.data.settings import DataConfig
from mlops_kit.serving import batch_predictions, scoring

COLUMNS = [
    {"name": "age", "kind": "numeric", "missing": True},
    {"name": "code", "kind": "categorical", "missing": True}
    | {"categories": ["1", "2.5", "30"], "codes": [0.0, 1.0, 2.0]}
    | {"missing_code": -2.0, "unseen_code": None}
    | {"means": [[0.1, 0.9], [0.2, 0.8], [0.3, 0.7]]}
    | {"missing_mean": [0.4, 0.6], "unseen_mean": [0.5, 0.5]},
    {"name": "smoker", "kind": "boolean", "missing": True},
    {"name": "region", "kind": "categorical", "missing": False}
    | {"categories": ["north", "1", "01"], "means": [[7.5], [8.5], [9.5]]}
    | {"missing_mean": [8.0], "unseen_mean": [8.25]},
    {"name": "joined", "kind": "date", "missing": True, "format": None}
    | {"parts": ["days since 1970", "month", "day", "weekday", "hour"]},
    {"name": "born", "kind": "date", "missing": True, "format": "%d/%m/%Y"}
    | {"parts": ["days since 1970", "day"]},
]
WIDTH = 13
NAMES = [column["name"] for column in COLUMNS]
ROW = {
    "age": "41.5",
    "code": "1",
    "smoker": "true",
    "region": "north",
    "joined": "2020-05-01T07:30",
    "born": "24/12/1980",
}


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def config(**keys):
    return DataConfig(source="train.csv", target="y", **keys)


@pytest.fixture
def model(tmp_path_factory):
    """Write a model folder as `make export` does, without a training; the classes are the labels."""

    def make(classes=(0, 1)):
        folder = tmp_path_factory.mktemp("model")
        draw = np.random.default_rng(0)
        rows, picked = draw.normal(size=(60, WIDTH)), draw.integers(0, max(1, len(classes)), 60)
        picked[: len(classes)] = range(len(classes))
        kind = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
        fitted = kind(max_iter=5).fit(rows, picked if classes else rows[:, 0])
        skops.io.dump(fitted, folder / "model.skops")
        card = {
            "registered_model": "own",
            "version": "3",
            "format": "skops",
            "classes": list(classes),
            "derived": [],
            "columns": COLUMNS,
            "missing_values": list(MISSING),
        }
        (folder / "model.json").write_text(json.dumps(card))
        sums = model_folder.sums(folder, ["model.skops", "model.json"])
        (folder / "SHA256SUMS").write_text(sums)
        return folder

    return make


def csv_file(*rows, name="new.csv", delimiter=",", encoding="utf-8"):
    """Write rows that differ from ROW in what is given; keys that ROW lacks are further columns."""
    lines = [{**ROW, **row} for row in rows]
    frame = pd.DataFrame(lines or [ROW], dtype=object).iloc[: len(lines)]
    frame.to_csv(name, index=False, sep=delimiter, encoding=encoding)
    return name


def read(name, most_rows=0, **keys):
    """Return the rows of a file as the model takes them."""
    settings = config(**keys).model_copy(update={"source": name})
    card = {"columns": COLUMNS, "missing_values": settings.missing_values}
    columns = batch_predictions.columns(SimpleNamespace(card=card), settings)
    table = batches.open_table([Path(name)], settings)
    parts = [columns.coerce(batch.values) for batch in table.batches(columns.kinds, most_rows)]
    return pd.concat(parts, ignore_index=True)


def score(folder, data="new.csv", out="scores.csv", most_rows=0, **keys):
    return scoring.score(config(**keys), data, out, folder, most_rows)


def refused(folder, data="new.csv", out="scores.csv", most_rows=0, **keys):
    before = sorted(Path().iterdir())
    with pytest.raises(UserError) as caught:
        score(folder, data, out, most_rows, **keys)
    assert sorted(Path().iterdir()) == before  # nothing half-written
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- what a text means does not depend on its neighbours ------------------------------------------


@pytest.mark.parametrize(
    ("column", "texts", "expected"),
    [
        ("age", ["1", "2", "", "2.5", "NA", "-3e2", " 7 "], [1, 2, np.nan, 2.5, np.nan, -300, 7]),
        ("age", ["inf", "-inf", "1"], [np.nan, np.nan, 1]),
        ("code", ["1", "1.0", "01", "x", "", "2.50"], ["1", "1", "01", "x", np.nan, "2.50"]),
        ("region", ["1", "1.0", "01", "x", "None"], ["1", "1", "01", "x", np.nan]),
        ("smoker", ["1", "0", "", "true", "FALSE", "1.0"], [1, 0, np.nan, 1, 0, 1]),
        (
            "joined",
            ["2020-01-01", "", "2020-01-01T01:00+01:00", "9999-12-31"],
            np.array(["2020-01-01", "NaT", "2020-01-01", "9999-12-31"], "M8[us]"),
        ),
        ("born", ["01/02/2020", ""], np.array(["2020-02-01", "NaT"], "M8[us]")),
    ],
)
@pytest.mark.parametrize("most_rows", [1, 2, 3, 100])
def test_a_batch_does_not_change_what_a_text_means(column, texts, expected, most_rows):
    name = csv_file(*({column: text} for text in texts))
    found = read(name, most_rows)[column]
    wanted = pd.Series(expected, dtype=found.dtype)
    pd.testing.assert_series_equal(found, wanted, check_names=False)


def test_categories_that_are_truths_are_spelled_alike():
    name = csv_file(*({"code": text} for text in ("true", "FALSE", "True", "x", "")))
    assert read(name)["code"].fillna("").tolist() == ["True", "False", "True", "x", ""]


def test_reading_settings_are_those_of_the_config():
    rows = [{"age": "?", "code": "2,5"}, {"age": "1,5", "code": "-9.0"}, {"age": "-9,00"}]
    keys = {"delimiter": ";", "decimal": ",", "encoding": "utf-16", "missing_values": ["?", "-9"]}
    found = read(csv_file(*rows, delimiter=";", encoding="utf-16"), 2, **keys)
    assert found["age"].fillna(0).tolist() == [0, 1.5, 0]
    assert found["code"].fillna("").tolist() == ["2,5", "", "1"]


def test_a_number_with_a_point_is_none_where_the_comma_is_the_mark(model):
    csv_file({"age": "1,5"}, {"age": "1.500"}, delimiter=";")
    sentence = refused(model(), delimiter=";", decimal=",")
    assert sentence == "new.csv: column 'age' is numeric but holds '1.500' in row 2"


def test_numbers_are_read_to_the_last_digit():
    draw = random.Random(0)
    texts = [repr(draw.uniform(-1, 1) * 10 ** draw.randint(-20, 20)) for _ in range(2000)]
    name = csv_file(*({"age": text} for text in texts))
    assert read(name, 300)["age"].tolist() == [float(text) for text in texts]


def test_the_matrix_is_that_of_the_service():
    draw = random.Random(0)
    choices = {
        "age": ["1", "2.5", "", "1e30", "inf"],
        "code": ["1", "01", "2.5", "7", "x", ""],
        "smoker": ["true", "false", "1", ""],
        "region": ["north", "1", "01", "south", ""],
        "joined": ["2020-05-01T07:30", "1969-12-31T23:59:59.999999", "9999-12-31", ""],
        "born": ["24/12/1980", "01/01/1970", ""],
    }
    picked = ({key: draw.choice(texts) for key, texts in choices.items()} for _ in range(300))
    rows = read(csv_file(*picked))
    columns = Columns({c["name"]: c["kind"] for c in COLUMNS}, {"born": "%d/%m/%Y"})
    expected = Encoder(COLUMNS, []).matrix(parsed(columns, rows))
    found = batch_predictions.matrix(COLUMNS, [], rows, batch_predictions.New())
    assert found.shape == (300, WIDTH)
    np.testing.assert_array_equal(found, expected)


# --- what is written ------------------------------------------------------------------------------


MIXED = [
    {"id": "007", "note": "NA", "age": "40"},
    {"id": "08", "note": 'a "b", c\nd', "age": "", "smoker": "0", "code": "01"},
    {"id": "1.10", "note": "", "age": "1.50", "region": "", "code": "7"},
] * 5


@pytest.mark.parametrize("out", ["scores.csv", "deep/er/scores.csv.gz", "scores.parquet"])
def test_batches_leave_no_trace_in_what_is_written(model, out):
    folder, name = model(), csv_file(*MIXED)
    score(folder, name, out)
    opened = gzip.decompress if out.endswith(".gz") else bytes
    whole = Path(out).read_bytes()
    score(folder, name, out, most_rows=7)
    if out.endswith(".parquet"):
        again = Path(out).read_bytes()
        assert parquet.read_table(pa.BufferReader(again)).equals(
            parquet.read_table(pa.BufferReader(whole))
        )
    else:
        assert opened(Path(out).read_bytes()) == opened(whole)
    assert [path.name for path in Path(out).parent.iterdir() if path.name.startswith(".")] == []


def test_what_came_in_goes_out_as_it_was(model):
    score(model(), csv_file(*MIXED))
    read_as_text = {"dtype": str, "na_filter": False}
    before, after = (pd.read_csv(name, **read_as_text) for name in ("new.csv", "scores.csv"))
    assert list(after)[len(before.columns) :] == ["prediction", "probability_0", "probability_1"]
    pd.testing.assert_frame_equal(after[list(before)], before)


@pytest.mark.parametrize(
    ("classes", "names", "kind"),
    [
        ([3, 5, 9], ["probability_3", "probability_5", "probability_9"], pa.int64()),
        ([False, True], ["probability_false", "probability_true"], pa.bool_()),
        (["no", "Jä, so"], ["probability_no", "probability_Jä, so"], pa.string()),
        ([], [], pa.float64()),
    ],
)
def test_answers_have_the_types_and_names_of_the_labels(model, classes, names, kind):
    folder = model(classes)
    score(folder, csv_file(*MIXED), "scores.parquet")
    table = parquet.read_table("scores.parquet")
    assert table.schema.names[8:] == ["prediction", *names]
    assert table.schema.field("prediction").type == kind
    if classes:
        probabilities = table.select(names).to_pandas().to_numpy()
        np.testing.assert_allclose(probabilities.sum(axis=1), 1)
        best = [classes[place] for place in probabilities.argmax(axis=1)]
        assert table["prediction"].to_pylist() == best
    score(folder, "new.csv", "scores.csv")
    texts = pd.read_csv("scores.csv", dtype=str)["prediction"].tolist()
    assert texts == [str(answer) for answer in table["prediction"].to_pylist()]


def test_from_csv_parquet_gets_the_kinds_of_the_model_and_else_text(model):
    score(model(), csv_file(*MIXED[:3]), "scores.parquet")
    table = parquet.read_table("scores.parquet")
    assert {field.name: str(field.type) for field in table.schema} == {
        **{"age": "double", "code": "string", "smoker": "bool", "region": "string"},
        **{"joined": "timestamp[us]", "born": "timestamp[us]", "id": "string", "note": "string"},
        **{"prediction": "int64", "probability_0": "double", "probability_1": "double"},
    }
    assert table["age"].to_pylist() == [40, None, 1.5]
    assert table["smoker"].to_pylist() == [True, False, True]
    assert table["code"].to_pylist() == ["1", "01", "7"]
    assert table["id"].to_pylist() == ["007", "08", "1.10"]
    assert table["note"].to_pylist() == ["NA", 'a "b", c\nd', None]


def arrow_rows():
    day = pd.Timestamp("2020-05-01 07:30")
    return pa.table(
        {
            "age": pa.array([Decimal("41.5"), None, Decimal("3.0")], pa.decimal128(5, 1)),
            "code": pa.array([1, None, 30], pa.int8()),
            "smoker": [True, None, False],
            "region": pa.array(["north", "1", "north"]).dictionary_encode(),
            "joined": pa.array([day, None, day], pa.timestamp("ns", "Europe/Paris")),
            "born": pa.array(["24/12/1980", "01/01/1970", None]),
            "count": pa.array([1, None, 2**60 + 1]),
            "list": [[1], None, [2, 3]],
            "small": pa.array([0.1, float("nan"), None], pa.float32()),
        }
    )


def test_parquet_keeps_its_types_whatever_a_batch_lacks(model):
    folder = model()
    parquet.write_table(arrow_rows(), "new.parquet")
    score(folder, "new.parquet", "scores.parquet", most_rows=1)
    table = parquet.read_table("scores.parquet")
    kept = table.drop(["prediction", "probability_0", "probability_1"])
    assert kept.schema == arrow_rows().schema
    assert str(kept.to_pylist()) == str(arrow_rows().to_pylist())
    score(folder, "new.parquet", "scores.csv", most_rows=1)
    one_by_one = Path("scores.csv").read_bytes()
    score(folder, "new.parquet", "scores.csv")
    assert Path("scores.csv").read_bytes() == one_by_one
    texts = pd.read_csv("scores.csv", dtype=str, na_filter=False)
    assert texts["count"].tolist() == ["1", "", str(2**60 + 1)]
    assert texts["small"].tolist() == ["0.1", "", ""]
    assert texts["smoker"].tolist() == ["True", "", "False"]
    answers = [float(text) for text in texts["probability_0"]]
    assert answers == table["probability_0"].to_pylist()


def test_csv_and_parquet_of_the_same_rows_get_the_same_answers(model):
    folder = model()
    parquet.write_table(arrow_rows().drop(["count", "list", "small"]), "new.parquet")
    lines = [
        {"joined": "2020-05-01T07:30Z"},
        dict.fromkeys(ROW, "") | {"region": "1", "born": "01/01/1970"},
        {"age": "3", "code": "30", "smoker": "false", "joined": "2020-05-01T07:30Z", "born": ""},
    ]
    score(folder, csv_file(*lines), "from_csv.csv")
    score(folder, "new.parquet", "from_parquet.csv")
    answers = [
        pd.read_csv(name)[["prediction", "probability_0", "probability_1"]]
        for name in ("from_csv.csv", "from_parquet.csv")
    ]
    pd.testing.assert_frame_equal(*answers)


def test_an_unnamed_index_in_parquet_is_no_column(model):
    arrow_rows().to_pandas().set_index(pd.Index([5, 6, 9])).to_parquet("new.parquet")
    score(model(), "new.parquet", "scores.parquet")
    assert parquet.read_schema("scores.parquet").names[0] == "age"
    assert list(pd.read_parquet("scores.parquet").index) == [0, 1, 2]


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet"])
@pytest.mark.parametrize("out", ["scores.csv", "scores.parquet"])
def test_no_rows_in_are_no_rows_out(model, suffix, out):
    name = csv_file(name=f"new{suffix}") if suffix != ".parquet" else "new.parquet"
    if suffix == ".parquet":
        parquet.write_table(arrow_rows().slice(0, 0), name)
    assert score(model(), name, out).rows == 0
    frame = pd.read_csv(out) if out.endswith(".csv") else pd.read_parquet(out)
    assert len(frame) == 0
    assert list(frame)[-3:] == ["prediction", "probability_0", "probability_1"]


def test_csv_is_written_as_it_is_read(model):
    keys = {"delimiter": ";", "decimal": ",", "encoding": "cp1252"}
    name = csv_file({"age": "1,5", "Größe": "süß"}, delimiter=";", encoding="cp1252")
    score(model(), name, **keys)
    frame = pd.read_csv("scores.csv", sep=";", decimal=",", encoding="cp1252")
    assert frame.loc[0, ["age", "Größe"]].tolist() == [1.5, "süß"]
    assert 0 < frame.loc[0, "probability_0"] < 1


def test_what_training_did_not_see_is_scored_and_counted(model):
    rows = [{"region": "", "code": "8"}, {"region": "x", "code": ""}, {"region": ""}]
    done = score(model(), csv_file(*rows), most_rows=2)
    assert done.rows == 3
    assert done.notes() == [
        "2 values are missing where training saw none missing (region 2)",
        "2 values are categories that training did not see (code 1, region 1)",
    ]
    assert score(model(), csv_file({})).notes() == []


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "text", "sentence"),
    [
        ("age", "abc", "column 'age' is numeric but holds 'abc' in row 12"),
        ("age", "True", "column 'age' is numeric but holds 'True' in row 12"),
        ("age", "1e39", "column 'age' holds 1e+39, accepted are numbers up to 3.4e+38, in row 12"),
        ("smoker", "2", "column 'smoker' is boolean but holds '2' in row 12"),
        ("joined", "01/02/2020", "column 'joined' is date but holds '01/02/2020' in row 12"),
        ("born", "2020-02-01", "column 'born' is date but holds '2020-02-01' in row 12"),
    ],
)
@pytest.mark.parametrize("most_rows", [1, 5, 100])
def test_wrong_value_has_its_row_in_the_file(model, column, text, sentence, most_rows):
    csv_file(*[{}] * 11, {column: text}, {}, {column: text})
    assert refused(model(), most_rows=most_rows) == f"new.csv: {sentence}"


def test_wrong_value_in_parquet_has_its_row_in_the_file(model):
    wrong = arrow_rows().to_pandas().assign(joined="2020-05-01", age=["1", "2", "x"])
    wrong.to_parquet("new.parquet")
    sentence = refused(model(), "new.parquet", most_rows=2)
    assert sentence == "new.parquet: column 'age' is numeric but holds 'x' in row 3"


@pytest.mark.parametrize(
    ("data", "out", "sentence"),
    [
        (
            "",
            "o.csv",
            "DATA is not set; accepted: a .csv, .tsv, .txt (each also .gz) or .parquet file",
        ),
        (
            "new.csv",
            "",
            "OUT is not set; accepted: a .csv, .tsv, .txt (each also .gz) or .parquet file",
        ),
        ("a.xls", "o.csv", "DATA is 'a.xls'; accepted: a path or s3:// URL that ends in .csv"),
        (
            "new.csv",
            "o.xls",
            "OUT is 'o.xls'; accepted: a .csv, .tsv, .txt (each also .gz) or .parquet file",
        ),
        ("no.csv", "o.csv", "DATA no.csv not found (paths start at the repository)"),
        ("new.csv", "new.csv", "OUT is 'new.csv', which is DATA itself; accepted: another file"),
        ("new.csv", "link.csv", "OUT is 'link.csv', which is DATA itself; accepted: another file"),
        ("new.csv", "dir.csv", "OUT is 'dir.csv'; accepted: a path to a .csv, .tsv, .txt (each"),
        ("new.csv", "s3://b/o.csv", "OUT is 's3://b/o.csv'; accepted: a path to a .csv, .tsv"),
        ("s3://new.csv", "o.csv", "DATA is 's3://new.csv'; accepted: s3://BUCKET/KEY"),
        ("broken.csv.gz", "o.csv", "broken.csv.gz is not CSV: "),
        ("cut.csv.gz", "o.csv", "cut.csv.gz is not CSV: "),
        ("broken.parquet", "o.csv", "broken.parquet is not Parquet: "),
        ("latin.csv", "o.csv", "latin.csv is not utf-8: "),
        ("more.csv", "o.csv", "more.csv is not CSV: "),
        ("index.csv", "o.csv", "index.csv has rows of more fields than its header names (6)"),
        ("twice.csv", "o.csv", "twice.csv has more than one column named 'age'"),
        ("empty.csv", "o.csv", "empty.csv is empty: a line of column names is expected"),
        ("scored.csv", "o.csv", "DATA scored.csv has a column 'probability_1' already, the name"),
    ],
)
def test_unusable_files_are_refused(model, data, out, sentence):
    csv_file({})
    whole = Path("new.csv").read_bytes()
    Path("link.csv").symlink_to("new.csv")
    Path("dir.csv").mkdir()
    Path("broken.csv.gz").write_bytes(b"no gz")
    lines = [{"age": str(number)} for number in range(9999)]
    csv_file(*lines, name="cut.csv.gz")
    Path("cut.csv.gz").write_bytes(Path("cut.csv.gz").read_bytes()[:-2000])
    Path("broken.parquet").write_bytes(b"PAR1 or not")
    csv_file({}, {"region": "süd"}, name="latin.csv", encoding="latin-1")
    Path("more.csv").write_bytes(whole * 2 + b",,,,,,,,,\n")
    Path("index.csv").write_bytes(whole.replace(b"\n41", b"\n1,41"))
    Path("twice.csv").write_text("age,age\n1,2\n")
    Path("empty.csv").touch()
    csv_file({"probability_1": "1"}, name="scored.csv")
    assert refused(model(), data, out).startswith(sentence)


def test_missing_columns_are_named_with_the_closest(model):
    Path("new.csv").write_text("Age,smoker,region,joined,born\n1,true,north,,\n")
    assert refused(model()) == (
        "DATA new.csv lacks the columns that own version 3 takes: 'age' (did you mean 'Age'?), 'code'"
    )


def test_a_manifest_of_another_release_is_a_sentence(model):
    folder = model()
    card = json.loads((folder / "model.json").read_text())
    card["columns"][0]["kind"] = "duration"
    del card["classes"]
    (folder / "model.json").write_text(json.dumps(card))
    (folder / "SHA256SUMS").write_text(model_folder.sums(folder, ["model.skops", "model.json"]))
    csv_file({})
    assert "model.skops cannot be loaded here" in refused(folder)


def test_a_changed_model_is_refused(model):
    folder = model()
    (folder / "model.json").write_text((folder / "model.json").read_text() + " ")
    csv_file({})
    assert "model.json was changed after its export" in refused(folder)


@pytest.mark.parametrize("encoding", ["utf-9", "base64"])
def test_unwritable_encoding_is_refused(model, encoding):
    parquet.write_table(arrow_rows(), "new.parquet")
    sentence = refused(model(), "new.parquet", encoding=encoding)
    assert sentence.startswith(f"data.encoding is {encoding!r}; accepted: a text encoding")


def test_text_outside_the_encoding_is_refused(model):
    table = arrow_rows().append_column("name", pa.array(["a", "名前", "b"]))
    parquet.write_table(table, "new.parquet")
    assert refused(model(), "new.parquet", encoding="cp1252") == (
        "OUT scores.csv is written in data.encoding 'cp1252', which has no '名前': give"
        " SET=data.encoding=utf-8, or an OUT that ends in .parquet"
    )


@pytest.mark.parametrize("out", ["scores.csv", "scores.parquet"])
@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_a_prediction_that_is_not_finite_is_refused_with_its_row(model, monkeypatch, value, out):
    folder, name = model(classes=()), csv_file({}, {}, {}, {"age": "777"}, {})
    loaded = load(folder)
    loaded.form = lambda rows: np.where((rows == 777).any(axis=1, keepdims=True), value, 1.0)
    monkeypatch.setattr(scoring, "load", lambda _: loaded)
    assert refused(folder, name, out, most_rows=3).endswith(" in row 4")


def test_rows_that_scikit_learn_refuses_are_named(model, monkeypatch):
    def refuses(_rows):
        raise ValueError("Input X contains infinity\nor a value too large")

    folder, name = model(), csv_file({}, {})
    loaded = load(folder)
    loaded.form = refuses
    monkeypatch.setattr(scoring, "load", lambda _: loaded)
    assert refused(folder, name).startswith("new.csv: rows 1 to 2 cannot be predicted: Input X")


def test_an_error_leaves_the_earlier_file_and_the_handlers_of_signals(model):
    Path("scores.csv").write_text("earlier")
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    csv_file(*[{}] * 9, {"age": "abc"})
    refused(model(), most_rows=2)
    assert Path("scores.csv").read_text() == "earlier"
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
