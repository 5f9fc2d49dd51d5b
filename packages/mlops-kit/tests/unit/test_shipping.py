"""What the service recorded leaves its folder: whole rows, once, and whatever is killed or away meanwhile."""

import fcntl
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from mlops_kit.serving import record_files, shipper
from mlops_kit.serving.metrics import Measures
from mlops_kit.serving.recorder import Recorder
from mlops_kit.serving.settings import RecordConfig

CARD = {
    "registered_model": "m",
    "version": "7",
    "run_id": "r",
    "columns": [{"name": "x", "kind": "numeric"}],
    "classes": [],
    "parity": {"scale": 1.0},
}
HEADER = b'{"model":"m"}\n'
FIRST, SECOND = "20261129T091500000000-ab.jsonl", "20261129T235959999999-cd.jsonl"
KILLS = 20

SERVICE = f"""
import sys, time
from mlops_kit.serving.metrics import Measures
from mlops_kit.serving.recorder import Recorder
from mlops_kit.serving.settings import RecordConfig

card = {CARD!r}
measures = Measures(card)
recorder = Recorder(RecordConfig(folder="kept", minutes=0.002), card, measures)
recorder.start()
number = 0
while True:
    for _ in range(5):
        recorder.offer(f"{{sys.argv[1]}}-{{number}}", {{"x": [1.0]}}, [{{"prediction": 2.0}}], 0.001)
        number += 1
    print(int(measures.recorded._value.get()), flush=True)
    time.sleep(0.01)
"""
SHIPPER = """
from mlops_kit.serving import shipper
shipper._SECONDS = 0.02
shipper.main()
"""


def start(code, *arguments):
    environment = {**os.environ, "SERVE_SET": "record.folder=kept record.to=shipped"}
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, env=environment
    )


def kill(process):
    """Kill a process and return the last whole line that it printed."""
    process.send_signal(signal.SIGKILL)
    lines = process.communicate()[0].split(b"\n")[:-1]
    return lines[-1] if lines else b"0"


def leave(name, content=HEADER + b'{"row":0}\n'):
    Path("kept").mkdir(exist_ok=True)
    Path("kept", name).write_bytes(content)
    return Path("kept", name)


def shipped():
    return {
        path.relative_to("shipped").as_posix(): path.read_bytes()
        for path in sorted(Path("shipped").rglob("*.jsonl"))
    }


def ship(put=None):
    shipper.Shipper(Path("kept"), put or shipper.destination("shipped")).ship()


@pytest.mark.slow
def test_whatever_is_killed_no_row_is_lost_that_was_written_and_none_is_there_twice(checkout):
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    draw = random.Random(seed)
    recorded, service, ships = {}, start(SERVICE, "0"), start(SHIPPER)
    for number in range(KILLS):
        if draw.random() < 0.5:
            service.stdout.readline()  # it has begun
            time.sleep(draw.uniform(0, 0.5))
            recorded[str(number)] = int(kill(service))
            service = start(SERVICE, str(number + 1))
        else:
            ships.stdout.readline()
            time.sleep(draw.uniform(0, 0.2))
            kill(ships)
            ships = start(SHIPPER)
            recorded[str(number)] = int(kill(service))
            service = start(SERVICE, str(number + 1))
    recorded[str(KILLS)] = int(kill(service))
    ships.stdout.readline()
    ships.terminate()
    ships.communicate()
    assert ships.returncode == 0
    assert list(Path("kept").iterdir()) == []
    rows = Counter()
    for content in shipped().values():
        head, *lines = map(json.loads, content.splitlines())
        assert head["model"] == "m"
        rows.update(line["request_id"] for line in lines)
    assert set(rows.values()) == {1}
    for name, least in recorded.items():
        numbers = [int(each.partition("-")[2]) for each in rows if each.startswith(f"{name}-")]
        assert sorted(numbers) == list(range(len(numbers)))
        assert len(numbers) >= least


def test_files_are_placed_by_the_day_and_hour_of_their_names(checkout):
    leave(SECOND)
    leave(FIRST)
    ship()
    assert list(shipped()) == [
        f"date=2026-11-29/hour=09/{FIRST}",
        f"date=2026-11-29/hour=23/{SECOND}",
    ]
    assert list(Path("kept").iterdir()) == []


def test_a_line_that_was_cut_and_a_file_that_is_written_stay_behind(checkout):
    leave(FIRST, HEADER + b'{"row":0}\n{"row":')
    with leave(SECOND).open("rb") as written:
        fcntl.flock(written, fcntl.LOCK_EX)
        ship()
    assert list(shipped().values()) == [HEADER + b'{"row":0}\n']
    assert [path.name for path in Path("kept").iterdir()] == [SECOND]


