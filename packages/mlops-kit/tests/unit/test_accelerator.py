"""ACCELERATOR, without a GPU: the fall-back is real, cuml itself is a stand-in with the parts of it that are used."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mlops_kit import cli
from mlops_kit.core.errors import UserError
from mlops_kit.core.project import current
from mlops_kit.experiments import accelerator

# As RAPIDS 26 does it: a stand-in holds the estimator, and is pickled as the path of its class and that one.
CUML = """
from contextlib import contextmanager
from types import SimpleNamespace

installed = False
calls = {}

def install():
    global installed
    installed = True

@contextmanager
def profile(quiet=False):
    yield SimpleNamespace(method_calls=calls)

class Proxy:
    def __init__(self, cpu):
        self._cpu, self._gpu = cpu, lambda: "what cannot be pickled"

    def fit(self, rows, target):
        calls["LogisticRegression.fit"] = SimpleNamespace(gpu_calls=1)
        self._cpu.fit(rows, target)
        return self

    def __reduce__(self):
        return dict, ("sklearn.linear_model.LogisticRegression", self._cpu)

def is_proxy(value):
    return isinstance(value, Proxy)
"""
CUPY = """
from types import SimpleNamespace

properties = lambda number: {"name": b"A GPU"}
cuda = SimpleNamespace(runtime=SimpleNamespace(getDeviceProperties=properties))
"""
ROWS, TARGET = np.arange(20.0).reshape(-1, 1), np.repeat([0, 1], 10)


@pytest.fixture
def cuml(tmp_path, monkeypatch):
    """Install the stand-in on Python's path."""
    (tmp_path / "cuml").mkdir()
    (tmp_path / "cuml/__init__.py").touch()
    (tmp_path / "cuml/accel.py").write_text(CUML)
    (tmp_path / "cupy.py").write_text(CUPY)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("ACCELERATOR", "cuml")
    yield tmp_path
    for name in ("cuml", "cuml.accel", "cupy"):
        sys.modules.pop(name, None)


def test_nothing_is_asked_for_and_the_cpu_fits(monkeypatch, capsys):
    monkeypatch.delenv("ACCELERATOR", raising=False)
    accelerator.install()
    assert accelerator.fit(lambda: "fitted") == ("fitted", "cpu")
    assert capsys.readouterr().out == ""


def test_without_cuml_one_line_says_that_the_cpu_fits(monkeypatch, capsys):
    monkeypatch.setenv("ACCELERATOR", "cuml")
    accelerator.install()
    output = capsys.readouterr().out
    assert output == "note: no cuml or no GPU here, the CPU fits (No module named 'cuml')\n"
    assert accelerator.fit(lambda: "fitted") == ("fitted", "cpu")


def test_without_a_gpu_cuml_is_not_installed(cuml, capsys):
    (cuml / "cupy.py").write_text("raise RuntimeError('no CUDA-capable device is detected')")
    accelerator.install()
    assert "(no CUDA-capable device is detected)" in capsys.readouterr().out
    assert accelerator.fit(lambda: "fitted") == ("fitted", "cpu")


def test_another_word_is_refused(monkeypatch):
    monkeypatch.setenv("ACCELERATOR", "gpu")
    with pytest.raises(UserError, match=r"^ACCELERATOR is 'gpu'; accepted: cpu, cuml$"):
        accelerator.install()


def test_what_the_gpu_fitted_becomes_scikit_learns_own(cuml):
    accelerator.install()
    import cuml.accel

    proxy = cuml.accel.Proxy(LogisticRegression())
    pipeline = make_pipeline(StandardScaler())
    pipeline.steps.append(("estimator", proxy))
    found, device = accelerator.fit(
        lambda: (proxy.fit(pipeline[0].fit_transform(ROWS), TARGET), pipeline)[1]
    )
    assert cuml.accel.installed
    assert device == "A GPU"
    assert type(found.steps[-1][1]) is LogisticRegression
    assert (found.predict(ROWS) == TARGET).all()


def test_estimator_without_cuml_is_fitted_on_cpu_with_a_note(cuml, capsys):
    accelerator.install()
    fit = make_pipeline(LogisticRegression()).fit
    _, device = accelerator.fit(lambda: fit(ROWS, TARGET))
    assert device == "cpu"
    assert capsys.readouterr().out == "note: cuml left LogisticRegression to the CPU\n"


def test_cuml_comes_before_scikit_learn(cuml):
    """The command line itself must not have imported scikit-learn when it installs cuml."""
    modules = f"{current().package}.__main__, {cli.__name__}, {accelerator.__name__}"
    check = f"import sys, {modules}; sys.exit('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
