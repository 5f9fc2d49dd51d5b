"""Markdown without the pieces that name something that is gone."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import NamedTuple

CODE = ("commands", "code")


class Block(NamedTuple):
    """A piece of a document, and whether a blank line is before it. The kind of a heading is its level, like `##`."""

    kind: str
    lines: list[str]
    apart: bool


def without_prose(text, gone) -> str:
    """Return a document without what names something of a `Gone`, and without what is empty then."""
    blocks, kept = list(_blocks(text)), []
    section = ""  # the level of one of the listed headings, as long as its section lasts
    for block in blocks:
        if block.kind.startswith("#") and len(block.kind) <= len(section or "######"):
            section = block.kind if block.lines[0].lstrip("# ") in gone.headings else ""
        lines = [] if section else _rest(block, gone)
        kept.append(block._replace(lines=lines) if lines else None)
    for number, (block, behind) in enumerate(zip(blocks, blocks[1:])):
        if not kept[number] and block.lines[-1].endswith(":") and behind.kind in CODE:
            kept[number + 1] = None  # what the sentence led to
    for number in range(len(kept) - 1, -1, -1):
        if kept[number] and _leads_nowhere(number, blocks, kept):
            kept[number] = None
    return _joined(blocks, kept)


def _blocks(text: str) -> Iterator[Block]:
    """Split a document into headings, heads and rows of tables, items, code and paragraphs."""
    lines = [line.rstrip("\n") for line in text.splitlines(keepends=True)]
    number, apart = 0, False
    while number < len(lines):
        if not lines[number].strip():
            number, apart = number + 1, True
            continue
        kind, end = _kind(lines, number)
        yield Block(kind, lines[number:end], apart)
        number, apart = end, False


def _kind(lines: list[str], start: int) -> tuple[str, int]:
    """Return what begins in a line, and the number of the line behind its end."""
    first, end = lines[start], start + 1
    if fence := re.match(r" *```(\w*)", first):
        while not re.fullmatch(r" *```", lines[end]):
            end += 1
        return CODE[fence[1] != "sh"], end + 1
    if heading := re.match(r"#+(?= )", first):
        return heading[0], end
    if first.startswith("|"):
        is_head = end < len(lines) and lines[end].startswith("|--")
        return ("head", end + 1) if is_head else ("row", end)
    while end < len(lines) and not re.match(r"\s*($|[-*] |\d+\. |```|\||#+ )", lines[end]):
        end += 1
    return ("item" if re.match(r" *([-*]|\d+\.) ", first) else "text"), end


def _rest(block: Block, gone) -> list[str]:
    """Return the lines of a block that may stay: all or none, but of commands each by itself."""
    if block.kind == "commands":
        first, *commands, last = block.lines
        commands = [line for line in commands if not gone.named_in(f"`{line}`")]
        return [first, *commands, last] if commands else []
    code = [f"`{line}`" for line in block.lines]
    pieces = code if block.kind in CODE else ["\n".join(block.lines)]
    return [] if any(map(gone.named_in, pieces)) else block.lines


def _leads_nowhere(number: int, blocks: list[Block], kept: list[Block | None]) -> bool:
    """Return whether a heading, the head of a table or a sentence with a colon has lost all that it led to."""
    block, behind = blocks[number], list(zip(blocks, kept))[number + 1 :]
    if block.kind.startswith("#"):
        own = itertools.takewhile(lambda pair: not _ends(block.kind, pair[0].kind), behind)
    elif block.kind == "head":
        own = itertools.takewhile(lambda pair: pair[0].kind == "row", behind)
    elif block.lines[-1].endswith(":") and behind:
        own = itertools.takewhile(lambda pair: pair[0].kind == behind[0][0].kind, behind)
    else:
        return False
    led_to = [rest for _, rest in own]
    return bool(led_to) and not any(led_to)


def _ends(level: str, kind: str) -> bool:
    """Return whether a block of this kind ends the section of a heading of that level."""
    return kind.startswith("#") and len(kind) <= len(level)


def _joined(blocks: list[Block], kept: list[Block | None]) -> str:
    """Return the document of what was kept, its lists numbered anew."""
    lines: list[str] = []
    apart, count = False, 0
    for block, rest in zip(blocks, kept):
        apart = apart or block.apart
        count = 0 if block.kind in ("text", "head") or block.kind[0] == "#" else count
        if rest:
            first, *others = rest.lines
            if block.kind == "item" and re.match(r"\d", first):
                count += 1
                first = re.sub(r"^\d+", str(count), first)
            lines += [*([""] if apart and lines else []), first, *others]
            apart = False
    return "\n".join(lines) + "\n"
