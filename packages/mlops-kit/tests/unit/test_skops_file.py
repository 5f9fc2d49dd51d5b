"""A file in skops' form is refused by its sizes before anything of it is unpacked."""

import zipfile

import numpy as np
import pytest
import skops.io

from mlops_kit.core import skops_file


def test_what_skops_wrote_is_loaded(tmp_path):
    for value in ({}, [np.zeros(100_000)] * 3):
        skops.io.dump(value, tmp_path / "model.skops")
        np.testing.assert_equal(skops_file.load(tmp_path / "model.skops"), value)


def test_what_unpacks_to_a_hundred_times_its_size_is_refused(tmp_path):
    file = tmp_path / "model.skops"
    skops.io.dump([np.zeros(3)], file)
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("more.npy", bytes(10_000_000))
    with pytest.raises(
        ValueError, match=r"\d+ bytes that unpack to 10\d+ were not written by make"
    ):
        skops_file.load(file)
