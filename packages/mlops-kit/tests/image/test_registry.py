"""Through a real registry and back; REGISTRY names one that may be pushed to, like 127.0.0.1:5000."""

import json
import os

import pytest

from mlops_kit.delivery.image import build, docker

from tests.image.containers import run_docker

pytestmark = pytest.mark.skipif(
    not os.environ.get("REGISTRY"), reason="NO REGISTRY given: nothing was pushed or run by digest"
)


@pytest.fixture
def pushed(tested_image, tmp_path, monkeypatch, pytestconfig):
    """The artifacts/image.json of the push; written beside, not over the real one."""
    monkeypatch.chdir(tmp_path)
    build.RECORD.parent.mkdir()
    record = json.loads((pytestconfig.rootpath / build.RECORD).read_text())
    build.RECORD.write_text(json.dumps({**record, "id": tested_image}))
    done = build.push_to(os.environ["REGISTRY"])
    yield done
    repository = done["reference"].partition("@")[0]
    run_docker("rmi", f"{repository}:{done['tag'].rpartition(':')[2]}", done["reference"])


def test_what_was_pushed_runs_by_its_digest(pushed, start, card):
    reference = pushed["reference"]
    assert reference.endswith(f"@{pushed['digest']}")
    assert json.loads(build.RECORD.read_text()) == pushed
    # Forget the local names, so that the registry has to be read.
    repository = reference.partition("@")[0]
    run_docker("rmi", f"{repository}:{pushed['tag'].rpartition(':')[2]}", reference)
    assert run_docker("image", "inspect", reference).returncode != 0
    docker.ask("pull", reference)
    assert docker.inspect(reference)["Id"] == pushed["id"]
    container = start(of=reference).wait_ready()
    assert container.request("GET", "/version")[1]["version"] == card["version"]


def test_a_registry_that_is_not_there_is_a_sentence(pushed):
    with pytest.raises(build.UserError, match="docker push ended with exit code 1"):
        build.push_to("127.0.0.1:1")
