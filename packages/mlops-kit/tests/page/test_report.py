"""The report of a run in a real browser: on a desk and a phone, light and dark, on paper."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from mlops_kit.experiments import store
from mlops_kit.experiments.report import pdf, report

from .contrast import COLOURS, contrast

# What sticks out of the page; a table may be wider than its frame, which scrolls.
WIDER = """
const right = (element) => element.getBoundingClientRect().right;
return [...document.querySelectorAll("header, section, section *")]
  .filter((e) => !e.parentElement.closest(".wide, svg") && right(e) > document.documentElement.clientWidth)
  .map((e) => e.outerHTML.slice(0, 80));
"""

PLOTS = ([True] * 3, [True] * 2)  # of classes and of numbers


@pytest.fixture(scope="module")
def reports(project):
    """The address of each model's report, and the PDF that was printed of it."""
    made = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        for task in ("classification", "regression"):
            card = json.loads((project / task / "model.json").read_text("utf-8"))
            if task == "classification":
                challenge(task, card["run_id"])
            assert report.write(card["run_id"]).reason == ""
            folder = project / f"report-{task}"
            Path("reports").rename(folder)
            url = (folder / report.PAGE.name).as_uri()
            made[task] = SimpleNamespace(url=url, pdf=folder / pdf.FILE.name)
    return made


def challenge(name, run_id):
    """Register a run once more, as the challenger."""
    with store.connect() as client:
        source = client.get_model_version(name, "1").source
        client.create_model_version(name, source, run_id=run_id)
        client.set_registered_model_alias(name, "challenger", "2")


def photograph(page, name, width):
    """A picture of all of it, however long."""
    page.size(width, page.run("return document.documentElement.scrollHeight"))
    page.picture(name)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_it_fits_a_desk_and_a_phone_and_can_be_read_light_and_dark(reports, task, visit):
    page = visit(reports[task])
    for name, width in (("desk", 1280), ("phone", 320)):
        backgrounds = set()
        for scheme in ("light", "dark"):
            page.size(width, 900)
            page.prefer(scheme)
            assert page.run("return document.documentElement.scrollWidth") <= width
            assert page.run(WIDER) == []
            shown = page.run(COLOURS)
            assert len(shown) > 100
            assert [(t, ratio) for t, *pair in shown if (ratio := contrast(*pair)) < 4.5] == []
            backgrounds.add(page.run("return getComputedStyle(document.body).backgroundColor"))
            photograph(page, f"report-{task}-{name}-{scheme}", width)
        assert len(backgrounds) == 2
    assert (
        page.run(
            "return [...document.querySelectorAll('.plot svg')].map((e) => e.clientHeight > 200)"
        )
        in PLOTS
    )


def test_a_challenger_is_beside_the_champion(reports, visit):
    page = visit(reports["classification"])
    table = page.one("[aria-label='Champion and challenger']").text
    assert "Champion, v1" in table
    assert "Challenger, v2" in table
    page = visit(reports["regression"])
    assert page.all("[aria-label='Champion and challenger']") == []


def test_names_and_values_are_shown_as_they_are(reports, names, visit):
    page = visit(reports["classification"])
    shown = {cell.text for cell in page.all("th[scope=row]")}
    assert set(names.values()) <= shown
    assert page.all("script, b, u, i:not([class])") == []
    assert "<u>size</u>" in page.one("header p:last-child").text


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_print_is_on_white_under_dark_mode(reports, task, visit):
    assert reports[task].pdf.read_bytes().startswith(b"%PDF-")
    page = visit(reports[task])
    dark = {"name": "prefers-color-scheme", "value": "dark"}
    page.browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"media": "print", "features": [dark]}
    )
    page.size(720, 1000)  # A4 between its margins
    try:
        # What the browser paints where the page paints nothing.
        assert page.run("return getComputedStyle(document.documentElement).colorScheme") == "light"
        inks = {ink for _, ink, _ in page.run(COLOURS)}
        assert min(contrast(ink, "rgb(255, 255, 255)") for ink in inks) >= 4.5
        assert page.run(WIDER) == []
        frames = "return [...document.querySelectorAll('.wide')].filter((e) => e.scrollWidth > e.clientWidth).length"
        assert page.run(frames) == 0
        widths = page.run(
            "return [...document.querySelectorAll('.plots figure')].map((e) => e.clientWidth)"
        )
        assert max(widths) - min(widths) <= 1  # none is squeezed beside a wide one
        photograph(page, f"report-{task}-printed", 720)
    finally:
        page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
