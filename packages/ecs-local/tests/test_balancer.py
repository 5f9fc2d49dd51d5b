"""The load balancer: no request is lost over a switch, and errors have their status and reason."""

import http.client
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from ecs_local.routes import Route, Routes, Target

from .account import NAME
from .emulator import wait


class Client(threading.Thread):
    """Sends requests in a loop over one connection, which it opens anew only where the response closes it."""

    def __init__(self, port):
        super().__init__()
        self.port, self.ended = port, threading.Event()
        self.answers, self.failures = [], []

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        while not self.ended.is_set():
            try:
                connection.request("POST", "/predict", b"x" * 200)
                answer = connection.getresponse()
                body = answer.read()
                if answer.status == 200:
                    self.answers.append(json.loads(body)["version"])
                else:
                    self.failures.append((answer.status, body))
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                connection.close()
        connection.close()


def test_keep_alive_clients_lose_no_request_over_two_switches(emulator, service, stub):
    clients = [Client(emulator.port + 1) for _ in range(4)]
    for client in clients:
        client.start()
    for version in ("left", "right"):
        update = emulator.register(stub, VERSION=version, SECONDS="0.01")
        deployment = emulator.update(service, update)
        assert emulator.ended(deployment)["status"] == "SUCCESSFUL"
        for client in clients:
            wait(lambda client=client, version=version: client.answers[-1] == version)
    for client in clients:
        client.ended.set()
        client.join()
    assert [failure for client in clients for failure in client.failures] == []
    assert sum(len(client.answers) for client in clients) > 200
    for client in clients:
        # Each client saw the versions one after the other, never back and forth.
        assert list(dict.fromkeys(client.answers))[-2:] == ["left", "right"]
        assert client.answers == sorted(
            client.answers, key=list(dict.fromkeys(client.answers)).index
        )


def test_target_that_closes_idle_connections_early_loses_requests(emulator, service, stub):
    update = emulator.register(stub, VERSION="hasty", KEEP_ALIVE="0.3")
    assert emulator.ended(emulator.update(service, update))["status"] == "SUCCESSFUL"
    session = requests.Session()

    def lost():
        session.post(emulator.production, data=b"x")
        time.sleep(0.35)  # the target closes the connection meanwhile
        return session.post(emulator.production, data=b"x").status_code == 502

    wait(lost, "an answer 502")
    patient = emulator.update(service, emulator.register(stub, VERSION="patient"))
    assert emulator.ended(patient)["status"] == "SUCCESSFUL"
    assert not any(lost() for _ in range(3))


def test_a_request_in_flight_is_finished_before_its_task_ends(emulator, service, stub):
    slow = emulator.update(service, emulator.register(stub, VERSION="slow", SECONDS="3"))
    assert emulator.ended(slow)["status"] == "SUCCESSFUL"
    with ThreadPoolExecutor(1) as pool:
        request = pool.submit(requests.post, emulator.production, data=b"x")
        quick = emulator.update(service, emulator.register(stub, VERSION="quick"))
        assert emulator.ended(quick)["status"] == "SUCCESSFUL"
        answer = request.result()
    assert (answer.status_code, answer.json()["version"]) == (200, "slow")


def test_bodies_of_any_size_pass_in_both_directions(emulator, service):
    large = b"x" * 3_000_000
    assert requests.post(emulator.production, data=large).status_code == 200
    assert requests.post(emulator.production, data=b"").status_code == 200
    head = requests.head(f"{emulator.production}/version")
    assert (head.status_code, head.content) == (501, b"")
    answer = requests.get(
        emulator.production, headers={"X-Mine": "1", "Connection": "X-Hop", "X-Hop": "1"}
    )
    headers = answer.json()["headers"]
    assert (headers["X-Mine"], headers["X-Forwarded-For"]) == ("1", "127.0.0.1")
    assert headers["Host"] == emulator.production.rpartition("/")[2]
    assert "X-Hop" not in headers


