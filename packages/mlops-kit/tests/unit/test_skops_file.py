"""A skops file that is a zip bomb is refused before it is unpacked."""

import subprocess
import sys
import zipfile

import numpy as np
import pytest
import skops.io
from sklearn.linear_model import Ridge

from mlops_kit.core import skops_file, trusted_types


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


def test_an_estimator_is_loaded_by_importing_its_package_alone(tmp_path):
    skops.io.dump(Ridge(alpha=3), tmp_path / "model.skops")
    code = (
        "import sys, pathlib; from mlops_kit.core import project, skops_file;"
        "from ml_template.__main__ import PROJECT; project.use(PROJECT);"
        "print(skops_file.load(pathlib.Path(sys.argv[1])).alpha, 'sklearn.gaussian_process' in sys.modules)"
    )
    command = [sys.executable, "-c", code, tmp_path / "model.skops"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "3 False"


def test_a_type_that_scikit_learn_has_not_is_refused_by_its_name(tmp_path):
    file, other = tmp_path / "model.skops", tmp_path / "other.skops"
    skops.io.dump(Ridge(), file)
    with zipfile.ZipFile(file) as archive, zipfile.ZipFile(other, "w") as changed:
        for entry in archive.namelist():
            changed.writestr(entry, archive.read(entry).replace(b"linear_model", b"lunar_model"))
    with pytest.raises(TypeError, match=r"sklearn\.lunar_model\._ridge\.Ridge"):
        skops_file.load(other)


def test_base_estimator_and_scikit_learns_tests_are_not_trusted():
    class Odd(Ridge):
        pass

    Odd.__module__ = "sklearn.linear_model.tests.test_ridge"
    names = trusted_types.trusted_types()
    assert "sklearn.linear_model._ridge.Ridge" in names
    assert not [name for name in names if "Odd" in name or name.endswith(".BaseEstimator")]


def test_skops_is_imported_without_what_it_would_search():
    code = (
        "import sys, sklearn.utils; from mlops_kit.core import skops_file as s;"
        "before = sklearn.utils.all_estimators; s.skops_io().dump;"
        "print(sklearn.utils.all_estimators is before, sorted({'dask', '_pytest', 'sklearn.gaussian_process'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True []"


def test_threads_that_import_skops_together_get_all_of_it():
    code = (
        "import sys, threading, sklearn.utils; from concurrent.futures import ThreadPoolExecutor;"
        "from mlops_kit.core import skops_file as s; sys.setswitchinterval(1e-5);"
        "before, together = sklearn.utils.all_estimators, threading.Barrier(8);"
        "run = lambda _: (together.wait(), s.skops_io().load)[1];"
        "found = set(ThreadPoolExecutor(8).map(run, range(8)));"
        "print(len(found), sklearn.utils.all_estimators is before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("1 True", "")
