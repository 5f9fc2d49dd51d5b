"""The real service over real HTTP: its responses, refusals, logs and metrics, and how it ends."""

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from mlops_kit.artifact import folder as model_folder
from mlops_kit.core.project import current
from mlops_kit.serving import app

PATIENCE = 60
COLUMNS = ["age", "visits so.far", "smoker", "member", "region", "city", "joined", "born"]

# Rooms of the kit that are not in the service's image.
ROOMS = [f"mlops_kit.{room}" for room in ("data", "experiments", "monitoring", "delivery", "ci")]
# Start the service, or its check, in an interpreter in which some packages are not installed.
WITHOUT = """
import runpy, sys
class Absent:
    def find_spec(name, *_):
        if name.partition(".")[0] in {absent} or name in {rooms}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent)
sys.argv[1:] = {arguments}
runpy.run_module("{package}", run_name="__main__")
"""


def without(absent, *arguments):
    """Return the arguments of Python that start it so."""
    package = current().package
    return "-c", WITHOUT.format(absent=absent, rooms=ROOMS, arguments=arguments, package=package)


@pytest.fixture
def golden(exported):
    """A function from a model's name to its first golden row."""
    return lambda name="binary": exported(name).card["golden"][0]["row"]


@pytest.fixture
def copied(exported, tmp_path):
    """A copy of an exported checkout, to be spoiled."""

    def copy(name="binary", form="onnx"):
        shutil.copytree(exported(name, form).folder, tmp_path / model_folder.FOLDER)
        return tmp_path

    return copy


def body_of(*rows):
    return json.dumps({"rows": rows}).encode()


def sample(service, measure, **labels):
    """Return one number of /metrics; 0 if it was not counted yet."""
    for family in text_string_to_metric_families(service.get("/metrics").text):
        for one in family.samples:
            if one.name == measure and labels.items() <= one.labels.items():
                return one.value
    return 0


