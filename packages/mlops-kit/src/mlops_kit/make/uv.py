"""Run uv for this checkout, without the user's settings for other projects: `uv.py pip sync …`.

It is run as a script, by a Python that may have no packages yet, and needs only the standard library.
"""

from __future__ import annotations

import configparser
import os
import subprocess  # nosec B404 # it runs uv
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

UV = Path(".venv/bin/uv")

# The machine's settings of index, network and cache are kept; all others (UV_PYTHON, UV_TARGET, …) belong to another
# project, and would change its environment.
_KEPT = (
    *("UV_CACHE_DIR", "UV_CONCURRENT", "UV_CONFIG_FILE", "UV_CREDENTIALS", "UV_DEFAULT_INDEX"),
    *("UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_HTTP", "UV_INDEX", "UV_INSECURE_HOST"),
    *("UV_KEYRING", "UV_LINK_MODE", "UV_NATIVE_TLS", "UV_NO_CACHE", "UV_OFFLINE"),
    *("UV_REQUEST_TIMEOUT", "UV_SYSTEM_CERTS"),
)
_PIP = ("cert", "extra-index-url", "index-url", "proxy", "trusted-host")
_MACHINE = Path("/etc/pip.conf")
_CERTIFICATES = (  # Debian, Red Hat, SUSE, Alpine
    *("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"),
    *("/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"),
)
_NOISE = (" + ", " - ", " ~ ", " Downloaded ", "Using ", "Audited ")


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables for uv; where its index, proxy or certificates are not set, pip's are used."""
    kept = {
        name: value
        for name, value in given.items()
        if not name.startswith("UV_") or name.startswith(_KEPT)
    }
    # With a user's exclude-newer in uv.toml the lock could have no solution.
    kept["UV_EXCLUDE_NEWER"] = "false"
    pip = pip_settings(given)
    if "index-url" in pip and not {"UV_DEFAULT_INDEX", "UV_INDEX_URL"} & set(given):
        kept["UV_DEFAULT_INDEX"] = pip["index-url"]
        if "extra-index-url" in pip:
            kept["UV_INDEX"] = pip["extra-index-url"]
            kept["UV_INDEX_STRATEGY"] = "unsafe-best-match"  # as pip; the lock has hashes
    if "trusted-host" in pip:
        kept.setdefault("UV_INSECURE_HOST", pip["trusted-host"])
    if "proxy" in pip and not {name.lower() for name in given} & {"https_proxy", "all_proxy"}:
        kept["HTTPS_PROXY"] = kept["HTTP_PROXY"] = pip["proxy"]
    certificates = pip.get("cert") or given.get("REQUESTS_CA_BUNDLE")
    if certificates:
        kept.setdefault("SSL_CERT_FILE", certificates)
    elif sys.platform == "darwin" or any(map(os.path.exists, _CERTIFICATES)):
        kept.setdefault("UV_SYSTEM_CERTS", "true")  # the system's store has a company's own
    if not ({"UV_CACHE_DIR", "UV_NO_CACHE"} & set(given)) and not _can_be_written(_cache(given)):
        kept["UV_NO_CACHE"] = "true"
    return kept


def pip_settings(given: Mapping[str, str]) -> dict[str, str]:
    """Return pip's settings that uv needs, by the keys of pip.conf; variables override files, later files earlier ones."""
    found: dict[str, str] = {}
    for file in _pip_files(given):
        parser = configparser.RawConfigParser()
        try:
            parser.read(file, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError, OSError):
            continue  # pip itself reports an invalid file
        for section in ("global", "install"):
            if parser.has_section(section):
                found.update((k, v) for k, v in parser.items(section) if k in _PIP)
    for key in _PIP:
        found[key] = given.get("PIP_" + key.upper().replace("-", "_")) or found.get(key, "")
    return {key: " ".join(value.split()) for key, value in found.items() if value}


def _pip_files(given: Mapping[str, str]) -> Iterator[Path]:
    own = given.get("PIP_CONFIG_FILE")
    if own == os.devnull:
        return
    home = Path(given.get("HOME") or os.devnull)
    for folder in reversed((given.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")):
        yield Path(folder, "pip/pip.conf")
    yield _MACHINE
    yield home / ".pip/pip.conf"
    yield Path(given.get("XDG_CONFIG_HOME") or home / ".config", "pip/pip.conf")
    if sys.platform == "darwin":
        yield Path("/Library/Application Support/pip/pip.conf")
        yield home / "Library/Application Support/pip/pip.conf"
    yield Path(sys.prefix, "pip.conf")
    if own:
        yield Path(own)


def _cache(given: Mapping[str, str]) -> Path:
    return Path(
        given.get("XDG_CACHE_HOME") or Path(given.get("HOME") or os.devnull, ".cache"), "uv"
    )


def _can_be_written(folder: Path) -> bool:
    """Return whether the folder, or its nearest existing parent, can be written."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def main(words: list[str]) -> int:
    """Run uv, print its output without the list of packages, and return its exit code."""
    if not UV.exists():
        sys.stderr.write(f"error: {UV} is not there: make clean install\n")
        return 2
    variables = environment(os.environ)
    if "UV_NO_CACHE" in set(variables) - set(os.environ):
        home = "nothing is kept for the next installation (UV_CACHE_DIR=folder keeps it)"
        sys.stdout.write(f"install: {_cache(os.environ)} cannot be written, so {home}\n")
        sys.stdout.flush()
    with subprocess.Popen(  # nosec B603 # arguments of the Makefile
        [str(UV), *words], env=variables, stderr=subprocess.PIPE, text=True, errors="replace"
    ) as uv:
        for line in uv.stderr or ():
            if not line.startswith(_NOISE):
                sys.stderr.write(line)
                sys.stderr.flush()
    return uv.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
