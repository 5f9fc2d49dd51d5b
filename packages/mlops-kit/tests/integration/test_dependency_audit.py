"""pip-audit itself, against an advisory service on this machine."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.version import Version

from mlops_kit.delivery import dependency_audit

HASH = f"--hash=sha256:{'0' * 64}"

needs_service_option = pytest.mark.skipif(
    Version(version("pip-audit")) < Version("2.10"),
    reason="pip-audit before 2.10 asks one fixed address only",
)


@pytest.fixture
def service(monkeypatch):
    """An OSV service that answers with what the test puts into the returned dictionary."""
    answers: dict = {}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            body = json.dumps(answers.get(asked["package"]["name"], {})).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("PIP_AUDIT_VULNERABILITY_SERVICE", "osv")
    monkeypatch.setenv("PIP_AUDIT_OSV_URL", f"http://127.0.0.1:{server.server_port}/query")
    yield answers
    server.shutdown()
    server.server_close()


def advisory(package, fixed):
    events = [{"introduced": "0"}, *([{"fixed": fixed}] if fixed else [])]
    affected = {
        "package": {"name": package, "ecosystem": "PyPI"},
        "ranges": [{"type": "ECOSYSTEM", "events": events}],
    }
    return {"vulns": [{"id": "OSV-1", "summary": "bad", "affected": [affected]}]}


def lock(*pins):
    Path("requirements.txt").write_text("".join(f"{pin} \\\n    {HASH}\n" for pin in pins))


@needs_service_option
def test_no_advisory_is_clean(service, command):
    lock("six==1.17.0")
    done = command("audit")
    assert (done.code, done.out) == (0, "audit: clean\n")


@needs_service_option
def test_a_mended_release_that_the_lock_does_not_have_fails(service, command):
    lock("six==1.16.0")
    service["six"] = advisory("six", "1.17.0")
    done = command("audit")
    assert done.code == 1
    assert "vulnerable: six 1.16.0, OSV-1 (fixed in: 1.17.0)" in done.out
    assert "make lock" in done.out
    assert json.loads(Path("reports/audit.json").read_text())["status"] == "vulnerable"


@needs_service_option
def test_what_a_target_installs_is_audited_too(service, command):
    lock("six==1.17.0")
    Path("requirements").mkdir()
    Path("requirements/cluster.txt").write_text(
        f"six==1.17.0 \\\n    {HASH}\nbokeh==3.8.0 \\\n    {HASH}\n"
    )
    service["bokeh"] = advisory("bokeh", "3.8.1")
    done = command("audit")
    assert done.code == 1
    assert "vulnerable: bokeh 3.8.0, OSV-1 (fixed in: 3.8.1)" in done.out


@needs_service_option
def test_finding_fixed_on_newer_pythons_passes_with_a_note(service, command):
    lock("six==1.16.0 ; python_version < '4'", "six==1.17.0 ; python_version >= '4'")
    service["six"] = advisory("six", "1.17.0")
    done = command("audit")
    assert done.code == 0
    assert "held back: six 1.16.0, OSV-1" in done.out
    assert "audit: clean but for what is held back" in done.out


@needs_service_option
def test_finding_without_fix_passes_with_a_note(service, command):
    lock("six==1.16.0")
    service["six"] = advisory("six", None)
    done = command("audit")
    assert done.code == 0
    assert "(fixed in: no release yet)" in done.out


def test_no_service_is_not_audited_which_is_not_clean(command, monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "")
    done = command("audit")
    assert done.code == 0
    assert "NOT AUDITED" in done.out
    assert "clean" not in done.out
    assert json.loads(Path("reports/audit.json").read_text())["status"] == "not audited"


def test_a_missing_lock_is_a_sentence(command):
    Path("requirements.txt").unlink()
    done = command("audit")
    assert (done.code, done.err) == (2, "error: requirements.txt not found: make lock writes it\n")


@pytest.mark.parametrize(
    ("here", "newest", "fixed_in", "expected"),
    [
        ("1.0", "1.0", ["1.1"], False),
        ("1.0", "1.1", ["1.1"], True),
        ("1.0", "1.1", ["1.2"], False),
        ("1.0", "2.1", ["0.9", "1.5", "2.1"], True),
        ("1.0", "1.0", [], True),
    ],
)
def test_held_back_means_that_no_fresh_lock_can_mend_it(here, newest, fixed_in, expected):
    problem = {"package": "p", "version": here, "fixed_in": fixed_in}
    pins = dependency_audit._newest_pins(
        f"p=={here} ; python_version < '3.10' \\\np=={newest} \\\n"
    )
    assert dependency_audit._held_back(problem, pins) is expected
