"""The service without a network, with models that fail, stall and overflow as no trained one does at will."""

import asyncio
import json
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from mlops_kit.artifact.predictor import Model
from mlops_kit.core.errors import UserError
from mlops_kit.core.project import current
from mlops_kit.serving.app import Service
from mlops_kit.serving.bodies import TOGETHER
from mlops_kit.serving.settings import (
    ChallengerConfig,
    LimitsConfig,
    RecordConfig,
    ShareConfig,
    load_serve,
)
from mlops_kit.serving.work import Work

CARD = {
    "registered_model": "m",
    "version": "7",
    "challenger": None,
    "run_id": "r",
    "git_commit": "none",
    "git_dirty": "false",
    "data_source": "d.csv",
    "data_digest": "0",
    "model_sha256": "0",
    "task": "regression",
    "target": "y",
    "format": "onnx",
    "metrics": {},
    "classes": [],
    "derived": [],
    "columns": [{"name": "x", "kind": "numeric", "missing": True, "missing_values": []}],
    "golden": [{"row": {"x": 1.0}, "answer": {"prediction": 1.0}}],
    "parity": {"rows": 1, "worst": 0.0, "tolerance": 1e-5, "scale": 1.0},
}


def echo(matrix):
    return matrix[:, :1]


async def call(service, method, path, body=b"", headers=((b"host", b"x"),)):
    """Send one request as a server does; return status, headers and body."""
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": list(headers),
    }
    sent, messages = [], [{"type": "http.request", "body": body, "more_body": False}]

    async def receive():
        return messages.pop(0) if messages else await asyncio.Future()

    async def send(message):
        sent.append(message)

    await service.observed(scope, receive, send)
    start, *parts = sent
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    return start["status"], headers, b"".join(part.get("body", b"") for part in parts)


def rows(*values):
    return json.dumps({"rows": [{"x": value} for value in values]}).encode()


def ask(form, *values, limits=None):
    async def once():
        service = Service(Model(CARD, form), limits or LimitsConfig(), "")
        return await call(service, "POST", "/predict", rows(*values))

    return asyncio.run(once())


def double(matrix):
    return 2 * matrix[:, :1]


def overflows(matrix):
    return matrix[:, :1] * float("inf")


def broken(_matrix):
    raise RuntimeError("a fault of its own")


@pytest.mark.parametrize(
    ("form", "headers", "variant", "version", "prediction"),
    [
        (double, [(b"x-user-id", b"u")], "challenger", "8", 6.0),
        (double, [], "champion", "7", 3.0),  # there is no unit
        (double, [(b"x-user-id", b"u"), (b"x-probe", b"1")], "champion", "7", 3.0),
        (broken, [(b"x-user-id", b"u")], "champion", "7", 3.0),
        (overflows, [(b"x-user-id", b"u")], "champion", "7", 3.0),
    ],
)
def test_a_share_is_the_challengers_and_where_it_fails_the_champions(
    form, headers, variant, version, prediction
):
    async def once():
        share = ShareConfig(header="X-User-Id", percent=100)
        config = ChallengerConfig(mode="share", share=share)
        challenger = Model({**CARD, "version": "8"}, form)
        service = Service(
            Model(CARD, echo), LimitsConfig(), "", challenger=config, variant=challenger
        )
        service.variant.start()
        answer = await call(
            service, "POST", "/predict", rows(3.0), headers=[(b"host", b"x"), *headers]
        )
        _, _, metrics = await call(service, "GET", "/metrics")
        service.variant.close()
        return answer, metrics.decode()

    (status, received, body), metrics = asyncio.run(once())
    assert (status, received["x-variant"]) == (200, variant)
    assert json.loads(body) == {
        "model_version": version,
        "predictions": [{"prediction": prediction}],
    }
    failed = form is not double
    assert ('challenger_rows_total{outcome="failed"} 1.0' in metrics) == failed
    assert ('challenger_rows_total{outcome="answered"} 1.0' in metrics) == (version == "8")
    assert ("challenger_seconds_count 1.0" in metrics) == (version == "8")


def test_a_unit_that_is_no_column_is_refused():
    config = ChallengerConfig(mode="share", share=ShareConfig(column="user"))
    with pytest.raises(UserError, match=r"challenger.share.column is 'user', which is no column"):
        Service(
            Model(CARD, echo), LimitsConfig(), "", challenger=config, variant=Model(CARD, double)
        )


