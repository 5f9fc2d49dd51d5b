"""One emulator for all tests, an image of the stub service in it, and a steady service."""

import pytest

from .account import NAME
from .emulator import Emulator, wait

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
def _no_wrapper(monkeypatch):
    """Have messages name the commands of this distribution, also where make runs the tests."""
    monkeypatch.delenv("LOCAL_COMMANDS", raising=False)


@pytest.fixture(autouse=True)
def _no_faults(request):
    yield
    if "emulator" in request.fixturenames:
        request.getfixturevalue("emulator").clear()


def is_active(emulator):
    found = emulator.ecs.describe_services(cluster=NAME, services=[SERVICE])["services"]
    return bool(found) and found[0]["status"] == "ACTIVE"


@pytest.fixture
def no_service(emulator):
    """Free the load balancer for a service of the test's own."""
    if is_active(emulator):
        emulator.delete(SERVICE)


@pytest.fixture
def service(emulator, stub):
    """The name of a steady service, with version 1 or that of an earlier test."""
    if not is_active(emulator):
        created = emulator.create(SERVICE, emulator.register(stub, VERSION="1"))
        assert emulator.ended(created["currentServiceDeployment"])["status"] == "SUCCESSFUL"
    wait(lambda: emulator.version(emulator.production), "a service that answers")
    yield SERVICE
    newest = emulator.service(SERVICE)["currentServiceDeployment"]
    if emulator.deployment(newest)["status"] not in ("SUCCESSFUL", "ROLLBACK_SUCCESSFUL"):
        emulator.clear()
        emulator.delete(SERVICE)
