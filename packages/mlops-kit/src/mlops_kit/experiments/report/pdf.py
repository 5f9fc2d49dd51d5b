"""Print a page to PDF with Chromium, if it is installed."""

from __future__ import annotations

import os
import shutil
import subprocess  # nosec B404 # Chromium is a program, and is given a list of arguments
import tempfile
from pathlib import Path
from typing import Optional

FILE = Path("reports/report.pdf")

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_FLAGS = (
    "--headless=new --disable-gpu --no-first-run --disable-extensions --disable-background-networking"
    " --disable-component-update --disable-sync --no-pdf-header-footer"
)
_SECONDS = 60


def find_browser() -> Optional[str]:
    """Return the path of Chromium or Chrome, if there is one on PATH."""
    return next((found for found in map(shutil.which, _NAMES) if found), None)


def print_page(page: Path) -> str:
    """Write reports/report.pdf; return the reason why it could not be written, else an empty string."""
    FILE.unlink(missing_ok=True)  # of an earlier run
    browser = find_browser()
    if browser is None:
        return "there is no Chromium"
    with tempfile.TemporaryDirectory(dir=FILE.parent, prefix=".pdf-") as scratch:
        printed = Path(scratch).resolve() / FILE.name
        command = [browser, *_FLAGS.split(), f"--user-data-dir={scratch}/profile"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            command.append("--no-sandbox")  # Chromium has none for root; the page may run no script
        command += [f"--print-to-pdf={printed}", page.resolve().as_uri()]
        try:
            done = subprocess.run(  # nosec B603 # no shell; a browser from PATH on our own page
                command, capture_output=True, timeout=_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            return f"Chromium took more than {_SECONDS} s"
        if done.returncode != 0 or not printed.is_file():
            return f"Chromium ended with {done.returncode}"
        printed.replace(FILE)
    return ""
