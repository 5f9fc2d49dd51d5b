"""Notices, taken by a real HTTP endpoint, a real mail server with TLS, and moto's SES."""

import datetime
import ipaddress
import json
import shutil
import ssl
from email import message_from_bytes, policy
from pathlib import Path

import boto3
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from moto.server import ThreadedMotoServer

from mlops_kit.ci import system

# The servers without STARTTLS are there to be refused.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")

SECRET = "T000/B000/hidden"
PASSWORD = "p@ss/word"
QUOTED = "p%40ss%2Fword"

GITHUB = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "team/churn",
    "GITHUB_RUN_ID": "42",
    "GITHUB_RUN_ATTEMPT": "1",
    "GITHUB_SHA": "0123456789abcdef0123456789abcdef01234567",
    "GITHUB_REF_NAME": "main",
    "GITHUB_WORKFLOW_REF": "team/churn/.github/workflows/train.yml@refs/heads/main",
}


@pytest.fixture
def notify(command, fresh_project, monkeypatch):
    """Run notify as GitHub's runner would; keywords are variables. It ends with 0 whatever they are."""
    for variable in ("RUN_URL", "COMMIT", "BRANCH", "GITHUB_TOKEN", "GITHUB_HEAD_REF"):
        monkeypatch.delenv(variable, raising=False)
    (fresh_project / "reports").mkdir()
    (fresh_project / "reports/summary.md").write_text("## train\n\nroc_auc <0.99> & fine\n")

    def run(status="failure", what="train", **variables):
        done = command("notify", STATUS=status, WHAT=what, **{**GITHUB, **variables})
        assert (done.code, done.err) == (0, "")
        for secret in (SECRET, PASSWORD, QUOTED, "token-of-github"):
            assert secret not in done.out
        return done.out

    return run


@pytest.fixture
def webhook(endpoint):
    return f"{endpoint.url}/services/{SECRET}"


# --- Slack ---------------------------------------------------------------------------------------


def test_slack_gets_blocks_with_links_to_run_commit_and_report(notify, endpoint, webhook):
    assert notify(SLACK_WEBHOOK_URL=webhook) == "Slack: sent: churn: train failed on main\n"
    (request,) = endpoint.requests
    assert (request.method, request.path) == ("POST", f"/services/{SECRET}")
    sent = json.loads(request.body)
    header, facts, summary = sent["blocks"]
    assert sent["text"] == "churn: train failed on main"
    assert header["text"]["text"] == ":x: churn: train failed on main"
    run = "https://github.com/team/churn/actions/runs/42"
    commit = f"https://github.com/team/churn/commit/{GITHUB['GITHUB_SHA']}"
    assert [field["text"] for field in facts["fields"]] == [
        f"*Run*\n<{run}|GitHub Actions>",
        f"*Commit*\n<{commit}|0123456789ab>",
        "*Branch*\nmain",
        f"*Report*\n<{run}#artifacts|open>",
    ]
    assert summary["text"]["text"] == "```## train\n\nroc_auc &lt;0.99&gt; &amp; fine```"


def test_what_does_not_fit_slack_is_cut(notify, endpoint, webhook, fresh_project):
    (fresh_project / "reports/summary.md").write_text("<&> line of the summary\n" * 2000)
    branch = "feature/" + "long" * 60
    assert "Slack: sent" in notify(SLACK_WEBHOOK_URL=webhook, BRANCH=branch)
    header, _, summary = json.loads(endpoint.requests[0].body)["blocks"]
    assert len(header["text"]["text"]) == 150
    assert 2000 < len(summary["text"]["text"]) <= 3000


def test_slack_is_asked_again_when_it_is_busy(notify, endpoint, webhook):
    endpoint.answers(
        (429, {"Retry-After": "0"}, ""), (503, {"Retry-After": "0"}, ""), (200, {}, "")
    )
    assert "Slack: sent" in notify(SLACK_WEBHOOK_URL=webhook)
    assert len(endpoint.requests) == 3


