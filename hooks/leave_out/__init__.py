"""What a profile leaves out of a new project: `service` has no AWS, `model` has no service either.

The hook imports this from the new project, where it came along with the copy, and removes it there. (A hook is rendered
into a temporary file, and cruft does not pass the template's path.) Nothing of a project is marked for it: files go, and
in the files that stay whatever names something that is gone goes with it, by what each file is made of:

- in Markdown a row of a table, an item of a list, a line of a block of commands, any other block, a paragraph; then a
  heading or a table with nothing left under it, and a sentence that led to it by a colon. So a guide that covers both
  what stays and what may go does so in paragraphs, items or rows of their own;
- of the Makefile a section (`##@ Deploy`), and the `include` of a file of the kit's;
- of other lists in YAML the innermost item, of CODEOWNERS a line, of the comments in configs/ a paragraph.

The pipelines are not cut: conditions and dependencies are expressions of five languages. The kit has them for each profile.
"""

from __future__ import annotations

import itertools
import re
import shutil
from pathlib import Path
from typing import NamedTuple

from .prose import without_prose


class Part(NamedTuple):
    """Something that a project can be without."""

    paths: tuple[str, ...]  # files and folders, from the project's root
    section: str  # of the Makefile
    make: tuple[str, ...]  # the files of mlops_kit/make/ with its other targets
    words: str  # what else names it, as a regular expression
    headings: tuple[str, ...] = ()  # Markdown sections about it without such a word


AWS = Part(
    paths=(
        "configs/deploy",
        "configs/infra",
        "docs/adr/0003-cloud-provider.md",
        "docs/adr/0006-deployment.md",
        "docs/adr/0007-infrastructure.md",
        "docs/deploying.md",
        "docs/disaster-recovery.md",
        "docs/first-aws-deployment.md",
        "docs/infrastructure.md",
        "infra",
        "packages/ecs-local",
        "requirements/local.txt",
    ),
    section="Deploy",
    make=("deploy.mk", "infra.mk"),
    words=r"\b(AWS|ECS|ECR|Fargate|Terraform|staging|production|ENV=)|\bADR [367]\b|DEPLOY_SET",
    headings=("AWS without keys", "The price of a million predictions"),
)
SERVICE = Part(
    paths=(
        "configs/monitor.yaml",
        "configs/serve.yaml",
        "docker",
        "docs/adr/0002-containers.md",
        "docs/adr/0005-serving.md",
        "docs/adr/0009-records-leave-by-a-second-container.md",
        "docs/adr/0010-a-challenger.md",
        "docs/watching.md",
        "requirements/serving.txt",
        "tests/image",
        "tests/test_service.py",
    ),
    section="Serve",
    make=("image.mk", "serve.mk"),
    words=r"(?<![\w-])(services?|ONNX|Docker|images?|ADR (10|[259])|(SERVE|MONITOR)_SET)(?![\w-])|/predict\b|artifacts/model",
    headings=("Requests", "More requests"),
)
PROFILES = {"full": (), "service": (AWS,), "model": (AWS, SERVICE)}

# What is cut, by name: generated over an earlier one, a project has files of the team's beside them.
GUIDES = (
    *(
        "ci-portability",
        "glossary",
        "growing",
        "index",
        "leaving-parts-out",
        "lightgbm-and-xgboost",
        "make-targets",
        "notices-and-cost",
        "performance",
        "report",
    ),
    *("security", "settings", "upgrading", "watching", "your-data", "your-model"),
    *("adr/0001-ci-cd-tooling", "adr/0002-containers", "adr/0005-serving"),
    "adr/0008-a-kit-in-the-repository",
    "adr/0009-records-leave-by-a-second-container",
    "adr/0010-a-challenger",
)
DOCUMENTS = (
    *(
        "README.md",
        "AGENTS.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        ".github/pull_request_template.md",
    ),
    *(f"docs/{name}.md" for name in GUIDES),
)
SETTINGS = tuple(
    f"configs/{name}.yaml"
    for name in ("ci-prices", "model-card", "monitor", "search", "serve", "train")
)

MAKE = Path("packages/mlops-kit/src/mlops_kit/make")
TARGET = re.compile(r"^([a-z][a-z-]*):(?!=)", re.MULTILINE)