def eventually(condition):
    """Poll until `condition()` holds: what it asks about happens in another process."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "what must come did not come"
        time.sleep(0.01)


def connect(service):
    place = urlsplit(service.url)
    return socket.create_connection((place.hostname, place.port), PATIENCE)


def open_request(service, length, path="/predict"):
    """Send the head of a request whose body is still to come."""
    connection = connect(service)
    connection.sendall(
        f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode()
    )
    return connection


def answered_at_once(service, path, count):
    """Send requests over one connection, 16 at a time without waiting; return how many are answered with 200."""
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    answered = 0
    with connect(service) as connection, connection.makefile("rb") as answers:
        while answered < count:
            connection.sendall(request * 16)
            for _ in range(16):
                assert answers.readline() == b"HTTP/1.1 200 OK\r\n"
                fields = dict(line.split(b": ") for line in iter(answers.readline, b"\r\n"))
                answers.read(int(fields[b"content-length"]))
                answered += 1
    return answered


def all_that_comes(connection):
    """Read until the other side ends the connection, in whatever way."""
    received = b""
    with contextlib.suppress(ConnectionError):
        while part := connection.recv(65536):
            received += part
    return received


def send_all(connection, data):
    """Send as much as the other side takes."""
    with contextlib.suppress(ConnectionError):
        connection.sendall(data)


def read_answer(connection):
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    return answer.status, json.loads(answer.read())


class TestAnswers:
    @pytest.mark.parametrize(
        ("name", "form"),
        [("binary", "onnx"), ("binary", "skops"), ("classes", "onnx"), ("number", "onnx")],
    )
    def test_golden_rows_are_answered_as_exported(self, exported, served, name, form):
        cases = exported(name, form).card["golden"]
        answer = served(name, form).predict(*(case["row"] for case in cases))
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json"
        body = answer.json()
        assert body["model_version"] == "1"
        for found, case in zip(body["predictions"], cases):
            assert found.keys() == case["answer"].keys()
            assert found["prediction"] == pytest.approx(case["answer"]["prediction"], rel=1e-6)
            if "probabilities" in found:
                expected = case["answer"]["probabilities"]
                assert found["probabilities"] == pytest.approx(expected, abs=1e-6)

    def test_many_rows_come_back_in_their_order(self, served, golden):
        row, service = golden("number"), served("number")
        rows = [{**row, "visits so.far": number} for number in range(1000)]
        found = [one["prediction"] for one in service.predict(*rows).json()["predictions"]]
        assert len(found) == 1000
        assert found == sorted(found)
        assert found[7] == service.predict(rows[7]).json()["predictions"][0]["prediction"]

    def test_null_and_unseen_category_are_accepted(self, served, golden):
        gone = dict.fromkeys(["age", "member", "city", "joined"])
        for form in ("onnx", "skops"):
            for more in (gone, {"region": "upwards", "city": "Nowhere \U0001f3d9"}, {"city": ""}):
                assert served("binary", form).predict({**golden(), **more}).status_code == 200

    @pytest.mark.parametrize("form", ["onnx", "skops"])
    @pytest.mark.parametrize("number", [3.4028234663852886e38, -3.4e38, 1e-320, 2**70])
    def test_giant_numbers_have_an_answer(self, served, golden, form, number):
        answer = served("binary", form).predict({**golden(), "age": number})
        assert answer.status_code == 200

    def test_the_example_of_the_document_is_a_request(self, served):
        document = served("binary").get("/openapi.json").json()
        body = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
        assert served("binary").predict(*body["schema"]["example"]["rows"]).status_code == 200

    def test_version_has_provenance(self, served, exported):
        version, card = served("binary").get("/version").json(), exported("binary").card
        assert version.pop("release") is None  # no deployer has named it
        assert version == {key: card[key] for key in version}
        for key in ("version", "run_id", "git_commit", "data_digest", "model_sha256", "metrics"):
            assert key in version

    def test_version_has_release_of_the_deployer(self, serve, exported):
        service = serve(exported("binary").checkout, RELEASE="sha256:ab")
        assert service.get("/version").json()["release"] == "sha256:ab"

    def test_it_is_alive_and_ready_and_shows_page_and_documents(self, served):
        service = served("binary")
        assert service.get("/healthz").json() == {"status": "alive"}
        assert service.get("/readyz").json() == {"status": "ready"}
        for path in ("/", "/docs"):
            assert service.get(path).headers["content-type"] == "text/html; charset=utf-8"
        assert "default-src 'self'" in service.get("/").headers["content-security-policy"]

    def test_what_is_not_there_and_what_is_not_meant(self, served):
        for path in ("/nope", "/static/nope", "/static/..%2fpage.py"):
            answer = served("binary").get(path)
            assert (answer.status_code, answer.json()) == (404, {"detail": "Not Found"})
        answer = served("binary").get("/predict")
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
        answer = served("binary").get("/healthz/", allow_redirects=False)
        assert answer.status_code == 404  # a redirect would lead to the address in the Host header

    @pytest.mark.parametrize(
        "path", ["/", "/healthz", "/readyz", "/version", "/metrics", "/docs", "/static/page.css"]
    )
    def test_head_is_get_without_its_body(self, served, path):
        url = served("binary").url + path
        head, get = (ask(url, timeout=PATIENCE) for ask in (requests.head, requests.get))
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-type"] == get.headers["content-type"]


class TestRefusedRows:
    @pytest.mark.parametrize(
        ("changed", "name"),
        [
            ({"agee": 1}, "agee"),
            ({"age": "1"}, "age"),
            ({"age": True}, "age"),
            ({"age": 1e300}, "age"),
            ({"age": float("nan")}, "age"),
            ({"age": float("-inf")}, "age"),
            ({"age": 10**500}, "age"),
            ({"visits so.far": None}, "visits so.far"),
            ({"smoker": 1}, "smoker"),
            ({"smoker": None}, "smoker"),
            ({"region": ["north"]}, "region"),
            ({"region": None}, "region"),
            ({"region": ""}, "region"),
            ({"region": "NA"}, "region"),
            ({"joined": "20200101"}, "joined"),
            ({"joined": "0001-01-01T00:00:00+14:00"}, "joined"),
            ({"joined": "9999-12-31T23:59:59-14:00"}, "joined"),
            ({"born": "1980-02-01"}, "born"),
            ({"born": "31/02/1980"}, "born"),
        ],
    )
    def test_a_wrong_field_is_named_with_its_row(self, served, golden, changed, name):
        answer = served("binary").predict(golden(), {**golden(), **changed})
        assert answer.status_code == 422
        (problem,) = answer.json()["detail"]
        assert problem["loc"] == ["body", "rows", 1, name]
        assert problem.keys() == {"type", "loc", "msg"}

    @pytest.mark.parametrize("name", COLUMNS)
    def test_a_missing_field_is_named(self, served, golden, name):
        row = {key: value for key, value in golden().items() if key != name}
        (problem,) = served("binary").predict(row).json()["detail"]
        assert (problem["type"], problem["loc"]) == ("missing", ["body", "rows", 0, name])

    @pytest.mark.parametrize(
        "body",
        [
            *(
                b"",
                b"null",
                b"[]",
                b"{}",
                b'{"rows": []}',
                b'{"rows": {}}',
                b'{"rows": [1]}',
                b"\xff",
            ),
            *(b'{"rows": NaN}', b"[" * 50_000, b'{"rows":' + b"[" * 50_000, b"1" * 50_000, b"\0"),
            b'{"rows": [{"\\ud800": 1}]}',
        ],
    )
    def test_what_holds_no_rows(self, served, body):
        answer = served("binary").post(body)
        assert answer.status_code == 422
        assert answer.json()["detail"][0]["loc"][0] == "body"

    def test_too_many_rows(self, served, golden):
        answer = served("binary").predict(*[golden()] * 1001)
        assert answer.status_code == 422
        (problem,) = answer.json()["detail"]
        assert (problem["type"], problem["loc"]) == ("too_long", ["body", "rows"])

    def test_the_answer_to_very_many_mistakes_stays_short(self, served):
        unknown = {str(number): 1 for number in range(1000)}
        answer = served("binary").predict(unknown)
        assert len(answer.json()["detail"]) == 100

    def test_first_wrong_row_is_reported(self, served, golden):
        answer = served("binary").predict(golden(), *[{"x": 1}] * 999)
        problems = answer.json()["detail"]
        assert len(problems) == len(COLUMNS) + 1
        assert {tuple(one["loc"][:3]) for one in problems} == {("body", "rows", 1)}

    def test_numbers_beyond_what_json_parsers_take(self, served, golden):
        for text in ("1e999", "-1e999", "1" * 5000, "1e99999999999999999999"):
            body = body_of({**golden(), "age": "@"}).replace(b'"@"', text.encode())
            assert served("binary").post(body).status_code == 422

    def test_of_a_key_given_twice_the_last_counts(self, served, golden):
        right = served("binary").predict({**golden(), "age": 33}).json()
        twice = body_of({**golden(), "age": 33}).replace(b'"age"', b'"age": "x", "age"', 1)
        assert served("binary").post(twice).json() == right


class TestKey:
    @pytest.fixture(params=["secret", "schlüssel"])
    def key(self, request):
        return request.param

    def test_only_the_right_key_may_predict(self, serve, exported, golden, key):
        service = serve(exported("binary").checkout, API_KEY=key)
        right = {"X-API-Key": key.encode()}
        assert service.predict(golden(), headers=right).status_code == 200
        wrong = [{}, {"X-API-Key": ""}, {"X-API-Key": "Secret"}, {"X-API-Key": b"\xff"}]
        for headers in [
            *wrong,
            {"X-API-Key": key.encode() + b"x"},
            {"Authorization": key.encode()},
        ]:
            answer = service.predict(golden(), headers=headers)
            assert answer.status_code == 401
            assert answer.json() == {"detail": "the header X-API-Key is missing or wrong"}
        for path in ("/", "/healthz", "/readyz", "/version", "/metrics", "/docs", "/openapi.json"):
            assert service.get(path).status_code == 200
        assert service.stop() == 0
        assert key not in "".join(service.lines)


class TestLimits:
    def test_missing_body_is_408_and_next_request_works(self, serve, exported, golden):
        service = serve(exported("binary").checkout, SERVE_SET="limits.seconds=0.3")
        with open_request(service, 100) as connection:
            connection.sendall(b'{"rows":')
            assert read_answer(connection) == (408, {"detail": "no body within 0.3 s"})
        assert service.predict(golden()).status_code == 200

    def test_large_body_is_413_with_and_without_length(self, serve, exported, golden):
        service = serve(exported("binary").checkout, SERVE_SET="limits.body_kilobytes=1")
        small, large = body_of(golden()), body_of(*[golden()] * 50)
        assert service.post(small).status_code == 200
        with requests.Session() as kept:  # after each answer the connection is as good as new
            for body in (
                large,
                iter([large[:700], large[700:]]),
                small + b" " * (1025 - len(small)),
            ):
                answer = kept.post(service.url + "/predict", data=body, timeout=PATIENCE)
                assert answer.status_code == 413
                assert answer.json() == {"detail": "the body is larger than 1024 bytes"}
                answer = kept.post(service.url + "/predict", data=small, timeout=PATIENCE)
                assert answer.status_code == 200

    def test_requests_whose_bodies_do_not_come_take_no_place(self, serve, exported, golden):
        service = serve(exported("binary").checkout, SERVE_SET="limits.waiting=1")
        body = body_of(golden())
        arriving = [open_request(service, len(body)) for _ in range(3)]
        eventually(lambda: sample(service, "predict_requests_in_work") == 3)
        assert service.post(body).status_code == 200
        arriving.pop().close()
        eventually(lambda: sample(service, "http_requests_total", status="499") == 1)
        for connection in arriving:
            connection.sendall(body)
            assert read_answer(connection)[0] == 200
            connection.close()

    def test_overload_answers_or_returns_503(self, serve, exported, golden):
        service = serve(exported("binary").checkout, SERVE_SET="limits.waiting=2")
        body, statuses = body_of(*[golden()] * 500), []

        def client():
            with requests.Session() as kept:
                for _ in range(10):
                    answer = kept.post(service.url + "/predict", data=body, timeout=PATIENCE)
                    statuses.append(answer.status_code)

        threads = [threading.Thread(target=client) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(statuses) == 80
        assert set(statuses) == {200, 503}
        assert sample(service, "predict_requests_in_work") == 0


# uvicorn's two parsers; the second is taken where httptools is not installed.
PARSERS = {
    "httptools": (),
    "h11": without(["httptools"], "serve"),
}


@pytest.fixture(params=PARSERS)
def parsed_by(request, serve, exported):
    """A function from limits to a service, with either parser."""

    def start(limits="limits.drain_seconds=0"):
        arguments = PARSERS[request.param]
        return serve(exported("binary").checkout, arguments=arguments, SERVE_SET=limits)

    return start


class TestConnections:
    GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
    POST = b"POST /predict HTTP/1.1\r\nHost: x\r\n"

    def answer(self, service, data):
        with connect(service) as connection:
            send_all(connection, data)
            return all_that_comes(connection)

    def refused(self, service, reason):
        eventually(lambda: any(line["event"] == "refused" for line in service.log()))
        lines = [line for line in service.log() if line["event"] == "refused"]
        counted = sample(service, "refused_connections_total", reason=reason)
        return [(line["level"], line["reason"]) for line in lines], counted

    def test_heads_are_bounded(self, parsed_by):
        service = parsed_by()
        close = b"Connection: close\r\n\r\n"
        assert b" 200 OK" in self.answer(
            service, self.GET + b"X: " + b"x" * 60_000 + b"\r\n" + close
        )
        large = [
            self.GET + b"X: " + b"x" * 10**6,
            self.GET + b"X: y\r\n" * 10**5,
            self.GET + b"X: y\r\n" * 100 + close,
            b"GET /" + b"x" * 10**6,
        ]
        for head in large:
            answer = self.answer(service, head)
            # Who goes on sending may miss the answer; h11 has a bound of its own, and no number for it.
            assert answer[:12] in (b"HTTP/1.1 431", b"HTTP/1.1 400", b"")
        assert service.get("/healthz").status_code == 200

    def test_trailers_are_bounded(self, parsed_by, golden):
        service, body = parsed_by(), body_of(golden())
        chunked = self.POST + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n"
        few = chunked % (len(body), body) + b"X: y\r\n" * 10 + b"\r\n"
        with connect(service) as connection:
            connection.sendall(few)
            assert read_answer(connection)[0] == 200
        self.answer(service, chunked % (len(body), body) + b"X: y\r\n" * 10**6)
        assert service.get("/healthz").status_code == 200

    def test_a_few_requests_may_be_sent_ahead_and_no_more(self, parsed_by):
        service = parsed_by()
        assert answered_at_once(service, "/healthz", 64) == 64
        assert self.answer(service, (self.GET + b"\r\n") * 10**5).count(b" 200 OK") < 10**5
        logged, counted = self.refused(service, "too much was sent ahead")
        assert (logged, counted) == ([("warning", "too much was sent ahead")], 1)
        assert service.get("/healthz").status_code == 200
        assert not [line for line in service.log() if line["event"] in ("failed", "library")]

    def test_silent_and_slow_clients_are_disconnected(self, parsed_by):
        service = parsed_by("limits.seconds=0.1")
        with connect(service) as silent, connect(service) as slow:
            slow.sendall(self.GET)
            assert all_that_comes(silent) == b""
            assert all_that_comes(slow).startswith(b"HTTP/1.1 408 Request Timeout\r\n")
        logged, counted = self.refused(service, "a head did not come")
        assert (logged, counted) == ([("warning", "a head did not come")], 2)

    def test_over_the_connection_limit_the_oldest_idle_is_closed(self, parsed_by, golden):
        service, body = parsed_by("limits.connections=3"), body_of(golden())
        with open_request(service, len(body)) as working, connect(service) as used:
            working.sendall(body)
            assert read_answer(working)[0] == 200
            used.sendall(self.GET + b"\r\n")
            assert read_answer(used)[0] == 200
            with connect(service) as silent, connect(service) as new:
                assert all_that_comes(silent) == b""
                for connection in (new, used, working):
                    connection.sendall(self.GET + b"\r\n")
                    assert read_answer(connection)[0] == 200

    def test_bodies_on_their_way_are_bounded_together(self, parsed_by, golden):
        service = parsed_by("limits.body_kilobytes=64")
        most, body = 65_536, body_of(golden())
        arriving = []
        for _ in range(20):
            arriving.append(open_request(service, most))
            arriving[-1].sendall(b" " * (most - len(body)))
        eventually(lambda: sample(service, "http_requests_total", status="503") == 4)
        for connection in arriving[:4]:
            assert read_answer(connection)[0] == 503
        assert service.post(body).status_code == 200
        for connection in arriving[4:]:
            connection.sendall(body)
            assert read_answer(connection)[0] == 200
        for connection in arriving:
            connection.close()


class TestWhatItTells:
    def test_request_ids_come_back_or_are_made(self, served, golden):
        service = served("binary")
        given = service.predict(golden(), headers={"X-Request-ID": "my.id-7_x"})
        assert given.headers["x-request-id"] == "my.id-7_x"
        made = [service.get("/healthz").headers["x-request-id"]]
        for bad in ("", "a b", "x" * 65, 'quote"', "ü".encode(), "<script>"):
            made.append(service.get("/nope", headers={"X-Request-ID": bad}).headers["x-request-id"])
        assert len(set(made)) == 7
        assert all(len(one) == 32 and one.isalnum() for one in made)

    def test_logs_are_lines_of_json_with_the_same_ids(self, serve, exported, golden):
        service = serve(exported("binary").checkout)
        ids = [
            service.predict(golden(), golden()).headers["x-request-id"],
            service.post(b"{}").headers["x-request-id"],
            service.get("/nope?secret=1").headers["x-request-id"],
            service.get("/healthz").headers["x-request-id"],
        ]
        assert service.stop() == 0
        log = service.log()  # every line is JSON
        events = [line["event"] for line in log]
        assert (events[0], events[-1]) == ("serving", "ended")
        assert sorted(events[1:-1]) == [*["answered"] * 4, "draining"]
        answered = [line for line in log if line["event"] == "answered"]
        assert [line["request_id"] for line in answered] == ids
        assert [line["status"] for line in answered] == [200, 422, 404, 200]
        assert [line["path"] for line in answered] == ["/predict", "/predict", "/nope", "/healthz"]
        assert [line.get("rows") for line in answered] == [2, None, None, None]
        assert all(line["level"] == "info" and line["time"].endswith("+00:00") for line in log)
        assert all(line["milliseconds"] > 0 for line in answered)
        assert service.process.stderr.read() == ""

    def test_metrics_count_what_was_sent(self, serve, exported, golden):
        service = serve(exported("binary").checkout)
        row = {**golden(), "region": "north", "city": None}
        answers = [
            *service.predict(row, row).json()["predictions"],
            *service.predict({**row, "region": "new", "city": "new"}).json()["predictions"],
            *service.predict({**row, "region": "newer"}).json()["predictions"],
        ]
        for body in (b"", b"{}", b"{}"):
            service.post(body)
        service.get("/nope")
        service.get("/any/other")
        assert sample(service, "http_requests_total", path="/predict", status="200") == 3
        assert sample(service, "http_requests_total", path="/predict", status="422") == 3
        assert sample(service, "http_requests_total", path="other", status="404") == 2
        assert sample(service, "http_request_seconds_count", path="/predict") == 6
        assert sample(service, "predicted_rows_total") == 4
        for label in ("yes", "no"):
            expected = sum(answer["prediction"] == label for answer in answers)
            assert sample(service, "predictions_total", **{"class": label}) == expected
        assert sample(service, "unseen_categories_total", column="region") == 2
        assert sample(service, "unseen_categories_total", column="city") == 1
        assert sample(service, "model", name="binary", version="1") == 1


class TestEnd:
    def test_while_draining_it_answers_but_is_not_ready(self, serve, exported, golden):
        service = serve(exported("binary").checkout, SERVE_SET="limits.drain_seconds=60")
        assert service.get("/readyz").status_code == 200
        service.process.send_signal(signal.SIGTERM)
        eventually(lambda: service.get("/readyz").status_code == 503)
        assert service.get("/readyz").json() == {"detail": "shutting down"}
        answer = service.predict(golden())
        assert answer.status_code == 200
        assert answer.headers["connection"] == "close"
        assert service.stop() == 0  # a second signal ends it at once

    def test_clients_with_kept_connections_lose_nothing(self, serve, exported, golden):
        service = serve(exported("binary").checkout, SERVE_SET="limits.drain_seconds=2")
        place, body = urlsplit(service.url), body_of(golden())
        statuses, enough = [], threading.Semaphore(0)

        def client():
            """Send requests over one connection until the service closes it."""
            connection = http.client.HTTPConnection(place.hostname, place.port, timeout=PATIENCE)
            last = False
            while not last:
                connection.request("POST", "/predict", body)
                answer = connection.getresponse()
                answer.read()
                last = answer.headers["connection"] == "close"
                statuses.append(answer.status)
                enough.release()

        threads = [threading.Thread(target=client) for _ in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(100):
            assert enough.acquire(timeout=PATIENCE)
        assert service.stop() == 0
        for thread in threads:
            thread.join()
        assert set(statuses) == {200}
        answered = [line for line in service.log() if line["event"] == "answered"]
        assert len(answered) == len(statuses)

    def test_what_is_in_work_at_the_end_is_finished(self, serve, exported, golden):
        service = serve(exported("binary").checkout)
        body = body_of(golden())
        with open_request(service, len(body)) as connection:
            eventually(lambda: sample(service, "predict_requests_in_work") == 1)
            service.process.send_signal(signal.SIGTERM)
            eventually(lambda: any(line["event"] == "draining" for line in service.log()))
            connection.sendall(body)
            assert read_answer(connection)[0] == 200
        assert service.process.wait(PATIENCE) == 0

    def test_unread_log_holds_up_neither_answers_nor_end(self, serve, exported, golden):
        service = serve(exported("binary").checkout, reads_log=False)
        count = 12_000  # a pipe takes hundreds of lines, and 10,000 may wait
        assert answered_at_once(service, "/healthz", count) == count
        assert service.predict(golden()).status_code == 200
        assert 0 < sample(service, "dropped_log_lines_total") < 2000
        start = time.monotonic()
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(PATIENCE) == 0
        assert time.monotonic() - start < 5  # one second of it is the log's
        events = [json.loads(line)["event"] for line in service.process.stdout]
        assert set(events) == {"answered"}
        assert service.process.stderr.read() == ""

    @pytest.mark.slow
    def test_200_stops_right_after_an_answer_all_end(self, exported):
        script, count = Path(__file__).with_name("stopping.py"), 4
        # Unbuffered, a line can be written within another, and the fault this is about does not show.
        own = ("COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START", "PYTHONUNBUFFERED")
        kept = {key: value for key, value in os.environ.items() if key not in own}
        processes = [
            subprocess.Popen(
                [sys.executable, str(script), str(exported("binary").folder), str(200 // count)],
                stdout=subprocess.PIPE,
                text=True,
                cwd=exported("binary").checkout,
                env={**kept, "PORT": "0", "SERVE_SET": "limits.drain_seconds=0"},
            )
            for _ in range(count)
        ]
        found = [process.communicate(timeout=10 * PATIENCE)[0] for process in processes]
        assert [json.loads(wrong) for wrong in found] == [[]] * count

    def test_ctrl_c_ends_it_at_once(self, serve, exported):
        service = serve(exported("binary").checkout, SERVE_SET="limits.drain_seconds=600")
        assert service.stop(signal.SIGINT) == 0
        assert service.process.stderr.read() == ""


class TestStart:
    @pytest.mark.parametrize(
        ("variables", "sentence"),
        [
            ({"PORT": "abc"}, "PORT is 'abc'; accepted: a whole number, 0 to 65535"),
            ({"PORT": "65536"}, "PORT is '65536'; accepted: a whole number, 0 to 65535"),
            ({"PORT": "-1"}, "PORT is '-1'; accepted: a whole number, 0 to 65535"),
            ({"HOST": "203.0.113.7"}, "HOST 203.0.113.7, PORT 0 cannot be had: "),
            ({"MODEL_DIR": "nowhere"}, "nowhere/SHA256SUMS not found: there is no model yet"),
            (
                {"SERVE_SET": "limits.rows=0"},
                "SERVE_SET: limits.rows is 0; accepted: a whole number",
            ),
            (
                {"SERVE_SET": "limits.row=5"},
                "SERVE_SET: unknown key 'limits.row' (did you mean ",
            ),
        ],
    )
    def test_what_cannot_be_is_one_sentence(self, refused, exported, variables, sentence):
        done = refused(exported("binary").checkout, **variables)
        assert (done.code, done.out) == (2, "")
        assert done.err.startswith("error: ")
        assert sentence in done.err
        assert done.err.count("\n") == 1

    def test_a_port_that_is_taken(self, refused, exported, served):
        port = str(urlsplit(served("binary").url).port)
        done = refused(exported("binary").checkout, PORT=port)
        assert (done.code, done.out) == (2, "")
        assert done.err.startswith(f"error: HOST 127.0.0.1, PORT {port} cannot be had: ")

    @pytest.mark.parametrize("name", ["model.onnx", "model.json", "SHA256SUMS"])
    def test_a_changed_byte_is_refused(self, refused, copied, name):
        file = copied() / model_folder.FOLDER / name
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
        done = refused(file.parents[2])
        assert (done.code, done.out) == (2, "")
        assert "(make export writes it again)" in done.err
        assert done.err.count("\n") == 1

    def test_a_golden_row_that_is_answered_otherwise_is_refused(self, refused, copied):
        folder = copied() / model_folder.FOLDER
        card = json.loads((folder / "model.json").read_text())
        card["golden"][1]["answer"]["probabilities"]["yes"] += 1e-3
        (folder / "model.json").write_text(json.dumps(card))
        reseal(folder)
        done = refused(folder.parents[1])
        assert (done.code, done.out) == (2, "")
        assert done.err.startswith("error: golden row 2 of binary version 1 is predicted as ")

    @pytest.mark.parametrize(("form", "file"), [("onnx", "model.onnx"), ("skops", "model.skops")])
    def test_a_model_file_that_cannot_be_loaded_is_a_sentence(self, refused, copied, form, file):
        folder = copied(form=form) / model_folder.FOLDER
        (folder / file).write_bytes(b"what another release writes")
        reseal(folder)
        done = refused(folder.parents[1])
        assert (done.code, done.out) == (2, "")
        assert f"{file} cannot be loaded here: " in done.err
        assert done.err.count("\n") == 1

    @pytest.mark.parametrize(
        ("form", "absent"),
        [
            ("onnx", ["mlflow", "pandas", "sklearn", "skops", "scipy", "onnx", "skl2onnx"]),
            ("skops", ["mlflow", "pandas", "onnxruntime", "onnx", "skl2onnx"]),
        ],
    )
    def test_it_does_without_what_only_training_needs(self, refused, exported, form, absent):
        start = without(absent, "serve", "--check")
        done = refused(exported("binary", form).checkout, *start)
        assert done == (0, "binary version 1 answers its golden rows\n", "")

    def test_nothing_slow_is_imported_for_onnx(self, refused, exported):
        start = "-X", "importtime", "-m", current().package, "serve", "--check"
        done = refused(exported("binary").checkout, *start)
        assert done.code == 0
        imported = {line.rpartition("|")[2].strip() for line in done.err.splitlines()}
        assert app.__name__ in imported
        assert imported.isdisjoint({"mlflow", "pandas", "sklearn", "skops", "scipy"})

    def test_it_writes_nothing_where_it_runs(self, serve, exported, golden, tmp_path):
        tmp_path.chmod(0o555)  # which does not hinder root, so look, too
        service = serve(tmp_path, MODEL_DIR=str(exported("binary").folder), HOME=str(tmp_path))
        assert service.predict(golden()).status_code == 200
        assert service.stop() == 0
        assert list(tmp_path.iterdir()) == []
        tmp_path.chmod(0o755)


def reseal(folder):
    """Write the checksums anew, as one would who may write the folder."""
    names = sorted(path.name for path in folder.iterdir() if path.name != model_folder.SUMS)
    (folder / model_folder.SUMS).write_text(model_folder.sums(folder, names))
