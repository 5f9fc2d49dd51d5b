"""How many records of deployments are read to find one."""

import io
import json
from types import SimpleNamespace

import pytest

from mlops_kit.core.errors import UserError
from mlops_kit.delivery.deploy import status
from mlops_kit.delivery.deploy.records import Records


class Bucket:
    """The records of deployments: numbers of digests, the oldest first; it counts what is read."""

    def __init__(self, digests):
        self.objects = {
            f"deployments/staging/{number:03}.json": {
                "digest": digest,
                "outcome": "deployed",
                "started_at": "2026-11-29T12:00:00Z",
            }
            for number, digest in enumerate(digests)
        }
        self.reads = 0

    def get_paginator(self, _):
        contents = [{"Key": key} for key in self.objects]
        return SimpleNamespace(paginate=lambda **_: [{"Contents": contents}])

    def get_object(self, Key, **_):  # noqa: N803 # botocore's name
        self.reads += 1
        return {"Body": io.BytesIO(json.dumps(self.objects[Key]).encode()), "ETag": "1"}


def environment(bucket):
    records = Records(SimpleNamespace(client=lambda _: bucket), "records", "staging")
    ecs = SimpleNamespace(service=lambda: None)
    return SimpleNamespace(records=records, ecs=ecs, name="staging")


def test_reading_stops_at_the_record_that_is_searched():
    bucket = Bucket(["old"] * 50 + ["current"] * 2)
    assert status._deployed(environment(bucket), "current").endswith(" ago")
    assert bucket.reads == 1
    assert status._deployed(environment(bucket), "old").endswith(" ago")
    assert bucket.reads == 1 + 3


def test_at_most_a_hundred_are_read():
    bucket = Bucket(["old"] * 120)
    assert status._deployed(environment(bucket), "current") == "?"
    assert bucket.reads == 100


def test_no_earlier_release_is_a_sentence():
    with pytest.raises(UserError, match="no earlier release was deployed to staging"):
        status.previous(environment(Bucket([])))