def leave_out(project: Path, profile: str) -> None:
    """Remove from the project what the profile does not hold, and all that names it."""
    for part in PROFILES[profile]:
        gone = Gone.of(project, part)
        for path in (project / name for name in part.paths):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        _edit(project / "Makefile", lambda text, part=part: without_targets(text, part))
        _edit(project / ".github/CODEOWNERS", gone.without_lines)
        _edit(project / ".github/dependabot.yml", gone.without_items)
        for name in set(SETTINGS).difference(part.paths):
            _edit(project / name, gone.without_comments)
        for name in set(DOCUMENTS).difference(part.paths):
            _edit(project / name, lambda text, gone=gone: without_prose(text, gone))


def _edit(path: Path, change) -> None:
    before = path.read_bytes().decode()
    after = change(before)
    if after != before:
        path.write_bytes(after.encode())


# --- Makefile and lists ---------------------------------------------------------------------------


def _sections(makefile: str) -> dict[str, str]:
    """Return the parts of the Makefile that begin with `##@ TITLE`, by title; the last ends where files are included."""
    parts = re.split(r"^(?=##@ |include \S+/setup\.mk$)", makefile, flags=re.MULTILINE)
    return {part[4:].partition("\n")[0]: part for part in parts if part.startswith("##@ ")}


def without_targets(makefile: str, part: Part) -> str:
    """Return the Makefile without the part's section, and without what it includes for it."""
    makefile = makefile.replace(_sections(makefile)[part.section], "")
    for name in part.make:
        makefile = makefile.replace(f"include $(KIT)/make/{name}\n", "")
    return makefile


class Gone(NamedTuple):
    """What is left out, and what names it: targets, paths and words, the last two as regular expressions."""

    targets: frozenset[str]
    paths: re.Pattern[str]
    words: re.Pattern[str]
    headings: tuple[str, ...]

    @classmethod
    def of(cls, project: Path, part: Part) -> Gone:
        """Return what is gone from a project without the part."""
        makefiles = [_sections((project / "Makefile").read_text(encoding="utf-8"))[part.section]]
        makefiles += [(project / MAKE / n).read_text(encoding="utf-8") for n in part.make]
        # A document is linked from several folders; a word like infra is a folder only with its slash.
        documents = "|".join(Path(name).stem for name in part.paths if name.endswith(".md"))
        others = [name for name in part.paths if not name.endswith(".md")]
        paths = "|".join(
            rf"{name}(?=/)" if name.isalpha() else rf"{name}(?![\w-])" for name in others
        )
        return cls(
            frozenset(TARGET.findall("\n".join(makefiles))),
            re.compile(
                rf"(?<![\w-])({documents})\.md|(?<![\w-])(?<![\w-]/)({paths})"
                rf"|(?<=[ \"])/({'|'.join(others)})(?![\w-])"
            ),
            re.compile(part.words),
            part.headings,
        )

    def named_in(self, prose: str) -> bool:
        """Return whether prose names something that is gone: targets stand behind `make`, or alone in backticks."""
        spans = [span.split() for span in re.findall(r"`([^`]+)`", prose)]
        called = {word for span in spans if "make" in span or len(span) == 1 for word in span}
        return bool(called & self.targets or self.paths.search(prose) or self.words.search(prose))

    def without_lines(self, text: str) -> str:
        """Return a list of paths, one a line, without those that are gone."""
        return "".join(
            line for line in text.splitlines(keepends=True) if not self.paths.search(line)
        )

    def without_items(self, text: str) -> str:
        """Return YAML without the innermost items of its lists that name a path that is gone."""
        lines = text.splitlines(keepends=True)
        for number in [n for n, line in enumerate(lines) if self.paths.search(line)][::-1]:
            start = number
            while not lines[start].lstrip().startswith("- "):
                start -= 1
            end = start + 1
            while end < len(lines) and _depth(lines[end]) > _depth(lines[start]):
                end += 1
            del lines[start:end]
        return "".join(lines)

    def without_comments(self, text: str) -> str:
        """Return YAML without the paragraphs of its comments that name what is gone; a `#` alone stands between two."""
        groups = itertools.groupby(
            text.splitlines(keepends=True), lambda line: line.startswith("# ")
        )
        kept = [("".join(lines), is_prose) for is_prose, lines in groups]
        text = "".join(group for group, is_prose in kept if not (is_prose and self.named_in(group)))
        return re.sub(r"^#\n(?!# )|(?<!^)(?<=\n\n)#\n", "", text, flags=re.MULTILINE)


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip())
