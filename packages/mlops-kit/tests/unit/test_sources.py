"""Reading rows from CSV and Parquet files and scikit-learn's samples."""

import gzip
import hashlib
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlops_kit.core.config import as_set
from mlops_kit.core.errors import UserError
from mlops_kit.data import row_hash, sources
from mlops_kit.data.notes import Notes
from mlops_kit.data.settings import DataConfig

FRAME = pd.DataFrame({"a": [1, 2, 3], "b": ["x", None, "z"], "y": [0.5, 1.5, np.nan]})
CSV = FRAME.to_csv(index=False).encode()


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def read(source, **keys):
    return sources.read(DataConfig(source=source, target="y", **keys))


def read_bytes(content, name="data.csv", **keys):
    Path(name).write_bytes(content)
    return read(name, **keys)[0]


def refused(source, content=None, **keys):
    if content is not None:
        Path(source).write_bytes(content)
    with pytest.raises(UserError) as caught:
        read(source, **keys)
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence


# --- what is read ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["data.csv", "data.csv.gz", "data.parquet"])
def test_a_file_gives_its_rows_and_the_digest_of_its_bytes(name):
    if name.endswith(".parquet"):
        FRAME.to_parquet(name)
    else:
        FRAME.to_csv(name, index=False)
    frame, digest = read(name)
    pd.testing.assert_frame_equal(frame, FRAME, check_dtype=False)
    assert digest == hashlib.sha256(Path(name).read_bytes()).hexdigest()


def test_decimal_commas_are_read_when_named():
    frame = read_bytes(b"a;y\n1,5;0\n20;1\n", delimiter=";", decimal=",")
    assert frame["a"].tolist() == [1.5, 20.0]


@pytest.mark.parametrize("name", sources.SAMPLES)
def test_a_sample_is_read_and_has_the_same_digest_each_time(name):
    frame, digest = read(f"sklearn:{name}")
    assert "target" in frame
    assert read(f"sklearn:{name}")[1] == digest


def test_one_changed_byte_changes_the_digest():
    Path("data.csv").write_bytes(CSV)
    Path("other.csv").write_bytes(CSV.replace(b"1", b"7", 1))
    assert read("data.csv")[1] != read("other.csv")[1]


