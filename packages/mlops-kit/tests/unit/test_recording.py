"""What the service keeps of rows and answers: bounded, without private values, and never in the way."""

import datetime
import json
import os
import random
import re
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from pyarrow import parquet

from mlops_kit.core.errors import UserError
from mlops_kit.data import Columns
from mlops_kit.monitoring import drift, recorded_rows
from mlops_kit.monitoring.span import Span
from mlops_kit.serving import recorder as recording
from mlops_kit.serving.metrics import Measures
from mlops_kit.serving.recorder import Recorder
from mlops_kit.serving.settings import RecordConfig

COLUMNS = [
    {"name": "age", "kind": "numeric", "missing": True, "minimum": 18.0, "maximum": 90.0},
    {"name": "never", "kind": "numeric", "missing": True, "minimum": None, "maximum": None},
    {
        "name": "city.of birth",
        "kind": "categorical",
        "missing": False,
        "categories": ["Bonn", "Ulm"],
    },
    {"name": "member", "kind": "boolean", "missing": True},
    {
        "name": "joined",
        "kind": "date",
        "missing": True,
        "minimum": "2020-01-01T00:00:00",
        "maximum": "2020-12-31T00:00:00",
    },
]
CARD = {
    "registered_model": "m",
    "version": "7",
    "run_id": "r",
    "columns": COLUMNS,
    "classes": ["no", "yes"],
    "derived": [],
    "parity": {"scale": 1.0},
}
KINDS = Columns({column["name"]: column["kind"] for column in COLUMNS})
NAMES = list(KINDS.kinds)
EVER = Span(
    datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc),
    datetime.datetime(2100, 1, 1, tzinfo=datetime.timezone.utc),
)
ROWS = [
    {
        "age": 40.0,
        "never": None,
        "city.of birth": "Bonn",
        "member": True,
        "joined": datetime.datetime(2020, 2, 3, 4, 5, 6, 789),
    },
    {
        "age": 1234.5,
        "never": 1.0,
        "city.of birth": "Atlantis",
        "member": None,
        "joined": datetime.datetime(9999, 12, 31),
    },
    {"age": None, "never": None, "city.of birth": "Ulm", "member": False, "joined": None},
]
ANSWER = {"prediction": "yes", "probabilities": {"no": 0.25, "yes": 0.75}}
FLAGS = {
    "age": ["seen", "unseen", "missing"],
    "never": ["missing", "unseen", "missing"],
    "city.of birth": ["seen", "unseen", "seen"],
    "member": ["seen", "missing", "seen"],
    "joined": ["seen", "unseen", "missing"],
}


@pytest.fixture
def measures():
    return Measures(CARD)


@pytest.fixture
def recorder(checkout, measures):
    """A function from settings to a recorder that was not started."""

    def make(**settings):
        return Recorder(RecordConfig(folder="kept", **settings), CARD, measures)

    return make


def by_column(rows):
    return {name: [row[name] for row in rows] for name in rows[0]}


def record(recorder, rows=ROWS, times=1):
    for number in range(times):
        recorder.offer(f"id{number}", by_column(rows), [ANSWER] * len(rows), 0.0012345)
    recorder.start()
    recorder.close()


def counted(measures):
    found = re.findall(rb"^(un)?recorded_rows_total (.*)", measures.text(), re.M)
    return tuple(int(float(count)) for _, count in found)


def files():
    return sorted(Path("kept").iterdir())


def window():
    return recorded_rows.window(files(), KINDS, "m", "7", EVER)


def test_classes_are_those_of_the_model(recorder, measures):
    record(recorder())
    assert window().classes == {"no": "no", "yes": "yes"}


