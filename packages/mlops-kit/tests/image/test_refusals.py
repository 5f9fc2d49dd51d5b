"""Models that the service must not serve."""

import json

import pytest

from mlops_kit.delivery.image import docker

from tests.image.containers import eventually, run_docker

MODEL = "/app/artifacts/model"


def ends(container) -> tuple[int, str]:
    eventually(lambda: container.state()["Status"] == "exited", "the container ends")
    return container.state()["ExitCode"], container.logs()


@pytest.fixture
def changed(tested_image, card, tmp_path):
    """Start a container one of whose files was changed before."""
    names = []

    def start(name: str, change) -> tuple[int, str]:
        container = docker.ask("create", "--network", "none", tested_image).strip()
        names.append(container)
        docker.ask("cp", f"{container}:{MODEL}/{name}", str(tmp_path / name))
        content = bytearray((tmp_path / name).read_bytes())
        change(content)
        (tmp_path / name).write_bytes(content)
        docker.ask("cp", str(tmp_path / name), f"{container}:{MODEL}/{name}")
        done = run_docker("start", "--attach", container)
        return done.returncode, done.stderr

    yield start
    for name in names:
        run_docker("rm", "--force", name)


def flip_in_the_middle(content: bytearray) -> None:
    content[len(content) // 2] ^= 1


def test_a_changed_byte_of_the_model_is_refused(changed, card):
    name = f"model.{card['format']}"
    code, message = changed(name, flip_in_the_middle)
    assert code == 2
    assert message.startswith("error: ")
    assert name in message
    assert "changed" in message
    assert message.count("\n") == 1


def test_a_changed_description_is_refused(changed):
    def other_version(content: bytearray) -> None:
        card = json.loads(content)
        card["version"] += "0"
        content[:] = json.dumps(card).encode()

    code, message = changed("model.json", other_version)
    assert (code, message.count("\n")) == (2, 1)
    assert "model.json was changed" in message


def test_a_missing_model_is_refused(start):
    code, message = ends(start("--env", "MODEL_DIR=/tmp/nothing"))
    assert (code, message.count("\n")) == (2, 1)
    assert message.startswith("error: /tmp/nothing")


def test_a_port_that_is_none_is_refused(start):
    code, message = ends(start("--env", "PORT=http"))
    assert (code, message.count("\n")) == (2, 1)
    assert "PORT is 'http'" in message
