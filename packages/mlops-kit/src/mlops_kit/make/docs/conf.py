"""Settings of Sphinx for the site that `make docs` builds from README.md, docs/ and the packages' own documents.

It runs in the environment .venv/docs, which has Sphinx and not the kit. docs/index.md is the navigation: its headings and
the links below each. For each file in configs/ a page is generated from its JSON schema and its comments, and one for all
make targets.
"""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(os.environ["DOCS_ROOT"])  # Sphinx's working directory is another one
INDEX, SETTINGS, TARGETS = "docs/index", "docs/settings", "docs/make-targets"

DOCUMENTS = ("README.md", "AGENTS.md", "CONTRIBUTING.md", "SECURITY.md")
FOLDERS = ("configs", "docs", "packages")


def title(readme: str) -> str:
    """Return the text of a document's first heading."""
    return readme.partition("# ")[2].partition("\n")[0]


# --- Sphinx's settings ----------------------------------------------------------------------------

project = html_title = title((ROOT / "README.md").read_text(encoding="utf-8"))
root_doc = INDEX
extensions = ["myst_parser"]
source_suffix = {".md": "markdown", ".yaml": "markdown"}
include_patterns = [
    *(*DOCUMENTS, "docs/**.md", "configs/**.yaml"),
    *("packages/*/*.md", "packages/*/docs/**.md"),
]
exclude_patterns = sorted(
    re.sub(r"([*?\[])", r"[\1]", path.name)
    for path in ROOT.iterdir()
    if path.name not in (*DOCUMENTS, *FOLDERS)
)
myst_heading_anchors = 6
highlight_language = "text"
smartquotes = False  # quotes have to work when pasted into a shell
suppress_warnings = ["misc.highlighting_failure"]  # an example may be incomplete
html_theme = "furo"
html_copy_source = html_show_sphinx = html_show_copyright = False


def setup(app: Any) -> None:
    """Connect the page generation and the front page to Sphinx' events."""
    app.connect("source-read", _read)
    app.connect("build-finished", _finish)


def _read(_app: Any, name: str, source: list[str]) -> None:
    source[0] = page(name, source[0])


def _finish(app: Any, failure: Exception | None) -> None:
    if not failure:
        write_front_door(Path(app.outdir))


def write_front_door(site: Path) -> None:
    """Write index.html, which redirects from the site's root to its first page, docs/index.html."""
    target = f"{INDEX}.html"
    (site / "index.html").write_text(
        f'<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url={target}">'
        f'<title>{project}</title><a href="{target}">{project}</a>\n',
        encoding="utf-8",
    )


def page(name: str, text: str) -> str:
    """Return the Markdown of the page `name`, with its generated part."""
    if name.startswith("configs/"):
        return settings_page(ROOT / f"{name}.yaml")
    if name == INDEX:
        return text + navigation(text)
    if name == SETTINGS:
        files = sorted(ROOT.glob("configs/**/*.yaml"), key=lambda path: (len(path.parts), path))
        return text + _toctree(
            "", [f"/{path.relative_to(ROOT).with_suffix('').as_posix()}" for path in files]
        )
    if name == TARGETS:
        makefiles = [ROOT / path for path in os.environ["READ_BY_MAKE"].split()]
        return text + targets(path.read_text(encoding="utf-8") for path in makefiles)
    return text


# --- Navigation -----------------------------------------------------------------------------------


def navigation(index: str) -> str:
    """Return the toctrees of the index: the links of each section, then all decision records."""
    made = []
    for section in re.split(r"^## ", index, flags=re.M)[1:]:
        links = re.findall(r"\[([^\]]+)\]\(([^):#\s]+)\.md\)", section)
        made.append(
            _toctree(section.partition("\n")[0], [f"{text} <{path}>" for text, path in links])
        )
    decisions = sorted(path.stem for path in ROOT.glob("docs/adr/*.md"))
    return "".join(made) + _toctree("Decisions", [f"adr/{name}" for name in decisions])


def _toctree(caption: str, entries: list[str]) -> str:
    options = f":caption: {caption}\n:hidden:\n" if caption else ""
    listed = "\n".join(entries)
    return f"\n```{{toctree}}\n{options}\n{listed}\n```\n"


# --- Settings -------------------------------------------------------------------------------------


def settings_page(path: Path) -> str:
    """Return the page of a file in configs/: its keys from the schema, then the file with its comments."""
    text = path.read_text(encoding="utf-8")
    lines = [f"# {path.relative_to(ROOT).as_posix()}", ""]
    schema = re.match(r"# yaml-language-server: \$schema=(\S+)\n", text)
    if schema:
        text = re.sub(r"\A(#?\n)+", "", text[schema.end() :])
        loaded = json.loads((path.parent / schema[1]).read_text(encoding="utf-8"))
        lines += ["| key | accepted | default |", "|---|---|---|", *_rows(loaded, loaded), ""]
    lines += ["The file itself documents each key:", "", "```yaml", text.rstrip(), "```", ""]
    return "\n".join(lines)


def _rows(schema: dict[str, Any], part: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield a row for each key; for a key with keys of its own, their rows instead."""
    for key, value in part.get("properties", {}).items():
        references = [value, *value.get("anyOf", [])]
        inner = [each["$ref"].rpartition("/")[2] for each in references if "$ref" in each]
        below = schema["$defs"][inner[0]] if inner else value
        if "properties" in below:
            yield from _rows(schema, below, f"{prefix}{key}.")
        else:
            default = "required" if key in part.get("required", []) else _default(value)
            yield f"| `{prefix}{key}` | {_cell(value.get('description', ''))} | {default} |"


def _default(value: dict[str, Any]) -> str:
    if value.get("default") in (None, ""):
        return "nothing"
    written = json.dumps(value["default"], ensure_ascii=False)
    return "`{}`".format(written.replace("|", "\\|"))


def _cell(text: str) -> str:
    return re.sub(r"([|<*_\[\]\\`$])", r"\\\1", text)


# --- Targets --------------------------------------------------------------------------------------


def targets(makefiles: Iterator[str]) -> str:
    """Return a table of targets for each section of the makefiles, as in `make help-all`, with the section's variables."""
    made: list[str] = []
    for line in itertools.chain.from_iterable(map(str.splitlines, makefiles)):
        listed = re.match(r"([a-z-]+):.*?## (.*)", line)
        if line.startswith("##@ "):
            made += ["", f"## {line[4:]}", ""]
        elif line.startswith("#@ "):
            made += [" · ".join(f"`{each}`" for each in re.split(r"\s{2,}", line[3:].strip())), ""]
        elif listed and made:
            made += [] if made[-1] else ["| target | does |", "|---|---|"]
            made.append(f"| `make {listed[1]}` | {_cell(listed[2])} |")
    return "\n".join(made) + "\n"