def test_no_healthy_target_is_503_and_a_broken_connection_502(emulator, service, stub):
    broken = requests.get(f"{emulator.production}/exit")
    assert (broken.status_code, broken.json()["message"]) == (
        502,
        "the target broke the connection",
    )
    wait(lambda: requests.get(emulator.production).ok, "the task that replaces it")
    emulator.ecs.update_service(cluster=NAME, service=service, desiredCount=0)
    wait(lambda: requests.get(emulator.production).status_code == 503, "the end of the last task")
    answer = requests.get(emulator.production)
    assert answer.headers["Content-Type"].startswith("application/json")
    assert "healthy" in answer.json()["message"]
    emulator.ecs.update_service(cluster=NAME, service=service, desiredCount=2)
    wait(lambda: [task["healthStatus"] for task in emulator.tasks(service)] == ["HEALTHY"] * 2)
    pids = [requests.get(emulator.production).json()["pid"] for _ in range(6)]
    assert pids[0] != pids[1]
    assert pids == pids[:2] * 3
    emulator.ecs.update_service(cluster=NAME, service=service, desiredCount=1)
    wait(lambda: len(emulator.tasks(service)) == 1)


def test_rules_changed_by_hand_are_followed(emulator, service):
    elbv2, contract = emulator.client("elbv2"), emulator.contract
    rule = contract["test_rule"]
    before = elbv2.describe_rules(RuleArns=[rule])["Rules"][0]["Actions"]
    fixed = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "418"}}
    elbv2.modify_rule(RuleArn=rule, Actions=[fixed])
    wait(lambda: requests.get(emulator.test).status_code == 418)
    elbv2.modify_rule(RuleArn=rule, Actions=before)
    wait(lambda: requests.get(emulator.test).ok)


@pytest.mark.parametrize("offset", [0, 1, 2])
def test_every_port_listens_on_the_loopback_only(emulator, service, offset):
    port = emulator.port + offset
    socket.create_connection(("127.0.0.1", port), timeout=5).close()
    # Linux answers on all of 127/8, so a listener on 0.0.0.0 would also accept another of its addresses.
    with pytest.raises(OSError, match=r"refused|not available|assign"):
        socket.create_connection(("127.0.0.2", port), timeout=5)


def test_weights_are_exact_and_even():
    routes = Routes()
    targets = {}
    for group in ("a", "b"):
        targets[group] = Target(1, "/", "200", state="healthy")
        routes.register(group, targets[group])
    routes.rules = {80: [Route(["/only/*"], {"b": 1}), Route([], {"a": 900, "b": 100})]}
    picked = [routes.pick(80, "/x")[0] for _ in range(100)]
    assert picked.count(targets["b"]) == 10
    assert all(picked[start : start + 10].count(targets["b"]) == 1 for start in range(0, 100, 10))
    assert {id(routes.pick(80, "/only/x")[0]) for _ in range(9)} == {id(targets["b"])}
    assert routes.pick(81, "/x") == (None, 404)
    targets["b"].state = "draining"
    assert routes.pick(80, "/only/x") == (None, 503)


@pytest.mark.parametrize(
    ("codes", "status", "accepted"),
    [("200", 200, True), ("200-299", 204, True), ("200,302", 302, True), ("200", 204, False)],
)
def test_two_good_checks_make_a_target_healthy_and_three_bad_ones_unhealthy(
    codes, status, accepted
):
    target = Target(1, "/", codes)
    target.add_check(status)
    assert target.state == "initial"
    target.add_check(status)
    assert (target.state == "healthy") == accepted
    for _ in range(3):
        target.add_check(None)
    assert target.state == "unhealthy"


def test_proxy_resolves_names_of_load_balancers(emulator, service):
    listener = f"http://some-balancer.elb.amazonaws.com:{emulator.port + 2}"
    proxies = {"http": emulator.production}
    answer = requests.get(f"{listener}/version", proxies=proxies, timeout=10)
    assert answer.json()["headers"]["Host"] == listener.partition("//")[2]
    nobody = requests.get("http://some-balancer.elb.amazonaws.com:9/", proxies=proxies, timeout=10)
    assert nobody.status_code == 404