@pytest.mark.parametrize(
    ("answer", "asked", "output"),
    [
        ((500, {"Retry-After": "0"}, ""), 4, "Slack answered 500"),
        ((429, {"Retry-After": "3600"}, ""), 1, "Slack answered 429"),
        ((404, {}, "no_service"), 1, "Slack answered 404 no_service"),
    ],
)
def test_a_slack_that_does_not_take_it_is_a_line(notify, endpoint, webhook, answer, asked, output):
    endpoint.answers(answer)
    assert notify(SLACK_WEBHOOK_URL=webhook) == f"warning: Slack: no notice sent: {output}\n"
    assert len(endpoint.requests) == asked


def test_an_address_that_is_none_is_a_line(notify):
    output = notify(SLACK_WEBHOOK_URL=SECRET)
    assert output.endswith(
        "SLACK_WEBHOOK_URL is no web address; accepted: https://hooks.slack.com/…\n"
    )


def test_nothing_set_is_one_line(notify):
    assert notify() == "no notice sent: SLACK_WEBHOOK_URL and SMTP_URL are not set\n"


@pytest.mark.parametrize(
    ("status", "what", "output"),
    [
        ("sucess", "train", "STATUS is 'sucess'; accepted: success, failure, cancelled (did you"),
        ("success", " ", "WHAT is ''; accepted: 1 to 80 characters, like train"),
    ],
)
def test_what_is_not_accepted_is_a_line(notify, endpoint, webhook, status, what, output):
    printed = notify(status, what, SLACK_WEBHOOK_URL=webhook)
    assert printed.startswith(f"warning: no notice sent: {output}")
    assert endpoint.requests == []


# --- Recovery ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("previous", "expected"),
    [("FAILURE", "works again"), ("failed", "works again"), ("SUCCESS", "succeeded")],
)
def test_workflow_passes_status_of_previous_run(notify, endpoint, webhook, previous, expected):
    output = notify("success", SLACK_WEBHOOK_URL=webhook, PREVIOUS_STATUS=previous)
    assert output == f"Slack: sent: churn: train {expected} on main\n"


def test_github_returns_status_of_previous_run(notify, endpoint, webhook):
    runs = [(42, None), (41, "cancelled"), (40, "failure"), (39, "success")]
    found = {"workflow_runs": [{"id": run, "conclusion": ended} for run, ended in runs]}
    endpoint.answer = lambda request: (200, {}, found if request.method == "GET" else "ok")
    asked = {"GITHUB_API_URL": endpoint.url, "GITHUB_TOKEN": "token-of-github"}
    assert "works again" in notify("success", SLACK_WEBHOOK_URL=webhook, **asked)
    request = endpoint.requests[0]
    assert request.path == "/repos/team/churn/actions/workflows/train.yml/runs"
    assert request.headers["authorization"] == "Bearer token-of-github"
    assert (request.query["branch"], request.query["status"]) == ("main", "completed")
    found["workflow_runs"][2]["conclusion"] = "success"
    assert "train succeeded on main" in notify("success", SLACK_WEBHOOK_URL=webhook, **asked)


@pytest.mark.parametrize("event", ["pull_request", "pull_request_target"])
def test_pull_request_from_a_forks_main_is_no_failure_of_main(notify, endpoint, webhook, event):
    runs = [(41, "failure", event), (40, "success", "push")]
    found = {"workflow_runs": [{"id": i, "conclusion": c, "event": e} for i, c, e in runs]}
    endpoint.answer = lambda request: (200, {}, found if request.method == "GET" else "ok")
    asked = {"GITHUB_API_URL": endpoint.url, "GITHUB_TOKEN": "token-of-github"}
    assert "train succeeded on main" in notify("success", SLACK_WEBHOOK_URL=webhook, **asked)


