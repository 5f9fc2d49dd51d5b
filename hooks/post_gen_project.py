"""Make the copy of the reference project the user's own: her names, her licence, her Pythons, a git repository.

cookiecutter renders this file with Jinja before it runs it, so nothing here may look like Jinja but the one
expression in main(). It runs in the new project's folder.
"""

import hashlib
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

REFERENCE = {
    "project_name": "ML Template",
    "project_slug": "ml-template",
    "package_name": "ml_template",
    "description": "A machine-learning repository that trains, gates, registers, serves and deploys a model.",
    "author_name": "ML Template Authors",
    "author_email": "authors@ml-template.example",
    "license": "MIT",
    "python_versions": "3.9-3.14",
    "aws_region": "eu-west-1",
    "github_org": "ml-template-org",
    "ci": "github",
    "profile": "full",
}

# These are set where they stand, by a function each; all others are swapped everywhere.
SET_IN_PLACE = ("license", "python_versions", "ci", "profile")

# Distributions of their own in packages/ are the same in every project, whatever its names.
UNTOUCHED = (".git", "packages")


def refuse_without_links(project):
    """Stop when the template's links arrived as small text files that hold only a path."""
    if not (project / "src").is_dir():
        sys.exit(
            "error: this copy of the template has no symbolic links (a zip download, or git on Windows without "
            "core.symlinks=true): clone it with git and symbolic links on, then generate again"
        )


def remove_caches(project):
    """Remove what running the reference project left in the folders that were copied."""
    for cache in list(project.rglob("__pycache__")):
        shutil.rmtree(cache)


def edit(path, old, new):
    """Replace a line that has to be there."""
    content = path.read_bytes().decode()
    if old not in content:
        sys.exit(
            f"error: {path.name} has no {old!r}; this is a fault of the template, please report it"
        )
    path.write_bytes(content.replace(old, new).encode())


def minors(python_versions):
    """List the minor versions in an answer such as 3.9-3.14 or 3.14."""
    ends = [int(version.split(".")[1]) for version in python_versions.split("-")]
    return range(ends[0], ends[-1] + 1)


def set_python_versions(project, answer):
    """Set the supported Pythons; the lock and the tools' settings serve all of them and stay."""
    before, after = minors(REFERENCE["python_versions"]), minors(answer)
    required = 'requires-python = ">=3.{0.start},<3.{0.stop}"'
    edit(project / "pyproject.toml", required.format(before), required.format(after))
    listed = ["PYTHONS := " + " ".join(f"3.{n}" for n in reversed(m)) for m in (before, after)]
    edit(project / "Makefile", *listed)


def set_licence(project, answer):
    """Name the licence in the package's metadata; LICENSE itself came with the copy."""
    name = "LicenseRef-Proprietary" if answer == "Proprietary" else answer
    edit(project / "pyproject.toml", f'license = "{REFERENCE["license"]}"', f'license = "{name}"')


def set_profile(project, answer):
    """Leave out what the profile does not hold, by a package that came with the copy and is no part of the project."""
    sys.path.insert(0, str(project))
    leaving = importlib.import_module("leave_out")
    shutil.rmtree(project / "leave_out")
    edit(project / "Makefile", f"PROFILE := {REFERENCE['profile']}\n", f"PROFILE := {answer}\n")
    leaving.leave_out(project, answer)


def set_ci(project, answer):
    """Put the chosen CI system's pipeline in place, as `make ci-switch` does, with this project's Pythons and region."""
    sys.path.insert(0, str(project / "packages/mlops-kit/src"))
    switching = importlib.import_module("mlops_kit.ci.pipelines.switch")
    # The reference project's came with the copy, and an earlier choice's where a project is generated over.
    for path in switching.written():
        (project / path).unlink(missing_ok=True)
    switching.switch(answer)


def swaps(answers):
    """Return the reference names with what takes their place."""
    names = {REFERENCE[key]: answers[key] for key in REFERENCE if key not in SET_IN_PLACE}
    names[REFERENCE["package_name"].upper()] = answers["package_name"].upper()
    return names


