"""What GitHub's workflows meet on the whole way: a generated project, an AWS, an MLflow server, and receivers of the notices."""

from __future__ import annotations

import importlib
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import certifi
import pytest
import requests
from aiosmtpd.controller import Controller

ROOT = Path(__file__).parents[4]
PORT_OF = {"staging": (0, 1), "production": (2, 3)}  # the listeners for users and for tests
ROLE = "arn:aws:iam::123456789012:role/deploy"
REGION = "eu-west-1"
HOOK = "/services/T000/B000/hidden"
PATIENCE = 120  # seconds until what must come counts as never coming

# What has a part of its own in .ci/run is left out here: gates that take their time, infra/, and what needs an engine (GitLab's
# pipeline builds, tests and pushes the image in .ci/containers). What is deployed is packed, as by `make deploy ENV=local`.
MAKE = "packages/mlops-kit/src/mlops_kit/make"
LIGHTER = [
    ("Makefile", "@$(RUN) image\n", "@test -s artifacts/model/model.json\n"),
    (f"{MAKE}/deploy.mk", "as a release\n\t@", "as a release\n\t@$(RUN) local-release\n\t@"),
    (f"{MAKE}/image.mk", "@$(BIN)/python -m pytest -q -rs $(IMAGE_TESTS)\n", "@echo left out\n"),
    (f"{MAKE}/image.mk", "@$(RUN) image-scan\n", "@echo left out\n"),
    (
        f"{MAKE}/infra.mk",
        "@$(RUN) infra-check --checkov $(CHECKOV)/bin/checkov\n",
        "@echo left out\n",
    ),
    (f"{MAKE}/infra.mk", "infra-check: $(CHECKOV)/.installed", "infra-check:"),
    (
        f"{MAKE}/base.mk",
        "GATES := format-check lint type-check security test",
        "GATES := lint test",
    ),
]


# --- The world around it ---------------------------------------------------------------------------


class Notices(NamedTuple):
    """Where notices arrive, and what has arrived."""

    slack: list[dict]
    mails: list[bytes]
    secrets: dict[str, str]
    authorities: Path

    def take(self) -> list[str]:
        """Return the titles that have arrived since the last time; each has to have come both ways."""
        titles = [each["text"] for each in self.slack]
        mails = [message_from_bytes(each, policy=policy.default) for each in self.mails]
        assert [mail["Subject"] for mail in mails] == titles
        self.slack.clear()
        self.mails.clear()
        return titles


def certificate(folder: Path) -> tuple[Path, Path]:
    """Return a key with a certificate for 127.0.0.1, and the authorities of this machine with that one among them."""
    key, made = folder / "mail.pem", folder / "made.pem"
    asked = (
        "-x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=mail -addext subjectAltName=IP:127.0.0.1"
    )
    subprocess.run(
        ["openssl", "req", *asked.split(), "-keyout", str(key), "-out", str(made)],
        check=True,
        capture_output=True,
    )
    known = os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile
    known = Path(known or certifi.where()).read_text(encoding="utf-8")
    key.write_text(key.read_text() + made.read_text())
    made.write_text(known + made.read_text(), encoding="utf-8")
    return key, made


