"""What the integration tests share: a checkout with a small config, the command line in it, exported models,
and services that run with them."""

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pandas as pd
import pytest
import requests
import yaml

from mlops_kit import cli as command_line
from mlops_kit.artifact import export
from mlops_kit.artifact import folder as model_folder
from mlops_kit.core.project import current
from mlops_kit.experiments import embedded_store, model_storage, registry, runs, store, validation
from mlops_kit.experiments.settings import load_train
from mlops_kit.serving.settings import load_serve

ROOT = Path(__file__).parents[4]
PATIENCE = 60  # seconds until what must come counts as never coming

CONFIG = """\
experiment: churn
registered_model: churn
task: classification
data: {source: "sklearn:breast_cancer", target: target}
model: {kind: linear, params: {max_iter: 1000}}
validation: {metric: roc_auc, thresholds: {accuracy: 0.9}}
"""


class Outcome(NamedTuple):
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory):
    """An embedded store without runs, made once: its migrations take seconds."""
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        with store.connect():
            pass
    return folder / embedded_store.STORE


@pytest.fixture
def fresh_project(checkout):
    """The empty checkout with a config that trains quickly; it has no store yet."""
    (checkout / "configs/train.yaml").write_text(CONFIG)
    return checkout


@pytest.fixture
def project(fresh_project, empty_store):
    """The same with an empty store."""
    shutil.copy(empty_store, fresh_project)
    return fresh_project


@pytest.fixture(scope="session")
def finished_steps(empty_store, tmp_path_factory):
    """What train, validate and register leave, one after the other: three checkouts by the step, made once."""
    folder = tmp_path_factory.mktemp("steps") / "checkout"
    shutil.copytree(ROOT / "configs", folder / "configs")
    (folder / "configs/train.yaml").write_text(CONFIG)
    for file in (ROOT / "requirements.txt", empty_store):
        shutil.copy(file, folder)
    steps = {
        "train": lambda config: current().train(config),
        "validate": validation.validate,
        "register": lambda config: registry.register(),
    }
    made = {}
    for name, step in steps.items():
        with _inside(folder):
            step(load_train(Path("configs/train.yaml")))
        made[name] = shutil.copytree(folder, folder.with_name(name))
    shutil.rmtree(folder)  # or a copy without its artifacts would find these
    return made


@pytest.fixture
def trained(fresh_project, finished_steps):
    """A checkout after `make train`."""
    return shutil.copytree(finished_steps["train"], fresh_project, dirs_exist_ok=True)


@pytest.fixture
def validated(fresh_project, finished_steps):
    """A checkout after `make train validate`."""
    return shutil.copytree(finished_steps["validate"], fresh_project, dirs_exist_ok=True)


@pytest.fixture
def registered(fresh_project, finished_steps):
    """A checkout after `make pipeline`: version 1 is the champion."""
    return shutil.copytree(finished_steps["register"], fresh_project, dirs_exist_ok=True)


@pytest.fixture
def command(fresh_project, monkeypatch, capsys):
    """Run one subcommand in this process; keywords are environment variables."""

    def run(name: str, **variables: str) -> Outcome:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["make", name])
            for variable, value in variables.items():
                patch.setenv(variable, value)
            with pytest.raises(SystemExit) as stopped:
                command_line.main()
        printed = capsys.readouterr()
        return Outcome(stopped.value.code or 0, printed.out, printed.err)

    return run


@pytest.fixture
def start(fresh_project):
    """Start one subcommand as a process of its own; whatever still runs at the end is killed."""
    started = []

    def popen(name: str) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-m", current().package, name],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path.cwd(),
        )
        started.append(process)
        return process

    yield popen
    for process in started:
        process.kill()
        process.communicate()


# What `exported` can make, each from one of the table's targets.
TARGETS = ("churned", "tier", "spend")
MODELS = {
    "binary": (
        "classification",
        "churned",
        "accuracy",
        {"kind": "hist_gradient_boosting", "params": {"max_iter": 20}},
    ),
    "classes": (
        "classification",
        "tier",
        "accuracy",
        {"kind": "random_forest", "params": {"n_estimators": 20, "max_depth": 8}},
    ),
    "number": ("regression", "spend", "mae", {"kind": "linear"}),
}