def test_a_second_attempt_recovers_from_the_first(notify, endpoint, webhook):
    endpoint.answer = lambda request: (200, {}, {"conclusion": "failure"})
    asked = {"GITHUB_API_URL": endpoint.url, "GITHUB_TOKEN": "token-of-github"}
    output = notify("success", SLACK_WEBHOOK_URL=webhook, GITHUB_RUN_ATTEMPT="2", **asked)
    assert "works again" in output
    assert endpoint.requests[0].path == "/repos/team/churn/actions/runs/42/attempts/1"


def test_failing_github_is_a_note_and_the_notice_is_sent(notify, endpoint, webhook):
    endpoint.answer = lambda request: (403 if request.method == "GET" else 200, {}, "no")
    asked = {"GITHUB_API_URL": endpoint.url, "GITHUB_TOKEN": "token-of-github"}
    note, sent = notify("success", SLACK_WEBHOOK_URL=webhook, **asked).splitlines()
    assert note.startswith("note: whether it failed before is not known: GitHub answered 403: ")
    assert sent == "Slack: sent: churn: train succeeded on main"


def test_elsewhere_mlflow_remembers_each_step_and_branch(notify, endpoint, webhook, empty_store):
    own = {"GITHUB_ACTIONS": "", "BRANCH": "main", "SLACK_WEBHOOK_URL": webhook}
    shutil.copy(empty_store, "server.db")
    own["MLFLOW_TRACKING_URI"] = f"sqlite:///{Path('server.db').resolve()}"
    for status, what, branch, expected in [
        ("failure", "it's on", "main", "it's on failed on main"),
        ("cancelled", "it's on", "main", "it's on was cancelled on main"),
        ("success", "train", "main", "train succeeded on main"),
        ("success", "it's on", "other", "it's on succeeded on other"),
        ("success", "it's on", "main", "it's on works again on main"),
        ("success", "it's on", "main", "it's on succeeded on main"),
    ]:
        assert f"{expected}\n" in notify(status, what, **{**own, "BRANCH": branch})


def test_an_mlflow_that_is_broken_is_a_note_and_the_notice_is_sent(notify, endpoint, webhook):
    own = {"GITHUB_ACTIONS": "", "SLACK_WEBHOOK_URL": webhook}
    output = notify("success", MLFLOW_TRACKING_URI="nowhere://server", **own)
    assert output.startswith(
        "note: whether it failed before is not known: the tracking store nowhere:"
    )
    assert "Slack: sent" in output


# --- E-mail --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A file with a key and a certificate for 127.0.0.1 that vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "mail.pem"
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    pem = serialization.Encoding.PEM
    path.write_bytes(key.private_bytes(pem, form, plain) + made.public_bytes(pem))
    return path


class Postbox:
    """Keeps the mails that it is brought; `refusals` are the answers to the next ones."""

    def __init__(self):
        self.envelopes, self.refusals = [], []

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 # aiosmtpd's name
        if self.refusals:
            return self.refusals.pop(0)
        self.envelopes.append(envelope)
        return "250 taken"


class MailServer(Controller):
    """aiosmtpd on a port that the system chooses."""

    def _trigger_server(self):
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


def authenticate(server, session, envelope, mechanism, data):
    known = (data.login, data.password) == (b"robot", PASSWORD.encode())
    return AuthResult(success=known, handled=False)  # the server reports which of the two it is


@pytest.fixture
def addresses(monkeypatch):
    monkeypatch.setenv("MAIL_FROM", "Robot <robot@example.com>")
    monkeypatch.setenv("MAIL_TO", "a@example.com, b@example.com")


@pytest.fixture
def mail_server(certificate, addresses, monkeypatch):
    """A function that starts a mail server: with STARTTLS, in TLS (`smtps`), or without either (`plain`)."""
    started = []

    def start(kind="smtp"):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
        kinds = {
            "smtp": {"tls_context": context, "require_starttls": True},
            "smtps": {"ssl_context": context, "auth_require_tls": False},
            "plain": {"auth_require_tls": False},
        }
        asked = {"authenticator": authenticate, "auth_required": True, **kinds[kind]}
        server = MailServer(Postbox(), "127.0.0.1", 0, **asked)
        server.start()
        started.append(server)
        return server

    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    yield start
    for server in started:
        server.stop()


