"""Print this machine's settings for pip that mean something elsewhere too: indexes and a proxy, but no path."""

import configparser
import os
import pathlib
import sys

NAMES = ("index-url", "extra-index-url", "find-links", "trusted-host", "proxy")

settings = configparser.RawConfigParser(strict=False)
home = pathlib.Path.home()
settings.read(
    [
        "/etc/pip.conf",
        home / ".pip/pip.conf",
        home / ".config/pip/pip.conf",
        os.environ.get("PIP_CONFIG_FILE", ""),
    ]
)
found = dict(settings["global"]) if settings.has_section("global") else {}
lines = []
for name in NAMES:
    value = os.environ.get("PIP_" + name.upper().replace("-", "_"), found.get(name, ""))
    if name == "proxy":
        value = value or os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy") or ""
    kept = [word for word in value.split() if not word.startswith(("/", "file:", "~", "."))]
    if kept:
        lines.append(f"{name} = {' '.join(kept)}\n")
if lines:
    sys.stdout.write("[global]\n" + "".join(lines))