class MailServer(Controller):
    """aiosmtpd on a port that the system chooses."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@pytest.fixture(scope="module")
def notices(tmp_path_factory) -> Iterator[Notices]:
    """A real HTTP server in Slack's place, and a real mail server with TLS."""
    slack: list[dict] = []
    mails: list[bytes] = []

    class Slack(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == HOOK
            slack.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    class Postbox:
        async def handle_DATA(self, server, session, envelope):  # noqa: N802 # aiosmtpd's name
            mails.append(envelope.content)
            return "250 taken"

    web = ThreadingHTTPServer(("127.0.0.1", 0), Slack)
    threading.Thread(target=web.serve_forever, args=(0.01,), daemon=True).start()
    key, authorities = certificate(tmp_path_factory.mktemp("tls"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(key)
    mail = MailServer(Postbox(), "127.0.0.1", 0, tls_context=context)
    mail.start()
    secrets = {
        "SLACK_WEBHOOK_URL": f"http://127.0.0.1:{web.server_port}{HOOK}",
        "SMTP_URL": f"smtp://127.0.0.1:{mail.port}",
    }
    yield Notices(slack, mails, secrets, authorities)
    mail.stop()
    web.shutdown()
    web.server_close()


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Cloud(NamedTuple):
    """An AWS with a staging and a production."""

    url: str
    production: str
    variables: dict[str, str]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory) -> Iterator[Cloud]:
    """The emulator, with what Terraform makes for each environment: a service, its target groups, listeners and contract."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "packages/ecs-local/src"))
        testing = importlib.import_module("ecs_local.testing")
    emulator = testing.Emulator(tmp_path_factory.mktemp("aws"), region=REGION)
    sources = ("src", "packages/mlops-kit/src", "packages/ecs-local/src")
    emulator.variables["PYTHONPATH"] = os.pathsep.join(str(ROOT / each) for each in sources)
    emulator.start()
    done = emulator.command("run", sys.executable, "-m", "ml_template", "local-account")
    assert done.returncode == 0, done.stderr
    scan = {"imageScanningConfiguration": {"scanOnPush": True}}
    emulator.client("ecr").put_image_scanning_configuration(repositoryName="ml-template", **scan)
    ports = free_ports(4)
    for name, (users, tests) in PORT_OF.items():
        _add(emulator, name, ports[users], ports[tests])
    given = {"STAND_IN_AWS": emulator.url, "STAND_IN_MINUTE": emulator.variables["LOCAL_MINUTE"]}
    yield Cloud(emulator.url, f"http://127.0.0.1:{ports[2]}", given)
    emulator.stop()


def _add(emulator, name: str, users: int, tests: int) -> None:
    """Add an environment beside the one of ENV=local, with a service and a load balancer's listeners of its own."""
    elbv2, ssm = emulator.client("elbv2"), emulator.client("ssm")
    found = ssm.get_parameter(Name="/ml-template/local/deploy")["Parameter"]["Value"]
    contract = json.loads(found)
    (balancer,) = elbv2.describe_load_balancers()["LoadBalancers"]
    groups = [
        elbv2.create_target_group(
            Name=f"{name}-{colour}",
            Protocol="HTTP",
            Port=contract["container_port"],
            VpcId=balancer["VpcId"],
            TargetType="ip",
            HealthCheckPath="/readyz",
            Matcher={"HttpCode": "200"},
        )["TargetGroups"][0]["TargetGroupArn"]
        for colour in ("blue", "green")
    ]
    rules = []
    for port in (users, tests):
        listener = elbv2.create_listener(
            LoadBalancerArn=balancer["LoadBalancerArn"],
            Protocol="HTTP",
            Port=port,
            DefaultActions=[
                {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}
            ],
        )["Listeners"][0]["ListenerArn"]
        weights = [{"TargetGroupArn": arn, "Weight": w} for arn, w in zip(groups, (100, 0))]
        rule = elbv2.create_rule(
            ListenerArn=listener,
            Priority=1,
            Conditions=[{"Field": "path-pattern", "Values": ["/*"]}],
            Actions=[{"Type": "forward", "ForwardConfig": {"TargetGroups": weights}}],
        )
        rules.append(rule["Rules"][0]["RuleArn"])
    mine = {
        "environment": name,
        "service": f"{contract['service']}-{name}",
        "blue_target_group": groups[0],
        "green_target_group": groups[1],
        "production_rule": rules[0],
        "test_rule": rules[1],
        "production_url": f"http://127.0.0.1:{users}",
        "test_url": f"http://127.0.0.1:{tests}",
    }
    value = json.dumps({**contract, **mine})
    ssm.put_parameter(Name=f"/ml-template/{name}/deploy", Type="String", Value=value)


def replace(file: Path, old: str, new: str) -> None:
    """Replace what stands in a file once."""
    text = file.read_text()
    assert text.count(old) == 1, (file, old)
    file.write_text(text.replace(old, new))


@pytest.fixture(scope="module")
def repository(default_project, git, tmp_path_factory) -> Path:
    """A generated project, made lighter."""
    folder = tmp_path_factory.mktemp("whole") / "repository"
    git(folder.parent, "clone", "--quiet", str(default_project), str(folder))
    for name, old, new in LIGHTER:
        replace(folder / name, old, new)
    card = folder / "configs/model-card.yaml"
    card.write_text(re.sub(r"^(\w+):$", r"\1: A model of a test.", card.read_text(), flags=re.M))
    git(folder, "commit", "--quiet", "--all", "--message", "Make it lighter, and write its card")
    git(folder, "remote", "set-url", "origin", "https://github.com/team/churn.git")
    return folder


@pytest.fixture(scope="module")
def environment(repository) -> str:
    """The project's .venv, made once: a new one costs each job the time in which Python compiles everything."""
    variables = {
        name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "PYTHONPATH")
    }
    install = ["make", "install-dev", f"PYTHON={Path(sys.executable).resolve()}"]
    subprocess.run(install, cwd=repository, env=variables, check=True)
    return str(repository / ".venv")


@pytest.fixture(scope="module")
def mlflow_server(tmp_path_factory) -> Iterator[str]:
    """The address of a server that keeps runs and models from job to job."""
    folder, (port,) = tmp_path_factory.mktemp("mlflow"), free_ports(1)
    options = ["--workers", "1", "--backend-store-uri", "sqlite:///server.db"]
    options += ["--artifacts-destination", "stored", "--port", str(port)]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *options],
            cwd=folder,
            env={
                **os.environ,
                "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            },  # nine idle processes
            stdout=log,
            stderr=log,
            start_new_session=True,  # so that its workers end with it
        )
    try:
        _wait_for(f"http://127.0.0.1:{port}/health", server)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=30)


def _wait_for(address: str, process: subprocess.Popen) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            if requests.get(address, timeout=5).ok:
                return
        except requests.ConnectionError:
            pass
        assert process.poll() is None, "it ended"
        assert time.monotonic() < end, "it did not start"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def github(environment, mlflow_server, notices) -> dict:
    """What the repository's and the environments' settings hold, and the machine's."""
    variables = {
        "ATTEST": "true",
        "AWS_ROLE_ARN": ROLE,
        "MAIL_FROM": "robot@example.com",
        "MAIL_TO": "team@example.com",
        "MLFLOW_TRACKING_URI": mlflow_server,
    }
    machine = {"SSL_CERT_FILE": str(notices.authorities), "STAND_IN_ENVIRONMENT": environment}
    return {"variables": variables, "secrets": notices.secrets, **machine}


@pytest.fixture(scope="module")
def break_service(repository, git):
    """A function that commits a service which ends when it starts."""

    def commit() -> None:
        server = repository / "packages/mlops-kit/src/mlops_kit/serving/server.py"
        replace(server, "import gc\n", 'raise SystemExit("broken")\n')
        git(repository, "commit", "--quiet", "--all", "--message", "Break the service")

    return commit