def test_a_fault_is_500_with_the_request_id_of_the_log(capfdbinary):
    def broken(_matrix):
        raise RuntimeError("a fault of its own")

    status, headers, body = ask(broken, 1.0)
    assert status == 500
    number = headers["x-request-id"]
    expected = {"detail": f"unexpected error; the log has more under {number}"}
    assert json.loads(body) == expected
    failed, answered = map(json.loads, capfdbinary.readouterr().out.splitlines())
    assert (failed["request_id"], answered["request_id"]) == (number, number)
    assert (failed["level"], failed["event"], answered["status"]) == ("error", "failed", 500)
    assert "a fault of its own" in failed["trace"]


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_an_answer_that_is_not_finite_is_422_and_names_its_rows(value):
    def overflows(matrix):
        return np.where(matrix > 1, value, matrix)

    status, _, body = ask(overflows, 1.0, 2.0, 0.0, 3.0)
    assert status == 422
    problems = json.loads(body)["detail"]
    assert [one["loc"] for one in problems] == [["body", "rows", 1], ["body", "rows", 3]]
    assert {one["type"] for one in problems} == {"not_finite"}


def test_rows_that_scikit_learn_refuses_are_422_with_its_reason():
    def refuses(_matrix):
        raise ValueError("Input X contains infinity\nor a value too large")

    status, _, body = ask(refuses, 1.0)
    assert status == 422
    (problem,) = json.loads(body)["detail"]
    assert problem["msg"] == "Input X contains infinity or a value too large"


def test_no_answer_in_time_is_504_and_the_next_request_is_answered():
    go_on = threading.Event()

    def stalls(matrix):
        if len(matrix) > 1:
            assert go_on.wait(60)
        return echo(matrix)

    async def stall_then_go_on():
        service = Service(Model(CARD, stalls), LimitsConfig(seconds=0.2), "")
        late = await call(service, "POST", "/predict", rows(*range(100)))
        go_on.set()
        return late, await call(service, "POST", "/predict", rows(5.0))

    (status, _, body), (later, _, answer) = asyncio.run(stall_then_go_on())
    assert (status, json.loads(body)) == (504, {"detail": "no answer within 0.2 s"})
    assert later == 200
    assert json.loads(answer) == {"model_version": "7", "predictions": [{"prediction": 5.0}]}


def test_one_request_over_the_limit_is_503_with_retry_after():
    go_on = threading.Event()

    def stalls(matrix):
        assert go_on.wait(60)
        return echo(matrix)

    async def three():
        service = Service(Model(CARD, stalls), LimitsConfig(waiting=2), "")
        body = rows(*range(100))
        waiting = [asyncio.create_task(call(service, "POST", "/predict", body)) for _ in range(2)]
        await asyncio.sleep(0)
        refused = await call(service, "POST", "/predict", body)
        go_on.set()
        return refused, [status for status, _, _ in await asyncio.gather(*waiting)]

    (status, headers, body), answered = asyncio.run(three())
    assert (status, headers["retry-after"]) == (503, "1")
    assert json.loads(body)["detail"].startswith("2 requests are in work already")
    assert answered == [200, 200]


def test_256_clients_at_once_are_all_answered_by_default():
    """As many as one process serves within its limit of seconds several times over."""

    async def crowd():
        service = Service(Model(CARD, echo), LimitsConfig(), "")
        asked = (call(service, "POST", "/predict", rows(1.0)) for _ in range(256))
        return {status for status, _, _ in await asyncio.gather(*asked)}

    assert asyncio.run(crowd()) == {200}
    assert load_serve().limits.waiting == LimitsConfig().waiting  # what ships, and without a file


def test_large_bodies_in_work_are_bounded_together():
    go_on = threading.Event()

    def stalls(matrix):
        assert go_on.wait(60)
        return echo(matrix)

    async def many(count):
        service = Service(Model(CARD, stalls), LimitsConfig(body_kilobytes=128), "")
        body = rows(*range(100)).ljust(128 * 1024)
        asked = [asyncio.create_task(call(service, "POST", "/predict", body)) for _ in range(count)]
        while sum(one.done() for one in asked) < count - TOGETHER:
            await asyncio.sleep(0)
        go_on.set()
        return [status for status, _, _ in await asyncio.gather(*asked)]

    assert asyncio.run(many(TOGETHER + 3)) == [200] * TOGETHER + [503] * 3


def test_after_a_large_one_that_was_refused_the_next_waits_and_small_ones_do_not():
    async def three():
        work, loop, order = Work(10, 2**20), asyncio.get_running_loop(), []
        work.refused(1000, 3600)  # a small one, for which nobody waits
        work.refused(2**20, 0.05)
        start = loop.time()

        async def take(size):
            await work.begin(size)
            order.append((size, loop.time() - start))
            work.end(size)

        await asyncio.gather(*(take(size) for size in (2**20, 1000, 2**19)))
        return order

    (first, _), *large = asyncio.run(three())
    assert (first, sorted(size for size, _ in large)) == (1000, [2**19, 2**20])
    assert all(seconds >= 0.1 for _, seconds in large)


