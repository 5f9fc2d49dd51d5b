"""Tag a release of the template: its version is the kit's, and both changelogs, the digest of the kit and the lock have to agree."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PACKAGES = Path("packages")
KIT = PACKAGES / "mlops-kit"
METADATA = KIT / "pyproject.toml"
CHANGELOG = Path("CHANGELOG.md")
LOCK, DEV_LOCK = Path("requirements.txt"), Path("requirements", "dev.txt")
# What a generated project has of the kit is linked here.
SHIPPED = Path("{{ cookiecutter.project_slug }}", KIT)

ENTRY = re.compile(r"^## \[([^\]]+)\](?: - (\d{4}-\d\d-\d\d))?$", re.M)


def main() -> None:
    """Tag the version, or print what is in the way, a line each, and exit with 2."""
    version = _read_toml(METADATA)["project"]["version"]
    problems = list(find_problems(version))
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    if problems:
        sys.exit(2)
    _git("tag", "--annotate", "--message", f"Release {version}", f"v{version}")
    print(f"release: tagged v{version}; next: git push origin v{version}")


def find_problems(version: str) -> Iterator[str]:
    """Yield a sentence for each thing that does not agree with the version, and for each that keeps it from being tagged."""
    for path in (CHANGELOG, KIT / "CHANGELOG.md"):
        yield from _entry_problems(path, version)
    yield from _digest_problems(version)
    wheel = f"mlops-kit=={version}"
    if wheel not in (KIT / "README.md").read_text(encoding="utf-8"):
        yield f"{KIT / 'README.md'} has no {wheel}: it names the wheel of another version"
    yield from _lock_problems()
    if changed := _git("status", "--porcelain").splitlines():
        changes = "change" if len(changed) == 1 else "changes"
        yield f"the tree has {len(changed)} uncommitted {changes} (the first: {changed[0][3:]}): git commit"
    if _git("tag", "--list", f"v{version}"):
        yield f"the tag v{version} is there already: raise version in {METADATA}"


def digest() -> str:
    """Return the SHA-256 of the kit's lines in packages/SHA256SUMS, as each generated project has them."""
    listed = _git("ls-files", "-z", *(str(KIT / link.name) for link in SHIPPED.iterdir()))
    sums = hashlib.sha256()
    for path in sorted(map(Path, listed.split("\0")[:-1])):
        name = path.relative_to(PACKAGES).as_posix()
        sums.update(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {name}\n".encode())
    return sums.hexdigest()


def _entry_problems(path: Path, version: str) -> Iterator[str]:
    found = ENTRY.search(path.read_text(encoding="utf-8"))
    if not found or found[1] != version:
        newest = found[1] if found else "none"
        yield f"{path}: the newest entry is {newest}, the version in {METADATA} is {version}"
    elif not found[2]:
        yield f"{path}: the entry of {version} has no date: write ## [{version}] - YYYY-MM-DD"


def _digest_problems(version: str) -> Iterator[str]:
    first, *_ = ENTRY.split(CHANGELOG.read_text(encoding="utf-8"))[3:] or [""]
    written, wanted = re.findall(r"sha256:([0-9a-f]{64})", first), digest()
    if written != [wanted]:
        state = f"is sha256:{written[0]}" if written else "is not there"
        yield f"{CHANGELOG}: the digest of the kit {state}; for {version} write sha256:{wanted}"


def _lock_problems() -> Iterator[str]:
    project, kit = _read_toml(Path("pyproject.toml")), _read_toml(METADATA)
    dependencies = [*project["project"]["dependencies"], *kit["project"]["dependencies"]]
    yield from _pin_problems(LOCK, dependencies)
    yield from _pin_problems(DEV_LOCK, project["dependency-groups"]["dev"])


def _pin_problems(lock: Path, listed: list[str]) -> Iterator[str]:
    pinned: dict[str, list[str]] = {}
    for name, pin in re.findall(
        r"^([\w.-]+)(?:\[[^\]]*\])?==([^\s;]+)", lock.read_text(encoding="utf-8"), re.M
    ):
        pinned.setdefault(canonicalize_name(name), []).append(pin)
    for wanted in dict.fromkeys(map(Requirement, listed)):
        pins = pinned.get(canonicalize_name(wanted.name), [])
        if not any(wanted.specifier.contains(pin, prereleases=True) for pin in pins):
            yield f"{lock} has {', '.join(pins) or 'no'} {wanted.name}, pyproject.toml wants {wanted}: make lock"


def _read_toml(path: Path) -> dict:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], stdout=subprocess.PIPE, encoding="utf-8")
    if done.returncode:
        sys.exit(2)  # git has printed why
    return done.stdout


if __name__ == "__main__":
    main()