@pytest.mark.parametrize("content", [b"", HEADER, HEADER[:5]], ids=["empty", "header", "cut"])
def test_a_file_without_a_row_goes_once_nobody_can_be_about_to_lock_it(checkout, content):
    path = leave(FIRST, content)
    ship()
    assert path.exists()
    os.utime(path, (0, 0))
    ship()
    assert not path.exists()
    assert shipped() == {}


def test_an_answer_that_is_lost_ships_the_same_file_again(checkout):
    put, names = shipper.destination("shipped"), []

    def lost_once(name, content):
        put(name, content)
        names.append(name)
        if len(names) == 1:
            raise ConnectionError("no answer")

    leave(FIRST)
    with pytest.raises(ConnectionError):
        ship(lost_once)
    ship(lost_once)
    assert names[0] == names[1]
    assert list(shipped()) == names[:1]


def test_where_nothing_can_be_brought_the_oldest_go_and_are_counted(checkout):
    def away(name, content):
        raise ConnectionError("S3 is away")

    measures = Measures(CARD)
    recorder = Recorder(RecordConfig(folder="kept", megabytes=1), CARD, measures)
    long = {"x": ["x" * 10_000]}
    for number in range(150):
        recorder.offer(str(number), long, [{"prediction": 2.0}], 0.001)
        recorder._write_waiting()
        with suppress(ConnectionError):
            ship(away)
    recorder._end_segment()
    size = sum(path.stat().st_size for path in Path("kept").iterdir())
    assert size <= 1_000_000
    ship()
    left = sorted(
        json.loads(line)["request_id"]
        for content in shipped().values()
        for line in content.splitlines()[1:]
    )
    dropped = int(measures.dropped._value.get())
    assert dropped > 0
    assert left == sorted(str(number) for number in range(dropped, 150))
    assert f"\ndropped_rows_total {dropped}.0\n".encode() in measures.text()


def test_a_look_that_fails_is_logged_and_the_next_waits_longer(checkout, capfdbinary):
    leave(FIRST)

    def away(name, content):
        raise ConnectionError("S3\nis away")

    waits = []

    class Ended:
        def wait(self, seconds):
            waits.append(seconds)
            return len(waits) == 9

    shipper._run(shipper.Shipper(Path("kept"), away), Ended())
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    line = json.loads(capfdbinary.readouterr().out.splitlines()[0])
    assert (line["event"], line["error"]) == ("not shipped", "ConnectionError: S3 is away")


@pytest.mark.slow
def test_files_go_to_s3_and_wait_while_it_refuses(checkout, local_s3):
    put = shipper.destination("s3://shipped/a/b/")
    path = leave(FIRST)
    with pytest.raises(Exception, match="NoSuchBucket"):
        ship(put)
    assert path.exists()
    local_s3.create_bucket(Bucket="shipped")
    ship(put)
    (found,) = local_s3.list_objects_v2(Bucket="shipped")["Contents"]
    assert found["Key"] == f"a/b/date=2026-11-29/hour=09/{FIRST}"
    assert found["Size"] == len(HEADER + b'{"row":0}\n')
    assert not path.exists()


def test_beside_the_service_no_model_is_loaded(checkout):
    code = (
        "import sys\n"
        "from mlops_kit.core.project import Project\n"
        "from mlops_kit.main import run\n"
        "sys.argv = ['x', 'serve', '--ship']\n"
        "try:\n"
        "    run(Project('p', 'p'))\n"
        "except SystemExit as ended:\n"
        "    print(ended.code, sorted({'uvicorn', 'onnxruntime', 'numpy'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "2 []\n"


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ("record.folder=kept", r"record\.to of configs/serve\.yaml is nothing"),
        ("record.to=shipped", r"record\.folder of configs/serve\.yaml is nothing"),
        ("record.folder=kept record.to=s3:///a", r"record\.to is 's3:///a'; accepted: a folder"),
    ],
)
def test_what_cannot_be_shipped_is_a_sentence(checkout, monkeypatch, capsys, settings, sentence):
    monkeypatch.setenv("SERVE_SET", settings)
    with pytest.raises(SystemExit) as ended:
        shipper.main()
    assert ended.value.code == 2
    assert re.search(f"^error: {sentence}", capsys.readouterr().err)


def test_names_sort_by_their_time_and_tell_it():
    name = record_files.new_name()
    assert name < record_files.new_name()
    assert record_files.begun(FIRST).isoformat() == "2026-11-29T09:15:00+00:00"
