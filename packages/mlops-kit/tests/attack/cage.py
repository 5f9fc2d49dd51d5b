"""A process under a limit of memory: a real cgroup where this process may make one, else none but its peak is known."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

MIB = 2**20


class Cage:
    """A limit for a process and those that it starts; `kind` names it."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.folder = _cgroup(limit)
        self.kind = (
            f"a cgroup of {limit // MIB} MiB"
            if self.folder
            else f"no cgroup can be made here: the peak of its resident memory is compared with {limit // MIB} MiB"
        )

    def enter(self) -> str:
        """Return the shell command by which a process goes inside."""
        return f"echo $$ >'{self.folder}/cgroup.procs'" if self.folder else ":"

    def remove(self) -> None:
        """Remove it; the processes have ended."""
        for _ in range(100):
            with contextlib.suppress(OSError):
                if self.folder:
                    self.folder.rmdir()
                return
            time.sleep(0.05)


@contextlib.contextmanager
def caged(
    command: str, limit: int, files: int, folder: Path, environment: dict[str, str], log: Path
) -> Iterator[tuple[subprocess.Popen[bytes], Cage]]:
    """Run a shell command in a cage, with so many open files at most; it is killed at the end."""
    cage = Cage(limit)
    with log.open("wb") as out:
        process = subprocess.Popen(
            f"{cage.enter()}; ulimit -n {files}; exec {command}",
            shell=True,
            cwd=folder,
            env=environment,
            stdout=out,
            stderr=out,
        )
    try:
        yield process, cage
    finally:
        process.kill()
        process.wait()
        cage.remove()


def peak(pid: int) -> int:
    """Return the most memory that a running process has had resident, in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return 1024 * int(line.split()[1])
    raise ValueError(f"/proc/{pid}/status has no VmHWM")


def _cgroup(limit: int) -> Path | None:
    """Make a memory cgroup below this process' own."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        v1 = "memory" in controllers.split(",")
        if not v1 and controllers:
            continue
        parent = Path(f"/sys/fs/cgroup{'/memory' if v1 else ''}{path}")
        folder = parent / f"attack-{os.getpid()}-{time.monotonic_ns()}"
        try:
            folder.mkdir()
        except OSError:
            continue
        with contextlib.suppress(OSError, ValueError):
            file = folder / ("memory.limit_in_bytes" if v1 else "memory.max")
            file.write_text(str(limit))
            if int(file.read_text()) == limit:
                return folder
        folder.rmdir()
    return None
