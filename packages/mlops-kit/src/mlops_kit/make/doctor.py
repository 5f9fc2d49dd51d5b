"""Print the facts for a bug report: `doctor.py PACKAGE PROFILE PYTHONS`.

It is run as a script, by any Python, because it has to work with a broken installation. It needs only the standard
library, changes nothing, and prints no secrets.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess  # nosec B404 # it runs tools for their versions
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

VENV = Path(".venv")
LOCK = Path("requirements.txt")
PACKAGES = ("mlflow-skinny", "scikit-learn", "numpy", "pandas", "onnxruntime", "skops", "uv")
# Each command prints a version in its first line; that of the engine fails while the engine is not running.
TOOLS = {
    "make": ("make", "--version"),
    "git": ("git", "--version"),
    "docker": ("docker", "--version"),
    "docker engine": ("docker", "version", "--format", "{{.Server.Version}}"),
    "terraform": ("terraform", "version"),
}
_PATIENCE = 20  # seconds; a command that takes longer counts as failed

# The variables that change the targets: these names, and those with these prefixes.
_NAMES = frozenset(
    (
        "CI",
        "CONFIG",
        "DEBUG",
        "ENV",
        "LANG",
        "LC_ALL",
        "MODEL",
        "PYTHON",
        "REGISTRY",
        "SET",
        "TMPDIR",
    )
)
_BEGINNINGS = (
    *("AWS_", "CI_", "CUDA_", "DASK_", "DOCKER_", "GITHUB_ACTIONS", "LOCAL_", "MAIL_", "MLFLOW_"),
    *("OMP_", "PIP_", "PYTEST_", "PYTHON", "SLACK_", "SMTP_", "TF_", "UV_"),
    *("CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_", "DATABASE_URL"),
)
_ENDINGS = ("_PROXY", "_SET")
_SECRET = re.compile("AUTH|CREDENTIAL|KEY|MAIL|PASS|SECRET|TOKEN|WEBHOOK")


def shown(name: str, value: str) -> str:
    """Return NAME=value without secrets: of a URL only scheme, host and port."""
    if _SECRET.search(name.upper()):
        return f"{name} is set (hidden)"
    return f"{name}={' '.join(_shown_word(word) for word in value.split())}"


def _shown_word(word: str) -> str:
    if "@" not in word and "://" not in word:
        return word
    try:
        parts = urlsplit(word)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "(hidden)"
    return f"{parts.scheme}://{parts.hostname or ''}{port}" if parts.netloc else "(hidden)"


def settings(given: Mapping[str, str]) -> list[str]:
    """Return the variables that change the targets, without secrets."""
    return [
        shown(name, value)
        for name, value in sorted(given.items())
        if name in _NAMES or name.upper().startswith(_BEGINNINGS) or name.upper().endswith(_ENDINGS)
    ]


def system() -> str:
    """Return the operating system, the number of processors, the memory and the free disk space."""
    free = shutil.disk_usage(".").free
    parts = [platform.platform(), f"{os.cpu_count()} CPUs"]
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        parts.append(f"{memory / 2**30:.1f} GiB of memory")
    except (ValueError, OSError):
        pass  # not known on this system
    return ", ".join([*parts, f"{free / 2**30:.1f} GiB free in this folder"])


def project(package: str, profile: str) -> str:
    """Return the names of the package and the profile, and the state of the Git repository."""
    commit = _output("git", "rev-parse", "--short", "HEAD")
    changed = len(_output("git", "status", "--porcelain").splitlines())
    state = f"commit {commit}, {changed} changed files" if commit else "no commit"
    return f"{package}, profile {profile}, {state}"


def pythons() -> str:
    """Return the version of this Python, and of the one in .venv."""
    inside = _output(
        str(VENV / "bin/python"), "-c", "import platform as p; print(p.python_version())"
    )
    return f"{platform.python_version()}; in {VENV}: {inside or 'none'}"


def packages() -> str:
    """Return the versions of the main packages in .venv."""
    found = []
    for name in PACKAGES:
        folders = VENV.glob(f"lib/python*/site-packages/{name.replace('-', '_')}-*.dist-info")
        found += [
            folder.name[: -len(".dist-info")].replace("-", " ").replace("_", "-")
            for folder in folders
        ]
    return ", ".join(found) or "none"


def tools() -> str:
    """Return the version of each tool, or that it is missing."""
    found = []
    for name, command in TOOLS.items():
        version = re.search(r"\d+(\.\d+)+", _output(*command).partition("\n")[0])
        found.append(f"{name} {version.group()}" if version else f"no {name}")
    return ", ".join(found)


def problems(package: str, accepted: str) -> Iterator[str]:
    """Yield a sentence for each problem, with the command that fixes it."""
    python = VENV / "bin/python"
    if not VENV.exists():
        yield f"there is no {VENV}: make install"
        return
    version = _output(str(python), "-c", "import sys; print('%d.%d' % sys.version_info[:2])")
    stamp = VENV / ".installed"
    if not version:
        yield f"{python} does not run: make install"
        return
    if version not in accepted.split():
        yield f"{VENV} has Python {version}; accepted: {accepted}: make install PYTHON=python3"
    if not LOCK.exists():
        yield f"there is no {LOCK}: git checkout {LOCK}"
    elif not stamp.exists() or stamp.stat().st_mtime < LOCK.stat().st_mtime:
        yield f"{VENV} is older than {LOCK}: make install"
    if not _output("git", "rev-parse", "HEAD"):
        yield "no commit can be read, so runs and images are of no commit: git init, git commit"
    commands = ["config-check"] + ["kit-check"] * Path("packages/SHA256SUMS").exists()
    for command in commands:
        done = _run(str(python), "-m", package, command)
        if done is None:
            yield f"{command} does not end within {_PATIENCE} seconds"
        elif done.returncode:
            yield from (done.stdout + done.stderr).splitlines()


def _run(*command: str) -> subprocess.CompletedProcess[str] | None:
    """Return the completed command, or None where it is missing or timed out."""
    try:
        return subprocess.run(  # nosec B603 # commands of this file
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None


def _output(*command: str) -> str:
    done = _run(*command)
    return done.stdout.strip() if done and done.returncode == 0 else ""


def main(package: str, profile: str, accepted: str) -> None:
    """Print the report; it succeeds even if there are problems."""
    parts = {
        "system": [system()],
        "project": [project(package, profile)],
        "python": [pythons()],
        "packages": [packages()],
        "tools": [tools()],
        "settings": settings(os.environ) or ["none"],
        "problems": list(problems(package, accepted)) or ["none found"],
    }
    try:
        home = str(Path.home())
    except RuntimeError:  # it is unknown, as in a container of another user
        home = ""
    for name, lines in parts.items():
        for line in lines:
            sys.stdout.write(f"{name:<10}{line.replace(home, '~') if len(home) > 1 else line}\n")
            name = ""


if __name__ == "__main__":
    main(*sys.argv[1:])