def swap_names(project, names):
    """Swap all names in one pass, the longest first, so that nothing is replaced twice; paths as well.

    packages/ is the same in every project: a comparison with a release finds no difference.
    """
    pattern = re.compile("|".join(map(re.escape, sorted(names, key=len, reverse=True))))

    def swapped(text):
        return pattern.sub(lambda found: names[found.group()], text)

    for folder, folders, files in os.walk(project, topdown=False):
        if Path(folder).relative_to(project).parts[:1] in [(name,) for name in UNTOUCHED]:
            continue
        for file in files:
            swap_content(Path(folder, file), swapped)
        for name in files + folders:
            if swapped(name) != name:
                Path(folder, name).rename(Path(folder, swapped(name)))


def swap_content(path, swapped):
    """Swap names in a text file, byte by byte the same otherwise."""
    if path.is_symlink():
        return
    content = path.read_bytes()
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return
    if swapped(text) != text:
        path.write_bytes(swapped(text).encode())


def write_sums(project):
    """Write down what packages/ is as released, for `make kit-check`, in the form of sha256sum."""
    packages = project / "packages"
    files = sorted(path for path in packages.rglob("*") if path.is_file())
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(packages).as_posix()}\n"
        for path in files
        if path.name != "SHA256SUMS"
    ]
    (packages / "SHA256SUMS").write_bytes("".join(lines).encode())


def is_comparison(project, answers):
    """Return whether cruft renders this only to compare versions: a .git folder would end up in its comparison.

    cruft gives _commit among the answers, and does its comparisons in a fresh folder of the tempfile module.
    """
    parent = project.resolve().parent
    is_temporary = parent.parent == Path(tempfile.gettempdir()).resolve()
    in_tempfile_folder = is_temporary and re.fullmatch(r"tmp\w{8}", parent.name)
    return "_commit" in answers and bool(in_tempfile_folder)


def git(*arguments):
    """Run git on the new project only, also when this runs inside of another repository's hook."""
    elsewhere = (
        "GIT_DIR",
        "GIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_OBJECT_DIRECTORY",
        "GIT_COMMON_DIR",
    )
    env = {name: value for name, value in os.environ.items() if name not in elsewhere}
    return subprocess.run(
        ["git", *arguments],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )


def identity(answers):
    """Return git's options for those parts of an identity that nobody has configured."""
    who = {"user.name": answers["author_name"], "user.email": answers["author_email"]}
    missing = [f"{key}={value}" for key, value in who.items() if git("config", key).returncode]
    return [part for setting in missing for part in ("-c", setting)]


def start_repository(answers):
    """Make a git repository with a first commit; return why that was not possible, if so."""
    if shutil.which("git") is None:
        return "git is not installed"
    steps = (
        lambda: git("init", "--quiet"),
        lambda: git("symbolic-ref", "HEAD", "refs/heads/main"),
        # What was generated belongs to the project, whatever names a user's own list ignores.
        lambda: git("-c", f"core.excludesFile={os.devnull}", "add", "--all"),
        # Nobody is there to enter a passphrase, and hooks that a user has for all her repositories know
        # nothing of this one.
        lambda: git(
            *("-c", f"core.hooksPath={os.devnull}", *identity(answers)),
            *("commit", "--quiet", "--no-gpg-sign", "--message", "Start the project"),
        ),
    )
    for step in steps:
        result = step()
        if result.returncode:
            lines = result.stdout.strip().splitlines() or [f"exit code {result.returncode}"]
            return f"git said: {lines[-1]}"
    return None


def main():
    """Turn the folder this runs in into the user's project."""
    # JSON in a raw string: it writes " as \" and a newline as \n, so that no answer can end the string.
    answers = json.loads(r"""{{ cookiecutter | jsonify }}""")
    sys.stdout.reconfigure(errors="replace")
    sys.dont_write_bytecode = True
    project = Path.cwd()
    refuse_without_links(project)
    remove_caches(project)
    set_python_versions(project, answers["python_versions"])
    set_licence(project, answers["license"])
    set_profile(project, answers["profile"])
    swap_names(project, swaps(answers))
    set_ci(project, answers["ci"])
    write_sums(project)
    if is_comparison(project, answers):
        return
    if not (project / ".git").exists():
        failure = start_repository(answers)
        if failure:
            print(f"note: commit the project yourself ({failure})")
    if "_commit" in answers:
        print(
            "note: commit .cruft.json, which cruft writes next: it is how the project takes updates"
        )
    print(
        f"{project.name} is ready; next:\n  cd {project.name}\n  make pipeline\n  make quality-gates"
    )


if __name__ == "__main__":
    main()