def address(server, scheme="smtp", password=QUOTED):
    return f"{scheme}://robot:{password}@127.0.0.1:{server.port}"


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_mail_travels_in_tls_to_everybody(notify, mail_server, scheme):
    server = mail_server(scheme)
    assert notify(SMTP_URL=address(server, scheme)) == "mail: sent: churn: train failed on main\n"
    (envelope,) = server.handler.envelopes
    assert envelope.mail_from == "robot@example.com"
    assert envelope.rcpt_tos == ["a@example.com", "b@example.com"]
    mail = message_from_bytes(envelope.content, policy=policy.default)
    assert mail["Subject"] == "churn: train failed on main"
    text = mail.get_body(("plain",)).get_content()
    assert "Run: https://github.com/team/churn/actions/runs/42" in text
    assert "roc_auc <0.99> & fine" in text
    html = mail.get_body(("html",)).get_content()
    assert '<a href="https://github.com/team/churn/actions/runs/42">GitHub Actions</a>' in html
    assert "roc_auc &lt;0.99&gt; &amp; fine" in html


def test_a_certificate_that_nobody_vouches_for_is_refused(notify, mail_server, monkeypatch):
    server = mail_server()
    monkeypatch.delenv("SSL_CERT_FILE")
    output = notify(SMTP_URL=address(server))
    assert "its certificate is not accepted: self" in output
    assert server.handler.envelopes == []


def test_without_tls_nothing_is_sent(notify, mail_server):
    server = mail_server("plain")
    assert "nothing is sent without TLS" in notify(SMTP_URL=address(server))
    assert server.handler.envelopes == []


def test_a_wrong_password_is_a_line(notify, mail_server):
    server = mail_server()
    output = notify(SMTP_URL=address(server, password=f"wrong{QUOTED}"))
    assert output.startswith(f"warning: mail: no notice sent: 127.0.0.1:{server.port}: 535 ")


@pytest.mark.parametrize(
    ("refusals", "output"),
    [
        (["451 later"], "mail: sent"),
        (["554 never"], "no notice sent: 127.0.0.1:{port}: 554 never"),
    ],
)
def test_a_mail_is_brought_again_where_that_may_help(notify, mail_server, refusals, output):
    server = mail_server()
    server.handler.refusals = refusals
    assert output.format(port=server.port) in notify(SMTP_URL=address(server))
    assert refusals == []
    assert len(server.handler.envelopes) == (output == "mail: sent")


@pytest.mark.parametrize(
    ("variables", "output"),
    [
        ({"SMTP_URL": "smtp://robot:p%40ss%2Fword@host:port"}, "SMTP_URL is no address of a mail"),
        (
            {"SMTP_URL": "imap://robot@host"},
            "SMTP_URL is no address of a mail server; accepted: smtp",
        ),
        ({"SMTP_URL": "smtp://host", "MAIL_TO": "team"}, "MAIL_TO is 'team'; accepted: addresses"),
        ({"SMTP_URL": "smtp://host", "MAIL_FROM": ""}, "MAIL_FROM is ''; accepted: addresses"),
    ],
)
def test_a_variable_that_is_not_accepted_is_a_line(notify, addresses, variables, output):
    assert notify(**variables).startswith(f"warning: mail: no notice sent: {output}")


def test_one_way_that_fails_does_not_keep_the_other(notify, mail_server, endpoint, webhook):
    endpoint.answers((404, {}, "no_service"))
    server = mail_server()
    slack, mail = notify(SLACK_WEBHOOK_URL=webhook, SMTP_URL=address(server)).splitlines()
    assert slack == "warning: Slack: no notice sent: Slack answered 404 no_service"
    assert mail == "mail: sent: churn: train failed on main"