@pytest.mark.parametrize("mark", [[], [(b"x-probe", b"1")]], ids=["traffic", "probe"])
def test_a_probe_is_answered_counted_apart_and_not_recorded(checkout, mark):
    async def once():
        service = Service(
            Model(CARD, echo), LimitsConfig(), "", record=RecordConfig(folder="recorded")
        )
        headers = [(b"host", b"x"), *mark]
        status, _, _ = await call(service, "POST", "/predict", rows(1.0, 2.0), headers)
        service.recorder.start()
        service.recorder.close()
        return status, (await call(service, "GET", "/metrics"))[2].decode()

    status, text = asyncio.run(once())
    path, count = ("probe", 0) if mark else ("/predict", 2)
    assert status == 200
    assert f'http_requests_total{{path="{path}",status="200"}} 1.0' in text
    assert f"predicted_rows_total {count:.1f}" in text
    assert f"recorded_rows_total {count:.1f}" in text
    assert len(list(Path("recorded").iterdir())) == (0 if mark else 1)


@pytest.mark.parametrize("headers", [[], [(b"host", b"a"), (b"host", b"b")]], ids=["none", "two"])
def test_a_request_without_one_host_is_400(headers):
    async def once():
        service = Service(Model(CARD, echo), LimitsConfig(), "")
        return await call(service, "GET", "/healthz", headers=headers)

    assert asyncio.run(once())[0] == 400


@pytest.mark.parametrize("prefix", ["", "/churn"])
def test_behind_a_prefix_the_documents_and_counters_are_those_without(prefix):
    async def several():
        service = Service(Model(CARD, echo), LimitsConfig(), "", root_path="/churn")
        asked = [await call(service, "GET", f"{prefix}{path}") for path in ("/docs", "/healthz")]
        return asked, (await call(service, "GET", "/metrics"))[2].decode()

    ((status, _, docs), (health, _, _)), text = asyncio.run(several())
    assert (status, health) == (200, 200)
    assert b"'/churn/openapi.json'" in docs
    assert 'http_requests_total{path="/healthz",status="200"} 1.0' in text


def test_the_name_of_the_model_cannot_leave_the_title():
    async def docs():
        card = {**CARD, "registered_model": "</title><script>"}
        return await call(Service(Model(card, echo), LimitsConfig(), ""), "GET", "/docs")

    status, _, body = asyncio.run(docs())
    assert status == 200
    assert b"<title>&lt;/title&gt;&lt;script&gt; version 7</title>" in body


def test_a_path_is_logged_in_part(capfdbinary):
    async def once():
        return await call(Service(Model(CARD, echo), LimitsConfig(), ""), "GET", "/" + 60_000 * "x")

    assert asyncio.run(once())[0] == 404
    (answered,) = map(json.loads, capfdbinary.readouterr().out.splitlines())
    assert answered["path"] == "/" + 199 * "x"


@pytest.mark.parametrize("value", ["0.123456789", '"a name"'])
def test_what_is_in_a_row_is_not_logged(capfdbinary, value):
    async def once():
        body = f'{{"rows": [{{"x": {value}}}]}}'.encode()
        return await call(Service(Model(CARD, echo), LimitsConfig(), ""), "POST", "/predict", body)

    assert asyncio.run(once())[0] == (200 if value[0] == "0" else 422)
    printed = capfdbinary.readouterr()
    assert b'"event":"answered"' in printed.out
    assert value.strip('"').encode() not in printed.out + printed.err


def test_request_without_the_key_is_401_with_www_authenticate():
    async def without_key():
        service = Service(Model(CARD, echo), LimitsConfig(), "secret")
        return await call(service, "POST", "/predict", rows(1.0))

    status, headers, body = asyncio.run(without_key())
    assert (status, headers["www-authenticate"]) == (401, "APIKey")
    assert json.loads(body) == {"detail": "the header X-API-Key is missing or wrong"}


def test_a_model_that_answers_otherwise_is_not_ready():
    async def ready(form):
        return await call(Service(Model(CARD, form), LimitsConfig(), ""), "GET", "/readyz")

    assert asyncio.run(ready(echo))[0] == 200
    status, _, body = asyncio.run(ready(lambda matrix: echo(matrix) + 1))
    assert status == 503
    assert json.loads(body)["detail"].startswith("golden row 1 of m version 7 is predicted as ")


@pytest.mark.parametrize(("row", "form"), [({"x": "one"}, echo), ({"y": 1.0}, echo), ({}, broken)])
def test_a_model_that_cannot_predict_its_golden_rows_is_a_sentence(row, form):
    golden = [{"row": row or {"x": 1.0}, "answer": {"prediction": 1.0}}]
    with pytest.raises(UserError, match=r"^m version 7 cannot predict its golden rows: "):
        Model({**CARD, "golden": golden}, form).check()


@pytest.mark.parametrize("words", [["--chek"], ["--check", "more"], ["--ship", "--now"], ["-h"]])
def test_unknown_arguments_start_no_service(words):
    command = [sys.executable, "-m", current().package, "serve", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith(f"error: serve is given {' '.join(words)!r}; accepted: ")
