"""The first deployment of all, which has nothing to roll back to, in a local ECS of its own."""

from __future__ import annotations

import json
import re
import shutil
import sys

import pytest
import requests

from ecs_local.testing import wait
from mlops_kit.artifact import folder as model_folder

from .local_ecs import ROOT, LocalEcs
from .site import BREAKS, CODE, made_site

pytestmark = pytest.mark.skipif(sys.version_info < (3, 10), reason="needs boto3 for Python 3.10")


@pytest.fixture
def empty(tmp_path):
    """A local ECS in which nothing was ever deployed."""
    running = LocalEcs(tmp_path / "ecs")
    running.start()
    yield running
    running.stop()


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_release_can_be_made(name, tmp_path):
    shutil.copytree(ROOT / CODE[1] / "mlops_kit/serving", tmp_path / "serving")
    for edit in BREAKS[name]:
        edit.make(tmp_path / "serving")


@pytest.mark.slow
def test_failed_first_deployment_exits_4_and_next_one_works(empty, models, tmp_path_factory):
    broken, wrong, good = (
        made_site(tmp_path_factory.mktemp("first"), name, models, empty)
        for name in ("crashes", "answers wrongly", "1")
    )
    status = good.run("status")
    assert (status.code, "there is none yet" in status.out) == (0, True), status.out
    refused = good.run("rollback")
    assert (refused.code, "no earlier release" in refused.out) == (2, True), refused.out
    done = broken.run("deploy")
    assert done.code == 4, done.out
    assert "ended by itself with exit code 1" in done.out
    assert "it is the first deployment, so there is no version to roll back to" in done.out
    assert "its number of tasks was set to 0" in done.out
    ecs, contract = empty.client("ecs"), empty.contract
    (service,) = ecs.describe_services(cluster=contract["cluster"], services=[contract["service"]])[
        "services"
    ]
    assert service["desiredCount"] == 0
    # Where ECS skips the pause on a first deployment, the golden predictions are asked afterwards.
    empty.play(hooks_on_first="skipped")
    done = wrong.run("deploy")
    assert done.code == 4, done.out
    assert "ECS has completed the deployment, but it did not pass: golden predictions" in done.out
    assert "its number of tasks was set to 0" in done.out
    plan = good.run("deploy-plan")
    assert (plan.code, "image" in plan.out) == (0, True), plan.out
    done = good.run("deploy")
    assert done.code == 0, done.out
    assert "it was there already" not in done.out
    repository = contract["repository"].partition("/")[2]
    images = empty.client("ecr").describe_images(repositoryName=repository)["imageDetails"]
    served = [one["imageDigest"] for one in images if any("served-" in t for t in one["imageTags"])]
    assert served == [good.record["digest"]]
    again = good.run("deploy")
    assert (again.code, "it was there already" in again.out) == (0, True), again.out
    status = good.run("status")
    for text in (good.tag, "100 %", "1 healthy", "1 of 1 run", "needs a person", " ago"):
        assert text in status.out, status.out
    logs = good.run("logs")
    assert '"event":"serving"' in logs.out
    verified = good.run("verify")
    assert verified.code == 0, verified.out
    for step in ("credentials", "infrastructure", "image", "preflight", "deployed", "serves"):
        assert re.search(rf"{step} .*holds", verified.out), verified.out
    assert re.search("rolled back .*not yet", verified.out), verified.out
    plan = good.run("deploy-plan")
    assert (plan.code, "no changes" in plan.out) == (0, True), plan.out
    assert set(shipped(empty, good)) == {"asked-0", "asked-1", "asked-2"}


def shipped(ecs, site):
    """Ask production three times, and return the ids of all requests that arrived in S3: none of the deployer's probe."""
    example = json.loads((site.folder / model_folder.FOLDER / model_folder.EXAMPLE).read_text())
    for number in range(3):
        asked = requests.post(
            f"{ecs.production}/predict", json=example, headers={"X-Request-ID": f"asked-{number}"}
        )
        assert asked.status_code == 200
    s3, bucket = ecs.client("s3"), ecs.contract["records_bucket"]
    place = {"Bucket": bucket, "Prefix": "predictions/date="}
    found = wait(lambda: s3.list_objects_v2(**place).get("Contents"), "what was recorded")
    lines = [
        line
        for one in found
        for line in s3.get_object(Bucket=bucket, Key=one["Key"])["Body"].read().splitlines()[1:]
    ]
    return [json.loads(line)["request_id"] for line in lines]