@pytest.mark.parametrize("encoding", ["utf-8", "UTF8", "utf-8-sig"])
@pytest.mark.parametrize("header", ["y,a", '"y",a'])
def test_a_byte_order_mark_as_excel_writes_it_is_no_part_of_a_name(header, encoding):
    frame = read_bytes(f"{header}\n1,2\n".encode("utf-8-sig"), encoding=encoding)
    assert list(frame) == ["y", "a"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_end_is_read(end):
    assert read_bytes(f"a,y{end}1,2{end}3,4{end}".encode()).to_numpy().tolist() == [[1, 2], [3, 4]]


def test_quotes_hold_delimiters_line_ends_and_quotes():
    frame = read_bytes(b'"a, b",y\n"1, ""2""\n3",4\n')
    assert list(frame) == ["a, b", "y"]
    assert frame.loc[0, "a, b"] == '1, "2"\n3'


def test_names_may_hold_any_characters():
    names = ["Größe (cm)", "名前", "a b", "a.b", "$x$", "x=1", "🙂", "'", "target[0]"]
    line = ",".join(names)
    assert list(read_bytes(f"{line}\n{','.join('1' * len(names))}\n".encode())) == names


def test_delimiter_encoding_and_missing_texts_are_the_configured_ones():
    content = "Größe;y\n?;1\nsüß;unknown\n".encode("cp1252")
    keys = {"delimiter": ";", "encoding": "cp1252", "missing_values": ["?", "unknown"]}
    frame = read_bytes(content, **keys)
    assert frame["Größe"].isna().tolist() == [True, False]
    assert frame["y"].isna().tolist() == [False, True]


@pytest.mark.parametrize("delimiter", ["\t", "|", ";", " ", "~"])
def test_any_character_may_separate_fields(delimiter):
    frame = read_bytes(f"a{delimiter}y\n1{delimiter}2\n".encode(), delimiter=delimiter)
    assert frame.to_dict("list") == {"a": [1], "y": [2]}


def test_blank_lines_above_the_header_are_skipped():
    assert list(read_bytes(b"\n\na,y\n1,2\n")) == ["a", "y"]


def test_only_a_named_parquet_index_is_a_column():
    FRAME.set_index(pd.Index(["r", "s", "t"])).to_parquet("data.parquet")
    frame, _ = read("data.parquet")
    assert list(frame) == ["a", "b", "y"]
    assert list(frame.index) == [0, 1, 2]
    FRAME.set_index(pd.Index(["r", "s", "t"], name="id")).to_parquet("data.parquet")
    assert sorted(read("data.parquet")[0]) == ["a", "b", "id", "y"]


# --- what is refused ------------------------------------------------------------------------------


def test_a_missing_file_is_reported_with_where_paths_start():
    sentence = refused("data/nope.csv")
    assert sentence == "data.source data/nope.csv not found (paths start at the repository)"


def test_an_empty_folder_is_reported():
    Path("data.csv").mkdir()
    assert refused("data.csv") == "data.source data.csv is a folder without a file"


@pytest.mark.parametrize("source", ["data.xlsx", "data", "", "data.CSVX", "https://x/data.html"])
def test_unknown_kind_of_source_is_refused_with_the_accepted_ones(source):
    sentence = refused(source)
    assert sentence.startswith(
        f"data.source is {source!r}; accepted: sklearn:NAME, sql:PATH.sql, or a path"
    )


def test_an_unknown_sample_is_reported_with_the_closest():
    sentence = refused("sklearn:brest_cancer")
    assert "accepted: sklearn: and one of breast_cancer, diabetes, iris, wine" in sentence
    assert sentence.endswith("(did you mean 'breast_cancer'?)")


@pytest.mark.parametrize("source", ["s3://data.csv", "s3:///data.csv"])
def test_s3_url_without_bucket_or_key_is_refused_offline(source):
    assert refused(source) == f"data.source is {source!r}; accepted: s3://BUCKET/KEY"


@pytest.mark.parametrize("content", [b"", b"\n\n\n", b"\xef\xbb\xbf", b"   \n"])
def test_an_empty_file_is_reported(content):
    assert refused("data.csv", content) == ("data.csv is empty: a line of column names is expected")


def test_a_header_alone_has_no_rows():
    assert refused("data.csv", b"a,b,y\n") == "data.csv has no rows"
    FRAME.head(0).to_parquet("data.parquet")
    assert refused("data.parquet") == "data.parquet has no rows"


@pytest.mark.parametrize("used", [";", "\t", "|"])
def test_the_wrong_delimiter_is_reported_with_the_right_one(used):
    sentence = refused("data.csv", f"a{used}b{used}y\n1{used}2{used}3\n".encode())
    assert sentence == (
        f"data.csv has one column under data.delimiter ',' but 3 under {used!r}:"
        f" {as_set({'data.delimiter': used})}"
    )


def test_the_wrong_encoding_is_reported_with_another_to_try():
    sentence = refused("data.csv", "name,y\nMüller,1\n".encode("cp1252"))
    assert sentence.startswith("data.csv is not utf-8: ")
    assert sentence.endswith('; try SET="data.encoding=cp1252"')


def test_utf_16_is_recognised_by_its_first_bytes():
    sentence = refused("data.csv", "name,y\nMüller,1\n".encode("utf-16"))
    assert sentence.endswith('; try SET="data.encoding=utf-16"')
    assert list(read_bytes("name,y\nMüller,1\n".encode("utf-16"), encoding="utf-16")) == [
        "name",
        "y",
    ]


@pytest.mark.parametrize("encoding", ["utf-9", "base64", "rot13"])
def test_an_unknown_encoding_is_reported(encoding):
    sentence = refused("data.csv", CSV, encoding=encoding)
    assert sentence.startswith(f"data.encoding is {encoding!r}; accepted: a text encoding")


def _broken_gz():
    whole = gzip.compress(b"a,y\n" + b"".join(b"%d,%d\n" % (i, i * i) for i in range(5000)))
    return {
        "cut off": whole[: len(whole) // 2],
        "not compressed": CSV,
        "changed": whole[:100] + bytes(255 - byte for byte in whole[100:200]) + whole[200:],
        "checksum": whole[:-8] + b"\0" * 8,
        "header only": whole[:10],
    }


@pytest.mark.parametrize("kind", list(_broken_gz()))
def test_a_broken_gz_is_reported(kind):
    assert refused("data.csv.gz", _broken_gz()[kind]).startswith("data.csv.gz is not CSV: ")


def _broken_parquet():
    FRAME.to_parquet("whole.parquet")
    whole = Path("whole.parquet").read_bytes()
    return {
        "cut off": whole[:-20],
        "text": CSV,
        "empty": b"",
        "magic only": b"PAR1" + b"\0" * 40 + b"PAR1",
        "footer changed": whole[:-60] + b"\xff" * 40 + whole[-20:],
    }


@pytest.mark.parametrize("kind", ["cut off", "text", "empty", "magic only", "footer changed"])
def test_a_broken_parquet_file_is_reported(kind):
    assert refused("data.parquet", _broken_parquet()[kind]).startswith("data.parquet is not Parq")


def test_two_columns_of_one_name_are_reported():
    sentence = refused("data.csv", b"a,b,a,y\n1,2,3,4\n")
    assert sentence == "data.csv has more than one column named 'a'"
    sentence = refused("data.csv", "a,a,y\n1,2,3\n".encode("utf-8-sig"))
    assert sentence == "data.csv has more than one column named 'a'"
    assert "more than one column named ''" in refused("data.csv", b"a,y,,\n1,2,,\n")


def test_two_columns_of_one_name_in_parquet_are_reported():
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table([pa.array([1]), pa.array([2]), pa.array([3])], names=["a", "a", "y"])
    pq.write_table(table, "data.parquet")
    assert "'a'" in refused("data.parquet")


def test_a_row_with_too_many_fields_is_reported_with_its_line():
    sentence = refused("data.csv", b"a,y\n1,2\n1,2,3\n")
    assert sentence.startswith("data.csv is not CSV: ")
    assert "line 3" in sentence


def test_rows_that_all_have_more_fields_than_the_header_are_reported():
    sentence = refused("data.csv", b"a,y\nr1,1,2\nr2,3,4\n")
    assert sentence == "data.csv has rows of more fields than its header names (2)"


def test_a_quote_that_never_closes_is_reported():
    assert refused("data.csv", b'a,y\n1,2\n"3,4\n').startswith("data.csv is not CSV: ")


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read every file"
)
def test_unreadable_file_raises_os_error():
    Path("data.csv").write_bytes(CSV)
    Path("data.csv").chmod(0)
    with pytest.raises(PermissionError, match=r"data\.csv"):
        read("data.csv")


@pytest.mark.parametrize("name", ["data.csv", "data.csv.gz", "data.parquet"])
def test_random_bytes_end_in_a_sentence(name):
    generator = np.random.default_rng(0)
    for length in (1, 10, 1000, 100_000):
        refused(name, generator.integers(128, 256, length, dtype=np.uint8).tobytes())


@pytest.mark.parametrize("name", ["data.csv", "data.parquet"])
def test_dropped_column_counts_for_the_row_hash(name):
    FRAME.to_parquet(name) if name.endswith(".parquet") else FRAME.to_csv(name, index=False)
    found = row_hash.Content()
    frame, _ = sources.read(DataConfig(source=name, target="y", drop=["a"]), found)
    assert list(frame) == ["b", "y"]
    assert found.names == ["a", "b", "y"]
    target = np.zeros(len(frame))
    expected = row_hash.of(read(name)[0]).numbers(target, 0)
    np.testing.assert_array_equal(found.numbers(target, 0), expected)


def test_a_sample_names_its_classes():
    frame, _ = read("sklearn:breast_cancer")
    assert set(frame["target"]) == {"benign", "malignant"}
    assert (frame["target"] == "benign").sum() == 357


# --- layouts of CSV, and more than one file --------------------------------------------------------


@pytest.mark.parametrize("name", ["d.CSV", "d.tsv", "d.TSV.GZ", "d.txt", "d.Parquet", "d.csv.Gz"])
def test_kind_of_a_file_follows_its_name_in_any_case(name):
    if name.lower().endswith(".parquet"):
        FRAME.to_parquet(name)
    else:
        sep = "\t" if ".tsv" in name.lower() else ","
        text = FRAME.to_csv(index=False, sep=sep).encode()
        Path(name).write_bytes(gzip.compress(text) if name.lower().endswith(".gz") else text)
    pd.testing.assert_frame_equal(read(name)[0], FRAME, check_dtype=False)


@pytest.mark.parametrize("line", [b"sep=;\n", b'"sep=;"\r\n', b"SEP=;\n"])
def test_excels_sep_line_sets_the_delimiter(line):
    assert read_bytes(line + b"a;y\n1,5;2\n", decimal=",").to_dict("list") == {"a": [1.5], "y": [2]}


def test_lines_above_the_header_are_skipped():
    assert read_bytes(b'Report "x\nof May\na,y\n1,2\n', skip_rows=2).to_dict("list") == {
        "a": [1],
        "y": [2],
    }


def test_lines_that_begin_as_comments_are_left_out_and_no_others():
    content = b'# made by hand\na,y\nC#,1\n#x,9\n"two\n# lines",2\n'
    frame = read_bytes(content, comment="#")
    assert frame.to_dict("list") == {"a": ["C#", "two\n# lines"], "y": [1, 2]}


def test_fields_in_quotes_may_stand_behind_blanks():
    frame = read_bytes(b'a, b, y\n1, "x, y", 2\n3, z, 4\n')
    assert frame.to_dict("list") == {"a": [1, 3], "b": ["x, y", "z"], "y": [2, 4]}


def parts(folder, suffix):
    """Write FRAME twice into a folder as Spark does, in two files."""
    Path(folder).mkdir()
    for number in (0, 1):
        path = Path(folder, f"part-0000{number}{suffix}")
        if suffix == ".parquet":
            FRAME.to_parquet(path)
        else:
            path.write_bytes(CSV.rstrip() if number == 0 else b"\n" + CSV)
    Path(folder, "_SUCCESS").touch()
    Path(folder, ".part-00000.crc").touch()


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("source", ["t", "t/part-*", "./t/part-0000[01].*"])
def test_a_folder_or_a_pattern_is_all_its_files_one_after_another(suffix, source):
    parts("t", suffix)
    frame, digest = read(source)
    expected = pd.concat([FRAME, FRAME], ignore_index=True)
    pd.testing.assert_frame_equal(frame, expected, check_dtype=False)
    Path("t", f"part-00001{suffix}").unlink()
    assert read(source)[1] != digest


def test_what_a_column_holds_is_decided_over_all_files():
    Path("t").mkdir()
    Path("t/a.csv").write_text("k,y\n007,1\n")
    Path("t/b.csv").write_text("k,y\nx7,1\n")
    assert read("t")[0]["k"].tolist() == ["007", "x7"]


@pytest.mark.parametrize(
    ("files", "source", "sentence"),
    [
        ({"t/a.csv": "a,y\n", "t/b.csv": "a,z\n"}, "t", "b.csv has other columns than a.csv: y, z"),
        ({"t/a.csv": "a,y\n", "t/b.csv": "y,a\n"}, "t", "other columns than a.csv: another order"),
        ({"t/a.csv": "a,y\n", "t/b.parquet": "x"}, "t", "files of CSV and of Parquet"),
        ({"t/a.csv": "a,y\n", "t/b.xlsx": "x"}, "t", "'t: b.xlsx'; accepted"),
        ({"t/year=2020/a.csv": "a,y\n"}, "t", "the folder 'year=2020', and the values in its name"),
        ({"t/a.csv": "a,y\n"}, "t/*.parquet", "t/*.parquet matches no file"),
    ],
)
def test_files_that_are_no_one_table_are_refused(files, source, sentence):
    for name, text in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)
    assert sentence in refused(source)


def test_a_target_that_is_missing_says_why():
    notes = Notes()
    content = b"a,y\n1,None\n2,Some\n3, NA\n4,None\n"
    Path("data.csv").write_bytes(content)
    sources.read(DataConfig(source="data.csv", target="y"), notes=notes)
    assert notes[0] == notes.on_missing_target
    assert notes[0].startswith(
        "values of the target that mean missing: 'None' (2), 'NA' (1); where"
    )
    assert read_bytes(content, missing_values=[])["y"].tolist() == ["None", "Some", "NA", "None"]


def test_a_target_with_gaps_keeps_its_numbers():
    assert read_bytes(b"a,y\n1,3\n2,NA\n3,5\n")["y"].tolist()[::2] == [3, 5]
    texts = read_bytes(b"a,y\n1,03\n2,NA\n3,05\n", categorical=["y"])["y"]
    assert texts.tolist()[::2] == ["03", "05"]
