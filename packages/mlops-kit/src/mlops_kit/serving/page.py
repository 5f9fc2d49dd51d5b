"""The page at `/`: a form with a field for each column of the model, filled in with a golden row.

`render` returns the whole page with the model's data inside; page.js does the rest in the browser.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

# The Content-Security-Policy of the page. Its inline script element is data, to which the policy does not apply.
CSP = (
    "default-src 'self'; style-src 'self'; img-src 'self' data:;"
    " frame-ancestors 'none'; base-uri 'none'"
)

_SCRIPT = "text/javascript; charset=utf-8"
_STATIC = Path(__file__).with_name("static")
_MEDIA_TYPES = {
    "answer.js": _SCRIPT,
    "fields.js": _SCRIPT,
    "page.css": "text/css; charset=utf-8",
    "page.js": _SCRIPT,
    "text.js": _SCRIPT,
}
_DATA = b'<script type="application/json" id="model">'

# The keys of model.json that the page shows.
_OF_MODEL = ("registered_model", "version", "git_commit", "git_dirty", "task", "target", "metrics")
_OF_COLUMN = (
    "name",
    "kind",
    "missing",
    "minimum",
    "maximum",
    "categories",
    "format",
    "missing_values",
)


def render(
    card: Mapping[str, Any], needs_key: bool, challenger: Optional[Mapping[str, str]] = None
) -> bytes:
    """Return the page for the model of `card`, its model.json; with `needs_key` it has a field for an API key.

    `challenger` has the `version` and `mode`, shadow or share, of the challenger that is running, if there is one.
    """
    html = (_STATIC / "page.html").read_bytes()
    return html.replace(
        _DATA, _DATA + _as_data({**_shown(card, needs_key), "challenger": challenger}), 1
    )


def static_file(name: str) -> tuple[bytes, str]:
    """Return the content of `/static/NAME`, and its media type.

    Raises:
        KeyError: The page has no such file.
    """
    media_type = _MEDIA_TYPES[name]
    return (_STATIC / name).read_bytes(), media_type


def _shown(card: Mapping[str, Any], needs_key: bool) -> dict[str, Any]:
    golden = card["golden"][0]
    example = golden["row"]
    columns = [
        {**{key: column.get(key) for key in _OF_COLUMN}, "example": example[column["name"]]}
        for column in card["columns"]
    ]
    answers = [golden["answer"]["prediction"] for golden in card["golden"]]
    model = {key: card[key] for key in _OF_MODEL}
    return {
        **model,
        "columns": columns,
        "example_answer": golden["answer"],
        "golden_answers": answers,
        "needs_key": needs_key,
    }


def _as_data(value: Any) -> bytes:
    """Return JSON for a script element: ASCII, with the characters escaped that could end the element."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode("ascii")
