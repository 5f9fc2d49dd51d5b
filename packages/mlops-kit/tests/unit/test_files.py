"""Atomic writes: files are whole, or do not exist."""

import json
import os
import shutil
import subprocess

import numpy as np
import pytest

from mlops_kit.core import files


def test_folders_are_made_and_the_text_is_utf_8(tmp_path):
    path = tmp_path / "deep" / "er" / "t.txt"
    files.write_text(path, "Größe 🙂\n")
    assert path.read_bytes() == "Größe 🙂\n".encode()


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path):
    for text in ("old", "new"):
        files.write_text(tmp_path / "t.txt", text)
    assert [path.name for path in tmp_path.iterdir()] == ["t.txt"]
    assert (tmp_path / "t.txt").read_text() == "new"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_others_may_read_what_is_written(tmp_path):
    files.write_text(tmp_path / "t.txt", "x")
    assert (tmp_path / "t.txt").stat().st_mode & 0o777 == 0o644


def test_a_failure_in_the_middle_leaves_the_old_file_alone(tmp_path):
    path = tmp_path / "t.json"
    files.write_json(path, {"a": 1})
    before = path.read_bytes()
    with pytest.raises(UnicodeEncodeError):
        files.write_text(path, "x" * 100_000 + "\ud800")
    with pytest.raises(TypeError):
        files.write_json(path, {"a": object()})
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_in_the_way_stays_and_no_temporary_file_is_left(tmp_path):
    (tmp_path / "t.txt").mkdir()
    with pytest.raises(OSError, match=r"t\.txt"):
        files.write_text(tmp_path / "t.txt", "x")
    assert [path.name for path in tmp_path.iterdir()] == ["t.txt"]


def test_a_full_disk_leaves_the_old_file_alone(tmp_path):
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)],
        capture_output=True,
        check=False,
    )
    if not mounted or mounted.returncode:
        pytest.skip("no full disk can be made here: mounting a tmpfs takes root on Linux")
    try:
        path = tmp_path / "t.txt"
        files.write_text(path, "old")
        with pytest.raises(OSError, match="No space left") as full:
            files.write_text(path, "x" * 1_000_000)
        assert full.value.filename == str(path)
        assert path.read_text() == "old"
        assert list(tmp_path.iterdir()) == [path]
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_nan_and_infinity_become_null_at_any_depth(tmp_path):
    value = {"a": [float("nan"), (float("inf"), 1.5)], "b": {"c": np.float64("nan")}, "d": "NaN"}
    files.write_json(tmp_path / "v.json", value)
    read = json.loads((tmp_path / "v.json").read_text(encoding="utf-8"))
    assert read == {"a": [None, [None, 1.5]], "b": {"c": None}, "d": "NaN"}
