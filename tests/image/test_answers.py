"""What the running container answers."""

import pytest

from .containers import eventually


def test_the_golden_rows_are_answered_as_they_were_exported(container, card):
    rows = [case["row"] for case in card["golden"]]
    status, answer = container.request("POST", "/predict", {"rows": rows})
    assert status == 200
    assert answer["model_version"] == card["version"]
    assert len(answer["predictions"]) == len(rows)
    tolerance = card["parity"]["tolerance"] * card["parity"]["scale"]
    for given, case in zip(answer["predictions"], card["golden"]):
        expected = case["answer"]
        if "probabilities" in expected:
            assert given["prediction"] == expected["prediction"]
            close = pytest.approx(expected["probabilities"], rel=0, abs=tolerance)
            assert given["probabilities"] == close
        else:
            assert given["prediction"] == pytest.approx(
                expected["prediction"], rel=0, abs=tolerance
            )


def test_it_becomes_healthy_by_its_own_check(container, figures):
    eventually(lambda: container.state()["Health"]["Status"] == "healthy", "healthy")
    assert container.state()["Health"]["FailingStreak"] == 0


def test_version_equals_labels(container, labels):
    _, version = container.request("GET", "/version")
    assert {
        "model.name": version["registered_model"],
        "model.version": version["version"],
        "model.commit": version["git_commit"],
        "model.run-id": version["run_id"],
        "model.data-digest": version["data_digest"],
        "org.opencontainers.image.version": version["version"],
    }.items() <= labels.items()
    assert labels["org.opencontainers.image.revision"]


def test_a_wrong_row_is_refused_and_the_service_goes_on(container, card):
    status, answer = container.request("POST", "/predict", {"rows": [{"no such column": 1}]})
    assert status == 422
    assert "no such column" in str(answer)
    assert container.is_ready()


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_endpoint_is_200(container, path):
    assert container.request("GET", path)[0] == 200
