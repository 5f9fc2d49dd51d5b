"""One emulator for all tests, an image of the stub service in it, and a service that has settled."""

import json
import shutil

import pytest

from ml_template.serving import model_folder

from infra.local.bootstrap import NAME

from .emulator import STUB, Emulator, wait

SERVICE = "stub"


@pytest.fixture(scope="session")
def emulator(tmp_path_factory):
    """A running emulator in which a minute takes half a second."""
    running = Emulator(tmp_path_factory.mktemp("emulator") / "local", minute=0.4).start()
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
    found = emulator.ecs.describe_services(cluster=NAME, services=[SERVICE])["services"]
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


@pytest.fixture
def packable(tmp_path):
    """A folder that `local-release` can pack: the stub in the service's place, and any bytes as a model."""
    package = tmp_path / "src/ml_template/serving"
    package.mkdir(parents=True)
    shutil.copy(STUB, package / "__main__.py")
    for folder in (package, package.parent):
        (folder / "__init__.py").touch()
    (package / "left_over.pyc").write_bytes(b"bytecode")
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs/serve.yaml").write_text("limits: {}\n")
    model = tmp_path / model_folder.FOLDER
    model.mkdir(parents=True)
    card = {
        "registered_model": "local",
        "version": "3",
        "git_commit": "0123abc",
        "run_id": "run",
        "data_digest": "sha256:data",
        "format": "onnx",
    }
    (model / model_folder.CARD).write_text(json.dumps(card))
    (model / model_folder.FILES["onnx"]).write_bytes(b"weights")
    sums = model_folder.sums(model, [model_folder.CARD, model_folder.FILES["onnx"]])
    (model / model_folder.SUMS).write_text(sums)
    return tmp_path
