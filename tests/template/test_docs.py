"""The site of docs/: it builds in a project of each profile, and a link or an anchor that leads nowhere fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

# The first build installs Sphinx.
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """A function that runs `make docs` in a project, with an environment of Sphinx for all of them."""
    folder = tmp_path_factory.mktemp("docs")
    stamp = folder / "installed"
    tools = Path(sys.executable).parent
    settings = [f"BIN={tools}", f"UV={tools / 'uv'}", f"INSTALLED={stamp}", "TIMER="]

    def run(project: Path) -> subprocess.CompletedProcess:
        stamp.touch()  # newer than the project's lock
        os.utime(project / "docs/requirements.txt", (0, 0))  # what is installed is of the same
        return subprocess.run(
            ["make", *settings, f"DOCS={folder / 'sphinx'}", "docs"],
            cwd=project,
            capture_output=True,
            encoding="utf-8",
        )

    return run


@pytest.mark.parametrize("profile", ["full", "service", "model"])
def test_site_of_each_profile_builds(generate, template, tmp_path, build, profile):
    project = generate(template, tmp_path, profile=profile, project_name="Churn Radar")
    done = build(project)
    assert done.returncode == 0, done.stdout + done.stderr
    site = project / "reports/docs"
    targets = (site / "docs/make-targets.html").read_text(encoding="utf-8")
    assert (">deploy</span>" in targets) == (profile == "full")
    assert (">serve</span>" in targets) == (profile != "model")
    assert (site / "configs/serve.html").exists() == (profile != "model")
    settings = (site / "configs/train.html").read_text(encoding="utf-8")
    assert "validation.confidence" in settings
    assert "Churn Radar" in (site / "docs/index.html").read_text(encoding="utf-8")
    assert "snapshot" in (site / "searchindex.js").read_text(encoding="utf-8")


def test_every_broken_link_fails_and_is_listed(generate, template, tmp_path, build):
    project = generate(template, tmp_path, profile="model")
    with (project / "docs/report.md").open("a", encoding="utf-8") as report:
        report.write("\n[a](nowhere.md) [b](your-data.md#nowhere) ![c](pictures/nowhere.png)\n")
    (project / "docs/ours.md").write_text("# Not in the navigation\n", encoding="utf-8")
    done = build(project)
    assert done.returncode == 2
    warnings = [line for line in done.stderr.splitlines() if "WARNING" in line]
    assert len(warnings) == 4
    output = "\n".join(warnings)
    assert all(n in output for n in ("nowhere.md", "id not found", "nowhere.png", "docs/ours.md"))