def test_rows_come_back_as_they_were_from_lines_and_from_parquet(recorder, measures):
    record(recorder())
    assert counted(measures) == (3, 0)
    before = window()
    with recorded_rows.local_files("kept", EVER) as found:
        (file,) = found
        assert file.suffix == ".parquet"
        assert parquet.read_schema(file).field("prediction").type == "string"
    after = window()
    for found in (before, after):
        keys = found.keys[["request_id", "row", "seconds"]].values.tolist()
        assert keys == [["id0", n, 0.001234] for n in range(3)]
        assert (
            found.answers.to_dict("records") == [{"prediction": "yes", "no": 0.25, "yes": 0.75}] * 3
        )
        for name in NAMES:
            wanted = KINDS.coerce(pd.DataFrame(ROWS))[name]
            pd.testing.assert_series_equal(found.inputs[name], wanted, check_dtype=name != "never")
        assert (found.flags, found.damaged, len(found)) == ({}, 0, 3)


def test_a_file_that_the_service_removed_meanwhile_is_passed_over(recorder):
    record(recorder())
    (file,) = files()
    file.with_name("0-gone.jsonl").symlink_to("nowhere")  # listed, but not there when it is opened
    with recorded_rows.local_files("kept", EVER):
        assert len(window()) == 3


def test_of_private_columns_there_are_flags_only(recorder):
    record(recorder(private=NAMES))
    written = b"".join(file.read_bytes() for file in files())
    for value in (b"40.0", b"1234.5", b"Bonn", b"Atlantis", b"Ulm", b"2020-02", b"9999"):
        assert value not in written
    with recorded_rows.local_files("kept", EVER):
        found = window()
    assert found.inputs == {}
    assert {name: flags.tolist() for name, flags in found.flags.items()} == FLAGS


def test_flags_count_what_monitoring_counts_of_values(recorder):
    rows = KINDS.coerce(pd.DataFrame(ROWS))
    for column in COLUMNS:
        open_one = drift.of_values(column, rows[column["name"]])
        private = drift.of_flags(column, pd.Series(FLAGS[column["name"]]))
        assert open_one._replace(values=()) == private


def test_a_column_that_becomes_private_in_between_is_both(recorder):
    record(recorder())
    record(recorder(private=["age"]), ROWS[:2])
    found = window()
    assert len(found.inputs["age"]) == 3
    assert found.flags["age"].tolist() == ["seen", "unseen"]
    assert len(found.inputs["member"]) == 5


def test_a_share_is_drawn(recorder, measures):
    random.seed(0)
    record(recorder(share=0.25), times=400)
    kept, lost = counted(measures)
    assert lost == 0
    assert 250 < kept < 350
    assert len(set(window().keys["row"])) == 3


def test_what_is_too_much_at_once_is_counted_and_left_out(recorder, measures):
    waiting = recorder()
    for _ in range(7):
        waiting.offer("id", by_column(ROWS * 1000), [ANSWER] * 3000, 0.001)
    assert counted(measures) == (0, 3000)
    waiting.start()
    waiting.close()
    assert counted(measures) == (18000, 3000)


def test_the_oldest_files_go_and_the_folder_stays_within_its_limit(recorder):
    long = [{**ROWS[0], "city.of birth": "x" * 10_000}]
    for number in range(4):
        # Of an earlier process, turned into Parquet.
        Path("kept").mkdir(exist_ok=True)
        Path("kept", f"2020010{number}T000000-ab.parquet").write_bytes(b"x" * 300_000)
    record(recorder(megabytes=1), long, times=150)
    assert sum(file.stat().st_size for file in files()) <= 1_000_000
    assert not any(file.suffix == ".parquet" for file in files())
    assert len(files()) > 5


@pytest.mark.parametrize("goes", ["stat", "open"])
def test_files_that_others_remove_in_between_are_no_full_disk(
    recorder, measures, monkeypatch, goes
):
    """`make monitor` turns lines into Parquet, and another process of the service removes the oldest."""
    does = getattr(Path, goes)

    def remove_first(path, *given, **named):
        if path.name.startswith("2020"):
            path.unlink(missing_ok=True)
        return does(path, *given, **named)

    waiting = recorder(megabytes=1)
    for number in range(3):
        Path("kept", f"2020010{number}T000000-ab.jsonl").write_bytes(b"x" * 600_000)
    monkeypatch.setattr(Path, goes, remove_first)
    record(waiting)
    assert counted(measures) == (3, 0)
    assert len(window()) == 3