def table(seed=0):
    """Rows of every kind of column; half of the columns lack values."""
    draw = np.random.default_rng(seed)
    rows = 800
    days = np.datetime64("2015-01-01T06:30", "s") + draw.integers(0, 10**8, rows)
    born = np.datetime64("1950-01-01") + draw.integers(0, 20_000, rows)
    every = pd.DataFrame(
        {
            "age": draw.normal(40, 12, rows).round(2),
            "visits so.far": draw.integers(0, 50, rows),
            "smoker": draw.choice(["true", "false"], rows),
            "member": draw.choice(["true", "false"], rows),
            "region": draw.choice(["north", "south", "east, far", "\u00fcber"], rows),
            "city": [f"city {number}" for number in draw.integers(0, 400, rows)],
            "joined": days.astype(str),
            "born": [f"{day:%d/%m/%Y}" for day in born.astype(object)],
        }
    )
    every.loc[::50, "joined"] = "9999-12-31"
    gaps = pd.DataFrame(False, index=every.index, columns=every.columns)
    for name in ("age", "member", "city", "joined"):
        gaps[name] = draw.random(rows) < 0.15
    score = every["age"] / 12 + every["visits so.far"] / 15 + 2 * (every["smoker"] == "true")
    score += draw.normal(size=rows)
    return every.mask(gaps).assign(
        churned=np.where(score > score.median(), "yes", "no"),
        tier=pd.qcut(score, 3, labels=[3, 5, 9]).astype(int),
        spend=1000 * score,
    )


@pytest.fixture(scope="session")
def stream():
    """A function from a seed to fresh rows, drawn as those of MODELS were: as requests hold them, and their targets."""

    def draw(seed: int) -> tuple[list[dict], pd.DataFrame]:
        drawn = table(seed)
        rows = drawn.drop(columns=list(TARGETS)).astype(object)
        for name in ("smoker", "member"):
            rows[name] = rows[name].map({"true": True, "false": False}).astype(object)
        return rows.where(rows.notna(), None).to_dict("records"), drawn[list(TARGETS)]

    return draw


class Exported(NamedTuple):
    """A checkout with an exported model: its folder, model.json, and the pipeline that was exported."""

    checkout: Path
    card: dict
    stored: model_storage.StoredModel

    @property
    def folder(self):
        return self.checkout / model_folder.FOLDER


@pytest.fixture(scope="session")
def exported(empty_store, tmp_path_factory):
    """A function from a name of MODELS to the exported model, made once; `form` is onnx or skops."""
    made = {}

    def make(name: str, form: str = "onnx") -> Exported:
        if (name, form) not in made:
            folder = tmp_path_factory.mktemp(name) / form
            if form == "onnx":
                made[name, form] = _trained_and_exported(name, folder, empty_store)
            else:
                shutil.copytree(make(name).checkout, folder)
                made[name, form] = _exported(name, folder, "export.tolerance=1e-300")
        return made[name, form]

    return make


def _trained_and_exported(name, folder, empty_store):
    task, target, metric, model = MODELS[name]
    settings = {
        "experiment": name,
        "registered_model": name,
        "task": task,
        "data": {
            "source": "rows.csv",
            "target": target,
            "drop": [other for other in TARGETS if other != target],
            "dates": {"born": "%d/%m/%Y"},
        },
        "model": model,
        "validation": {"metric": metric, "prediction_ms": 10_000},
    }
    shutil.copytree(ROOT / "configs", folder / "configs")
    shutil.copy(ROOT / "requirements.txt", folder)
    shutil.copy(empty_store, folder)
    table().to_csv(folder / "rows.csv", index=False)
    (folder / "own.yaml").write_text(yaml.safe_dump(settings))
    with _inside(folder):
        config = load_train(Path("own.yaml"))
        current().train(config)
        assert validation.validate(config).passed
        registry.register()
    return _exported(name, folder)


def _exported(name, folder, serve_set=""):
    with _inside(folder, serve_set):
        card = export.export(load_serve().export, name, "champion")
        with store.connect() as client:
            stored = runs.load_model(runs.find(client, card["run_id"]))
    return Exported(folder, card, stored)


@contextmanager
def _inside(folder, serve_set=""):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setenv("SERVE_SET", serve_set)
        yield