def test_ses_takes_it_from_a_verified_sender(notify, addresses, monkeypatch):
    region = "eu-west-1"
    by_ses = f"ses://{region}"
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        for name, value in {
            "AWS_ENDPOINT_URL": "http://{}:{}".format(*server.get_host_and_port()),
            "AWS_ACCESS_KEY_ID": "a",
            "AWS_SECRET_ACCESS_KEY": "b",
        }.items():
            monkeypatch.setenv(name, value)
        output = notify(SMTP_URL=by_ses)
        assert output.startswith("warning: mail: no notice sent: SES: MessageRejected: ")
        client = boto3.client("sesv2", region_name=region)
        client.create_email_identity(EmailIdentity="robot@example.com")
        assert notify(SMTP_URL=by_ses) == "mail: sent: churn: train failed on main\n"
    finally:
        server.stop()


# --- What CI systems set -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variables", "build"),
    [
        (
            {
                "GITLAB_CI": "true",
                "CI_PIPELINE_URL": "https://gitlab.com/t/c/-/pipelines/7",
                "CI_JOB_URL": "https://gitlab.com/t/c/-/jobs/8",
                "CI_PROJECT_URL": "https://gitlab.com/t/c",
                "CI_COMMIT_SHA": "abc",
                "CI_COMMIT_REF_NAME": "feature/x",
            },
            (
                "GitLab CI",
                "https://gitlab.com/t/c/-/pipelines/7",
                "https://gitlab.com/t/c/-/jobs/8/artifacts/browse",
                "https://gitlab.com/t/c",
                "abc",
                "feature/x",
            ),
        ),
        (
            {
                "JENKINS_URL": "https://ci/",
                "BUILD_URL": "https://ci/job/c/7/",
                "GIT_URL": "git@host:t/c.git",
                "GIT_COMMIT": "abc",
                "GIT_BRANCH": "origin/main",
            },
            (
                "Jenkins",
                "https://ci/job/c/7/",
                "https://ci/job/c/7/artifact/reports/",
                "https://host/t/c",
                "abc",
                "main",
            ),
        ),
        (
            {
                "CIRCLECI": "true",
                "CIRCLE_BUILD_URL": "https://circleci.com/gh/t/c/7",
                "CIRCLE_REPOSITORY_URL": "https://robot:token@host/t/c.git",
                "CIRCLE_SHA1": "abc",
                "CIRCLE_TAG": "v1",
            },
            (
                "CircleCI",
                "https://circleci.com/gh/t/c/7",
                "https://circleci.com/gh/t/c/7#artifacts",
                "https://host/t/c",
                "abc",
                "v1",
            ),
        ),
        (
            {
                "TF_BUILD": "True",
                "SYSTEM_COLLECTIONURI": "https://dev.azure.com/t/",
                "SYSTEM_TEAMPROJECT": "my churn",
                "BUILD_BUILDID": "7",
                "BUILD_REPOSITORY_URI": "https://dev.azure.com/t/c/_git/c",
                "BUILD_SOURCEVERSION": "abc",
                "BUILD_SOURCEBRANCH": "refs/heads/feature/x",
            },
            (
                "Azure Pipelines",
                "https://dev.azure.com/t/my%20churn/_build/results?buildId=7",
                "https://dev.azure.com/t/my%20churn/_build/results?buildId=7"
                "&view=artifacts&type=publishedArtifacts",
                "https://dev.azure.com/t/c/_git/c",
                "abc",
                "feature/x",
            ),
        ),
        (
            {**GITHUB, "RUN_URL": "https://else/1", "COMMIT": "def", "BRANCH": "other"},
            (
                "GitHub Actions",
                "https://else/1",
                "https://github.com/team/churn/actions/runs/42#artifacts",
                "https://github.com/team/churn",
                "def",
                "other",
            ),
        ),
        ({"COMMIT": "abc"}, ("", "", "", "", "abc", "")),
    ],
)
def test_the_build_is_found_in_the_variables_of_each_system(variables, build):
    assert system.build(variables) == system.Build(*build)
