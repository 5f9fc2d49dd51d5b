"""One emulator for all tests, an image of the stub service in it, and a service that has settled."""

import shutil
from pathlib import Path

import pytest

from .emulator import ROOT, Emulator, wait

SERVICE = "stub"
TRAIN = """\
experiment: local
registered_model: local
task: classification
data: {source: "sklearn:breast_cancer", target: target}
model: {kind: linear, params: {max_iter: 1000}}
validation: {metric: roc_auc, thresholds: {accuracy: 0.9}, prediction_ms: 10000}
"""


@pytest.fixture(scope="session")
def emulator(tmp_path_factory):
    """A running emulator in which a minute takes half a second."""
    running = Emulator(tmp_path_factory.mktemp("emulator") / "local").start()
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="session")
def stub(emulator):
    """The reference of an image that the emulator's registry has."""
    return emulator.push_stub()


@pytest.fixture(autouse=True)
def _no_faults(request):
    yield
    if "emulator" in request.fixturenames:
        request.getfixturevalue("emulator").clear()


def is_there(emulator):
    found = emulator.ecs.describe_services(cluster="ml-template", services=[SERVICE])["services"]
    return bool(found) and found[0]["status"] == "ACTIVE"


@pytest.fixture
def no_service(emulator):
    """The load balancer is free for a service of the test's own."""
    if is_there(emulator):
        emulator.delete(SERVICE)


@pytest.fixture
def service(emulator, stub):
    """The name of a service that serves version 1 or whatever a test before left, and waits for an update."""
    if not is_there(emulator):
        created = emulator.create(SERVICE, emulator.register(stub, VERSION="1"))
        assert emulator.ended(created["currentServiceDeployment"])["status"] == "SUCCESSFUL"
    wait(lambda: emulator.version(emulator.production), "a service that answers")
    yield SERVICE
    newest = emulator.service(SERVICE)["currentServiceDeployment"]
    if emulator.deployment(newest)["status"] not in ("SUCCESSFUL", "ROLLBACK_SUCCESSFUL"):
        emulator.clear()
        emulator.delete(SERVICE)


@pytest.fixture(scope="session")
def model_checkout(tmp_path_factory):
    """A folder with src/, configs/ and a small exported model, as `local-release` packs it."""
    # Only here, because MLflow takes seconds to import.
    from ml_template import config_file, exporting, registry, training, validation

    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "configs", folder / "configs")
    shutil.copy(ROOT / "requirements.txt", folder)
    (folder / "train.yaml").write_text(TRAIN)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        config = config_file.load(Path("train.yaml"))
        training.train(config)
        assert validation.validate(config).passed
        registry.register()
        exporting.export(config_file.load_serve(), "local", "champion")
    return folder
