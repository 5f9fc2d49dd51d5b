"""List installed packages, as JSON. The image's own Python runs it from stdin, so it needs only the standard library."""

import json
import os
import platform
from email.parser import HeaderParser
from pathlib import Path
from typing import Optional

SKIPPED = {"/proc", "/sys", "/dev"}


def main() -> None:
    """Print the distribution, its packages and all Python packages, wherever they are installed."""
    found = {
        "python": platform.python_version(),
        "system": system(Path("/etc/os-release")),
        "debian": debian_packages(Path("/var/lib/dpkg")),
        "packages": python_packages("/"),
    }
    print(json.dumps(found))  # noqa: T201 # this is the whole output


def system(path: Path) -> dict[str, str]:
    """Return the fields of os-release, such as ID and VERSION_ID."""
    if not path.is_file():
        return {}
    lines = [line.partition("=") for line in path.read_text().splitlines() if "=" in line]
    return {name: value.strip("\"'") for name, _, value in lines}


def debian_packages(folder: Path) -> Optional[list[dict[str, str]]]:
    """Return name, version and architecture of the packages that dpkg installed, or None where there is no dpkg."""
    files = [
        folder / "status",
        *folder.glob("status.d/*"),
    ]  # distroless images have a file for each package
    present = [path for path in files if path.is_file() and path.suffix != ".md5sums"]
    if not present:
        return None
    found = []
    for path in present:
        for paragraph in path.read_text(encoding="utf-8").strip().split("\n\n"):
            fields = HeaderParser().parsestr(paragraph)
            if fields.get("Status", "install ok installed").endswith(" installed"):
                keys = {"name": "Package", "version": "Version", "architecture": "Architecture"}
                found.append({name: str(fields.get(key, "")) for name, key in keys.items()})
    return found


def python_packages(root: str) -> list[dict[str, str]]:
    """Return name, version and license of every distribution under `root`, also of those on no interpreter's path."""
    found = []
    for top, folders, files in os.walk(root):
        folder = Path(top)
        folders[:] = [name for name in folders if str(folder / name) not in SKIPPED]
        wanted = {".dist-info": "METADATA", ".egg-info": "PKG-INFO"}.get(folder.suffix)
        if wanted in files:
            text = (folder / wanted).read_text(encoding="utf-8", errors="replace")
            fields = HeaderParser().parsestr(text, headersonly=True)
            keys = {"name": "Name", "version": "Version", "license": "License-Expression"}
            found.append({name: str(fields.get(key, "")) for name, key in keys.items()})
    return found


if __name__ == "__main__":
    main()
