"""No request is lost while traffic is switched: 100,000 of them over ten deployments."""

from __future__ import annotations

import json
import sys
import time

import pytest

from .site import traffic

pytestmark = pytest.mark.skipif(sys.version_info < (3, 10), reason="needs boto3 for Python 3.10")

REQUESTS = 100_000
SWITCHES = 10


def test_no_request_is_lost_over_ten_switches(serving, emulator, site, right_answers):
    old, new = serving
    start = time.monotonic()
    total, versions = 0, set()
    with traffic(emulator, site("1"), connections=8, pause=0) as got:
        for switch in range(SWITCHES):
            one = (new, old)[switch % 2]
            done = one.run("deploy", "bake_minutes=0")
            assert done.code == 0, done.out
            versions.add(one.record["model_version"])
    total += got[0].count
    while total < REQUESTS:
        with traffic(emulator, site("1"), connections=8, pause=0) as more:
            time.sleep(5)
        assert more[0].lost == {}
        total += more[0].count
    assert got[0].lost == {}
    answers = [json.loads(body) for body in got[0].answers]
    assert all(answer in right_answers for answer in answers)
    assert versions == {answer["model_version"] for answer in answers}
    assert total >= REQUESTS
    print(f"{total:,} requests, 0 lost, {time.monotonic() - start:.0f} s")
