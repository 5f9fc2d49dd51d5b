"""The page as it is sent, without a browser."""

import json
import re

import pytest

from mlops_kit.serving import page

NASTY = "</script><!-- <script> & \u2028 🎉"
CARD = {
    "registered_model": NASTY,
    "version": "3",
    "git_commit": "none",
    "git_dirty": "false",
    "run_id": "not for the page",
    "task": "regression",
    "target": NASTY,
    "metrics": {"mae": {"value": 1.5, "lower": None, "upper": None}},
    "columns": [
        {
            "name": NASTY,
            "kind": "categorical",
            "missing": True,
            "missing_values": ["NA"],
            "categories": [NASTY],
            "codes": [0.0],
        }
    ],
    "golden": [
        {"row": {NASTY: NASTY}, "answer": {"prediction": 1.0}},
        {"row": {NASTY: None}, "answer": {"prediction": 2.0}},
    ],
}
BLOCK = re.compile(rb'<script type="application/json" id="model">(.*?)</script>', re.DOTALL)


@pytest.mark.parametrize("needs_key", [True, False])
def test_it_holds_what_it_shows_of_the_model_and_nothing_else(needs_key):
    (block,) = BLOCK.findall(page.render(CARD, needs_key))
    held = json.loads(block)
    assert held.pop("needs_key") is needs_key
    assert held.pop("challenger") is None
    assert held.pop("golden_answers") == [1.0, 2.0]
    assert held.pop("example_answer") == {"prediction": 1.0}
    (column,) = held.pop("columns")
    seen = {"minimum": None, "maximum": None, "categories": [NASTY], "format": None}
    seen["missing_values"] = ["NA"]
    assert column == {
        "name": NASTY,
        "kind": "categorical",
        "missing": True,
        "example": NASTY,
        **seen,
    }
    assert held == {key: CARD[key] for key in held}
    assert "run_id" not in held


def test_no_name_can_end_the_block_of_data_or_begin_another():
    plain = dict(CARD, registered_model="m", target="t", columns=[], golden=CARD["golden"])
    for mark in (b"<script", b"</script", b"<!--"):
        assert page.render(CARD, True).count(mark) == page.render(plain, True).count(mark)
    (block,) = BLOCK.findall(page.render(CARD, needs_key=True))
    assert block.isascii()


def test_every_file_that_it_loads_is_given_and_no_other():
    html = page.render(CARD, needs_key=False).decode()
    wanted = set(re.findall(r'(?:src|href)="static/([^"]+)"', html))
    for name in list(wanted):
        content, media_type = page.static_file(name)
        wanted |= set(re.findall(r'from "\./([^"]+)"', content.decode()))
        assert media_type.startswith("text/javascript" if name.endswith(".js") else "text/css")
    assert {name for name in wanted if page.static_file(name)[0]} == wanted
    for name in ("page.html", "../page.py", ""):
        with pytest.raises(KeyError):
            page.static_file(name)


def test_what_it_loads_comes_from_here_and_runs_under_its_own_policy():
    html = page.render(CARD, needs_key=False).decode()
    assert "//" not in re.sub(r"http://www\.w3\.org/2000/svg", "", html)
    assert not re.search(r"\son\w+=|\sstyle=|<style|javascript:", html)
    assert "unsafe" not in page.CSP
