"""The exported folder's checksums: every changed byte is found."""

import hashlib
import json
import os
import re
import subprocess
import sys

import pytest

from mlops_kit.artifact import folder as model_folder
from mlops_kit.core.errors import UserError

CARD = {"format": "onnx", "classes": [0, 1]}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "model.onnx").write_bytes(bytes(range(256)))
    (tmp_path / "model.json").write_text(json.dumps(CARD))
    sums = model_folder.sums(tmp_path, ["model.onnx", "model.json"])
    (tmp_path / "SHA256SUMS").write_bytes(sums.encode())
    return tmp_path


def test_the_card_is_what_was_written(folder):
    assert model_folder.read_manifest(folder) == CARD


def test_the_sums_are_in_the_form_of_sha256sum(folder):
    for line in (folder / "SHA256SUMS").read_text().splitlines():
        digest, name = re.fullmatch(r"([0-9a-f]{64})  (\S+)", line).groups()
        assert digest == hashlib.sha256((folder / name).read_bytes()).hexdigest()
    if sys.platform == "linux":
        checked = subprocess.run(["sha256sum", "-c", "--strict", "SHA256SUMS"], cwd=folder)
        assert checked.returncode == 0


@pytest.mark.parametrize("name", ["model.onnx", "model.json", "SHA256SUMS"])
def test_every_changed_bit_is_found(folder, name):
    content = (folder / name).read_bytes()
    for position in range(len(content)):
        for bit in range(8):
            changed = bytearray(content)
            changed[position] ^= 1 << bit
            (folder / name).write_bytes(changed)
            with pytest.raises(UserError):
                model_folder.read_manifest(folder)
    (folder / name).write_bytes(content)
    assert model_folder.read_manifest(folder) == CARD


@pytest.mark.parametrize("name", ["model.onnx", "model.json", "SHA256SUMS"])
@pytest.mark.parametrize("more", [b"x", b"\n", b" ", b"\0"])
def test_an_added_or_lost_byte_is_found(folder, name, more):
    content = (folder / name).read_bytes()
    for changed in (content + more, more + content, content[:-1], b""):
        (folder / name).write_bytes(changed)
        with pytest.raises(UserError):
            model_folder.read_manifest(folder)


def test_the_sentence_names_the_file_and_the_way_out(folder):
    right = hashlib.sha256((folder / "model.json").read_bytes()).hexdigest()
    (folder / "model.json").write_text("{}")
    with pytest.raises(UserError) as caught:
        model_folder.read_manifest(folder)
    assert str(caught.value) == (
        f"{folder / 'model.json'} was changed after its export: its SHA-256 is"
        f" {hashlib.sha256(b'{}').hexdigest()}, not {right} (make export writes it again)"
    )


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("SHA256SUMS", "SHA256SUMS not found: there is no model yet (make export)"),
        ("model.json", "model.json cannot be read: No such file or directory"),
        ("model.onnx", "model.onnx cannot be read: No such file or directory"),
    ],
)
def test_a_missing_file_is_named(folder, name, sentence):
    (folder / name).unlink()
    with pytest.raises(UserError) as caught:
        model_folder.read_manifest(folder)
    assert str(caught.value) == f"{folder}/{sentence}"


@pytest.mark.parametrize("kept", ["model.onnx", "model.json"])
def test_sums_that_leave_out_a_file_are_damaged(folder, kept):
    (folder / "SHA256SUMS").write_text(model_folder.sums(folder, [kept]))
    with pytest.raises(UserError, match=r"SHA256SUMS is damaged \(make export writes it again\)"):
        model_folder.read_manifest(folder)


def test_a_file_that_is_not_listed_is_named(folder):
    (folder / "model.skops").write_bytes(b"")
    with pytest.raises(UserError, match=r"model\.skops is not listed in .*SHA256SUMS"):
        model_folder.read_manifest(folder)


@pytest.mark.parametrize("place", ["../outside", "inner/outside", "{}/outside", "..", ""])
def test_only_plain_names_are_listed(folder, place):
    outside = folder.parent / "outside"
    outside.write_bytes(b"x")
    line = f"{hashlib.sha256(b'x').hexdigest()}  {place.format(folder.parent)}\n"
    with (folder / "SHA256SUMS").open("a") as sums:
        sums.write(line)
    with pytest.raises(UserError, match=r"SHA256SUMS is damaged \(make export writes it again\)"):
        model_folder.read_manifest(folder)


@pytest.mark.parametrize("name", ["model.onnx", "model.json"])
def test_a_link_is_not_followed(folder, name, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / name
    (folder / name).rename(elsewhere)
    (folder / name).symlink_to(elsewhere)
    with pytest.raises(UserError, match=f"{name} is no plain file"):
        model_folder.read_manifest(folder)


def test_a_pipe_is_not_read(folder):
    (folder / "model.onnx").unlink()
    os.mkfifo(folder / "model.onnx")
    with pytest.raises(UserError, match=r"model\.onnx is no plain file"):
        model_folder.read_manifest(folder)


def test_a_file_in_place_of_the_folder_is_a_sentence(folder):
    with pytest.raises(UserError, match="SHA256SUMS"):
        model_folder.read_manifest(folder / "model.json")