class Service:
    """A running service: its process, where it is, and the lines it has logged so far.

    Without `reads_log` only its first line is read.
    """

    def __init__(self, process: subprocess.Popen, reads_log: bool = True) -> None:
        self.process, self._reads_log = process, reads_log
        self.lines: list[str] = []
        self._first: queue.Queue = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        first = self._first.get(timeout=PATIENCE)
        assert first, f"the service ended: {process.communicate()}"
        self.url = json.loads(first)["url"]

    def _read(self) -> None:
        for line in self.process.stdout:
            self.lines.append(line)
            self._first.put(line)
            if not self._reads_log:
                return
        self._first.put("")

    def log(self) -> list[dict]:
        """Return the lines so far; those of an answered request may come behind its answer."""
        return [json.loads(line) for line in list(self.lines)]

    def get(self, path: str, **options) -> requests.Response:
        return requests.get(self.url + path, timeout=PATIENCE, **options)

    def predict(self, *rows: dict, **options) -> requests.Response:
        """Request predictions for rows of plain values."""
        return self.post(json.dumps({"rows": rows}), **options)

    def post(self, body, **options) -> requests.Response:
        return requests.post(self.url + "/predict", data=body, timeout=PATIENCE, **options)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit code, once everything it wrote has been read."""
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return code


def _popen(checkout: Path, *arguments: str, **variables: str) -> subprocess.Popen:
    own = ("API_KEY", "DEBUG", "HOST", "MODEL_DIR", "PORT", "SERVE_SET")
    environment = {key: value for key, value in os.environ.items() if key not in own}
    quick = {"PORT": "0", "SERVE_SET": "limits.drain_seconds=0"}
    return subprocess.Popen(
        [sys.executable, *(arguments or ("-m", current().package, "serve"))],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=checkout,
        env={**environment, **quick, **variables},
    )


@pytest.fixture
def serve():
    """Start the service in a checkout, by Python's `arguments`; keywords are environment variables. It is killed at the end."""
    started = []

    def start_service(
        checkout: Path, reads_log: bool = True, arguments: tuple[str, ...] = (), **variables: str
    ) -> Service:
        started.append(_popen(checkout, *arguments, **variables))
        return Service(started[-1], reads_log)

    yield start_service
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def refused():
    """Start the service where it cannot start; return how it ended."""

    def end(checkout: Path, *arguments: str, **variables: str) -> Outcome:
        process = _popen(checkout, *arguments, **variables)
        out, err = process.communicate(timeout=PATIENCE)
        return Outcome(process.returncode, out, err)

    return end


@pytest.fixture(scope="session")
def served(exported):
    """A function from a name of MODELS to a running service with that model, started once."""
    running = {}

    def service(name: str, form: str = "onnx") -> Service:
        if (name, form) not in running:
            running[name, form] = Service(_popen(exported(name, form).checkout))
        return running[name, form]

    yield service
    for one in running.values():
        assert one.stop() == 0


class Request(NamedTuple):
    """A request to an Endpoint; the names of headers are in lower case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


class Endpoint:
    """An HTTP server of this process: `answer` is a function from a request to status, headers and content."""

    def __init__(self) -> None:
        self.answer = lambda request: (200, {}, "ok")
        self.requests: list[Request] = []
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def answered(self) -> None:
                parts = urlsplit(self.path)
                query = {key: values[0] for key, values in parse_qs(parts.query).items()}
                headers = {key.lower(): value for key, value in self.headers.items()}
                body = self.rfile.read(int(headers.get("content-length", 0)))
                request = Request(self.command, parts.path, query, headers, body)
                endpoint.requests.append(request)
                status, own, content = endpoint.answer(request)
                content = content if isinstance(content, str) else json.dumps(content)
                self.send_response(status)
                for name, value in {**own, "Content-Length": str(len(content.encode()))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content.encode())

            do_GET = do_HEAD = do_POST = do_PUT = answered  # noqa: N815 # the library's names

            def log_message(self, *_: object) -> None:
                """Keep quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def answers(self, *answers: tuple) -> None:
        """Give these answers one after the other, then the last one again and again."""
        left = list(answers)
        self.answer = lambda request: left.pop(0) if len(left) > 1 else left[0]


@pytest.fixture
def endpoint():
    """A running HTTP server that notes what it is asked."""
    running = Endpoint()
    yield running
    running.server.shutdown()
    running.server.server_close()
