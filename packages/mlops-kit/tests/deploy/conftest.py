"""What the tests of the deployer share: the local ECS, two versions of a model, and sites that deploy them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
import yaml

from mlops_kit.artifact import export
from mlops_kit.artifact import folder as model_folder
from mlops_kit.artifact.predictor import load
from mlops_kit.core import project
from mlops_kit.experiments import registry, validation
from mlops_kit.experiments.settings import ModelCardConfig, load_train
from mlops_kit.serving.settings import load_serve

from .local_ecs import ROOT, LocalEcs
from .site import Answers, Site, made_site, traffic

CONFIG = {
    "experiment": "churn",
    "registered_model": "churn",
    "task": "classification",
    "data": {"source": "sklearn:breast_cancer", "target": "target"},
    "model": {"kind": "linear", "params": {"max_iter": 1000}},
    "validation": {"metric": "roc_auc", "thresholds": {"accuracy": 0.8}},
}


@pytest.fixture(scope="session")
def emulator(tmp_path_factory) -> Iterator[LocalEcs]:
    """A local ECS on ports of its own."""
    running = LocalEcs(tmp_path_factory.mktemp("ecs"))
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def models(tmp_path_factory) -> dict[str, Path]:
    """Two versions of a model, exported: the folders of artifacts/model/."""
    folder = tmp_path_factory.mktemp("models")
    shutil.copytree(ROOT / "configs", folder / "configs")
    shutil.copy(ROOT / "requirements.txt", folder)
    (folder / "configs/train.yaml").write_text(yaml.safe_dump(CONFIG))
    card = dict.fromkeys(ModelCardConfig.model_fields, "A model of a test.")
    (folder / "configs/model-card.yaml").write_text(yaml.safe_dump(card))
    made = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        for version, strength in (("1", "1.0"), ("2", "0.3")):
            config = load_train(Path("configs/train.yaml"), f"model.params.C={strength}")
            project.current().train(config)
            assert validation.validate(config).passed
            registry.register()
            export.export(load_serve().export, config.registered_model, "champion")
            made[version] = folder / f"model-{version}"
            shutil.move(folder / model_folder.FOLDER, made[version])
    return made


@pytest.fixture(scope="session")
def site(models, emulator, tmp_path_factory):
    """A function from a name to a site whose release is pushed, made once: "1" and "2" are good, others broken."""
    made: dict[str, Site] = {}

    def make(name: str) -> Site:
        if name not in made:
            made[name] = made_site(tmp_path_factory.mktemp("site"), name, models, emulator)
        return made[name]

    return make


@pytest.fixture(scope="session")
def right_answers(models) -> list[dict]:
    """The responses of the good versions to the users' requests."""
    answers = []
    for folder in models.values():
        model = load(folder)
        (row,) = json.loads((folder / model_folder.EXAMPLE).read_text())["rows"]
        predictions = model.predict({name: [value] for name, value in row.items()})
        answers.append({"model_version": model.card["version"], "predictions": predictions})
    return answers


@pytest.fixture
def users(emulator, site, right_answers):
    """A context in which users ask production; every answer has to be a good version's, and none may be lost."""

    @contextmanager
    def asking(connections: int = 2, pause: float = 0.01) -> Iterator[list[Answers]]:
        with traffic(emulator, site("1"), connections, pause) as got:
            yield got
        assert got[0].lost == {}
        assert [body for body in got[0].answers if json.loads(body) not in right_answers] == []

    return asking


@pytest.fixture
def serving(emulator, site):
    """Make sure that a good version serves, whatever the test before left; return that site and the other good one."""
    emulator.clear()
    good = {one.record["digest"]: one for one in (site("1"), site("2"))}
    found = _release(emulator)
    if found not in good:
        done = site("1").run("deploy")
        assert done.code == 0, done.out
        found = _release(emulator)
    (other,) = [one for digest, one in good.items() if digest != found]
    return good[found], other


def _release(emulator: LocalEcs) -> str | None:
    """Return the digest of the release in production's /version, if it answers."""
    answer = requests.get(f"{emulator.production}/version", timeout=10)
    return answer.json()["release"] if answer.ok else None