def test_a_new_file_is_begun_after_some_minutes(recorder):
    slow = recorder(minutes=1e-9)
    for number in range(3):
        slow.offer(f"id{number}", by_column(ROWS), [ANSWER] * 3, 0.001)
        slow._write_waiting()
    slow._end_segment()
    assert len(files()) == 3
    assert len(window()) == 9


def test_an_error_of_closing_a_file_does_not_end_the_recording(recorder, monkeypatch):
    def close(segment):
        segment._file.close()
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(recording._Segment, "close", close)
    slow = recorder(minutes=1e-9)
    for number in range(2):
        slow.offer(f"id{number}", by_column(ROWS), [ANSWER] * 3, 0.001)
        slow._write_waiting()
    slow._end_segment()
    assert (len(files()), len(window())) == (2, 6)


def test_missing_folder_is_logged_once(recorder, measures, capfdbinary):
    orphan = recorder()
    Path("kept").rmdir()
    record(orphan, times=5)
    assert counted(measures) == (0, 15)
    (line,) = capfdbinary.readouterr().out.splitlines()
    assert json.loads(line)["event"] == "not recorded"
    assert "kept" in json.loads(line)["error"]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"folder": "file"}, r"^record\.folder file cannot be written: File exists$"),
        (
            {"folder": "kept", "private": ["aeg"]},
            r"^record\.private names 'aeg', which is no column of the model \(did you mean 'age'\?\)$",
        ),
    ],
)
def test_invalid_recording_is_refused_at_the_start(checkout, measures, settings, sentence):
    Path("file").touch()
    with pytest.raises(UserError, match=sentence):
        Recorder(RecordConfig(**settings), CARD, measures)


def test_a_killed_process_leaves_whole_lines_and_its_file_is_free(recorder):
    """The lock identifies a living process, whose file is left alone."""
    code = (
        "import sys, time\n"
        f"from {recording.__name__} import _Segment\n"
        "from pathlib import Path\n"
        "segment = _Segment(Path('kept'), sys.argv[1].encode() + b'\\n')\n"
        "segment.write(sys.argv[2].encode() + b'\\n')\n"
        "segment._file.write(b'{\"time\": 1')\n"
        "print('written', flush=True)\n"
        "time.sleep(60)\n"
    )
    keeper = recorder(private=["joined"])
    line = keeper._line(1.8e9, "id", 0, ROWS[0], ANSWER, 0.001).decode().strip()
    process = subprocess.Popen(
        [sys.executable, "-c", code, keeper._header.decode().strip(), line],
        stdout=subprocess.PIPE,
        env=dict(os.environ),
    )
    assert process.stdout.readline() == b"written\n"
    for suffix in (".jsonl", ".parquet"):
        with recorded_rows.local_files("kept", EVER) as found:
            assert [path.suffix for path in found] == [suffix]
        assert len(window()) == 1
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()


def test_damaged_lines_are_counted_and_rows_of_others_and_of_before_are_left_out(recorder):
    record(recorder())
    (file,) = files()
    header, *lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(header + b"\0\0\n" + lines[0] + b'{"time": "x"}\n')
    other = header.replace(b'"version":"7"', b'"version":"6"')
    Path("kept", "b.jsonl").write_bytes(other + lines[1])
    Path("kept", "c.jsonl").write_bytes(header + re.sub(rb'"time":\d+', b'"time":1', lines[2]))
    Path("kept", "d.jsonl").write_bytes(b"")
    found = window()
    assert (len(found), found.damaged, found.others) == (1, 2, {"m version 6": 1})


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.jsonl", b"age,city\n1,Bonn\n"), ("a.jsonl", b"{}\n"), ("a.parquet", b"no")],
)
def test_files_of_somebody_else_are_refused_in_a_sentence(checkout, name, content):
    Path("kept").mkdir()
    Path("kept", name).write_bytes(content)
    with pytest.raises(UserError, match=rf"^kept/{name} was not recorded by a service: "):
        window()
