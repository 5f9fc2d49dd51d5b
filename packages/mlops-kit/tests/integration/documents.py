"""The commands, shown sessions, files and changes of README and docs/, in the order of reading."""

from __future__ import annotations

import re
import shlex
import textwrap
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[4]
# What a generated project gets is linked in this folder; README.md in it is the project's own.
TEMPLATE = "{{ cookiecutter.project_slug }}"

# Those that build on each other, in this order; then all others.
GUIDES = ("docs/your-data.md", "docs/your-model.md")

FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1``` *$", re.M | re.S)
INLINE = re.compile(r"`([^`]+)`")
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
FOLDERS = r"configs|docs|src|infra|packages|tests|docker|hooks|\.github|\.devcontainer"
PATH = re.compile(rf"(?<![\w/.-])((?:{FOLDERS})/[\w./*-]*\w/?)(?![\w{{…])")
# Words in capitals stand for something: ENV, SYSTEM; three dots for anything.
STANDS_FOR = re.compile(r"\b(ENV|NAME|SYSTEM|PACKAGE)\b|…")
FILE = re.compile(r"# ([\w./-]+\.\w+)\n")
SEPARATOR = re.compile(r"\s(?:&&|\|\||[|;])\s")


class Block(NamedTuple):
    """A fenced block: the document it is in, its language ("" for none) and its text."""

    document: str
    language: str
    text: str

    @property
    def commands(self) -> list[str]:
        """The commands of a block of the shell's."""
        if self.language not in ("sh", "bash", "shell", "console"):
            return []
        lines = self.text.replace("\\\n", " ").splitlines()
        return [line.strip() for line in lines if line.strip()]

    @property
    def sessions(self) -> list[tuple[str, list[str]]]:
        """The commands behind a "$ ", each with the lines that it should print."""
        parts = re.split(r"^\$ ", self.text, flags=re.M)[1:] if not self.language else []
        return [(part.splitlines()[0], part.splitlines()[1:]) for part in parts]

    @property
    def file(self) -> tuple[str, str] | None:
        """The path that a block of Python or YAML begins with, and the content of that file."""
        named = FILE.match(self.text) if self.language in ("python", "yaml") else None
        return (named[1], self.text[named.end() :]) if named else None

    @property
    def changes(self) -> list[tuple[str, str, str]]:
        """The changes of a diff: path, the lines there are, and what takes their place."""
        if self.language != "diff":
            return []
        found = []
        for part in re.split(r"^--- ", self.text, flags=re.M)[1:]:
            path, *hunks = re.split(r"^@@.*\n", part, flags=re.M)
            for hunk in hunks:
                lines = hunk.splitlines(keepends=True)
                old = "".join(line[1:] for line in lines if line[0] != "+")
                new = "".join(line[1:] for line in lines if line[0] != "-")
                found.append((path.strip(), old, new))
        return found


def documents() -> list[str]:
    """The guides, then every other document of the project, and those that stay with the template."""
    folders = ("", "docs/**/", "packages/*/", "packages/*/docs/", "packages/*/tests/")
    others = {path for folder in folders for path in ROOT.glob(f"{folder}*.md")}
    names = sorted(path.relative_to(ROOT).as_posix() for path in others)
    return [*GUIDES, *(name for name in names if name not in GUIDES), f"{TEMPLATE}/README.md"]


def root_of(document: str) -> Path:
    """The folder against which a document's paths hold: what a generated project gets, for one that ships."""
    project = ROOT / TEMPLATE
    ships = document.startswith(TEMPLATE) or (
        document != "README.md" and (project / document).exists()
    )
    return project if ships else ROOT


def folder_of(document: str) -> Path:
    """The folder against which a document's links hold."""
    return (ROOT if document.startswith(TEMPLATE) else root_of(document)) / Path(document).parent


def blocks(document: str) -> list[Block]:
    """All fenced blocks of a document."""
    text = (ROOT / document).read_text(encoding="utf-8")
    return [Block(document, found[2], textwrap.dedent(found[3])) for found in FENCE.finditer(text)]


def spans(document: str) -> list[str]:
    """Return the code spans of a document's prose."""
    text = FENCE.sub("", (ROOT / document).read_text(encoding="utf-8"))
    return [" ".join(found.split()) for found in INLINE.findall(text)]


def links(document: str) -> list[str]:
    """The places in the repository that a document links to."""
    found = LINK.findall((ROOT / document).read_text(encoding="utf-8"))
    return [link for link in found if not re.match(r"\w+:", link)]


def named_paths(document: str) -> list[str]:
    """The repository's files and folders that a document names as code, but for those that it makes."""
    code = [*spans(document), *(c for block in blocks(document) for c in block.commands)]
    made = {block.file[0] for block in blocks(document) if block.file}
    found = [path for text in code if not STANDS_FOR.search(text) for path in PATH.findall(text)]
    return [path for path in found if path not in made]


def commands(document: str) -> list[list[str]]:
    """All commands of a document, as words: in blocks, in sessions and in backticks."""
    typed = [command for block in blocks(document) for command in block.commands]
    typed += [command for block in blocks(document) for command, _ in block.sessions]
    typed += [
        span for span in spans(document) if re.match(r"(\w+=\S* )*(make|python|\.venv)", span)
    ]
    return [shlex.split(part) for command in typed for part in SEPARATOR.split(command)]


def make_words(words: list[str]) -> tuple[dict[str, str], list[str]] | None:
    """The variables and the targets of a call of make; None if it is another command."""
    variables = {}
    for position, word in enumerate(words):
        if word == "make":
            rest = words[position + 1 :]
            variables.update(word.split("=", 1) for word in rest if "=" in word)
            targets = [w for w in rest if "=" not in w and w[0] not in "-<…"]
            return variables, targets
        if "=" not in word:
            return None
        variables.update([word.split("=", 1)])
    return None
