"""The pipelines of five CI systems in one form: what each job calls, in order, and the variables it is given."""

import re
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from mlops_kit.ci.pipelines import switch

ROOT = Path(__file__).parents[4]

# What a job gives to make, but for secrets and for what is the same in all of them.
VARIABLES = {"APPROVE", "CONFIG", "ENV", "MODEL", "SET"}


class Pipeline(NamedTuple):
    """A CI system's jobs: their make commands, their own variables, those of all jobs, and the Pythons of the gates."""

    commands: dict[str, list[str]]
    variables: dict[str, dict[str, str]]
    shared: dict[str, str]
    pythons: list[str]


def texts(profile: str) -> dict[str, str]:
    """Each system's pipeline for a profile, as the kit has it."""
    found = {}
    for system in switch.SYSTEMS:
        folder = ROOT / switch.FOLDER / system / profile
        paths = [path for path in folder.rglob("*") if path.is_file()]
        found[system] = joined({path: path.read_text(encoding="utf-8") for path in paths})
    return found


def joined(pipeline: dict[Path, str]) -> str:
    """One text of a pipeline's files; GitHub's workflows in the order in which they run."""
    order = ["ci", "docs", "train", "deploy", "publish"]
    files = sorted(pipeline, key=lambda path: order.index(path.stem) if path.stem in order else 0)
    return "\n---\n".join(pipeline[path] for path in files)


def known(variables: Any) -> dict[str, str]:
    """Those of VARIABLES, from a mapping or from Azure's list."""
    if isinstance(variables, list):
        variables = {each["name"]: each["value"] for each in variables if "name" in each}
    return {k: str(v) for k, v in (variables or {}).items() if k in VARIABLES}


def lines(script: str) -> list[str]:
    return [line.strip() for line in script.splitlines() if line.strip()]


def for_each(commands: list[str], expression: str, values: list[str]) -> list[str]:
    """The commands once for each value that the expression in them can have."""
    return [c.replace(expression, value) for value in values for c in commands]


def read_github(text: str) -> Pipeline:
    commands: dict[str, list[str]] = {}
    variables: dict[str, dict[str, str]] = {}
    pythons: list[str] = []
    for name, job in (each for flow in yaml.safe_load_all(text) for each in flow["jobs"].items()):
        called = [c for step in job.get("steps", ()) for c in lines(step.get("run", ""))]
        if called:  # not the call of another workflow, nor a job of actions only
            commands.setdefault(name, []).extend(called)
            variables[name] = known(job.get("env"))
        pythons += job.get("strategy", {}).get("matrix", {}).get("python", [])
    return Pipeline(commands, variables, {}, pythons)


def read_gitlab(text: str) -> Pipeline:
    document = yaml.safe_load(text)
    after = document["default"]["after_script"]
    shared = {k: v["value"] if isinstance(v, dict) else v for k, v in document["variables"].items()}
    jobs = {n: j for n, j in document.items() if isinstance(j, dict) and "script" in j}
    jobs["docs"] = jobs.pop("pages")  # the name that makes it GitLab's site
    values = document["variables"]["PIPELINE"]["options"]
    commands = {name: [*j["script"], *j.get("after_script", after)] for name, j in jobs.items()}
    commands["notify"] = for_each(
        commands.pop("notify-success") + commands.pop("notify-failure"), "$PIPELINE", values
    )
    return Pipeline(
        commands,
        {name: known(job.get("variables")) for name, job in jobs.items()},
        known(shared),
        jobs["gates"]["parallel"]["matrix"][0]["VERSION"],
    )


def read_circleci(text: str) -> Pipeline:
    document = yaml.safe_load(text)
    commands: dict[str, list[str]] = {}
    pythons: list[str] = []
    for workflow in document["workflows"].values():
        for entry in workflow["jobs"]:
            name, given = next(iter(entry.items())) if isinstance(entry, dict) else (entry, {})
            if given.get("type") == "approval":
                continue
            pythons += given.get("matrix", {}).get("parameters", {}).get("version", [])
            found = circleci_commands(document, document["jobs"][name]["steps"], given)
            commands[name] = list(dict.fromkeys([*commands.get(name, []), *found]))
    variables = {name: known(job.get("environment")) for name, job in document["jobs"].items()}
    return Pipeline({name: commands[name] for name in variables}, variables, {}, pythons)


def circleci_commands(document: dict, steps: list, given: dict) -> list[str]:
    found = []
    for step in steps:
        name, value = next(iter(step.items())) if isinstance(step, dict) else (step, {})
        if name == "run":
            found += lines(value["command"] if isinstance(value, dict) else value)
        elif name in document["commands"]:
            found += circleci_commands(document, document["commands"][name]["steps"], value)
    settings = {"what": given.get("what", ""), "status": given.get("status", "success")}
    for name, value in settings.items():
        found = [c.replace(f"<< parameters.{name} >>", value) for c in found]
    return found


def read_azure(text: str) -> Pipeline:
    document = yaml.safe_load(text)
    commands, variables = {}, {}
    for job in (job for stage in document["stages"] for job in stage["jobs"]):
        steps = job.get("steps") or job["strategy"]["runOnce"]["deploy"]["steps"]
        name = job.get("job") or job["deployment"]
        scripts = [s.get("script") or s.get("inputs", {}).get("inlineScript", "") for s in steps]
        commands[name] = [c for script in scripts for c in lines(script)]
        variables[name] = known(job.get("variables"))
    parameters = {each["name"]: each for each in document["parameters"]}
    commands["notify"] = []
    for stage in (each for each in document["stages"] if each["stage"] in ("succeeded", "failed")):
        silent = not_for(stage["condition"], "'${{ parameters.pipeline }}'")
        values = [v for v in parameters["pipeline"]["values"] if v not in silent]
        sent = commands.pop(stage["jobs"][0]["job"])
        commands["notify"] += for_each(sent, '"$(WHAT)"', values)
    return Pipeline(commands, variables, {}, parameters["pythons"]["default"])


def not_for(condition: str, what: str) -> list[str]:
    """The values for which one of Azure's conditions does not hold."""
    found = re.search(rf"(?:ne|notIn)\({re.escape(what)}, (.*?)\)", condition)
    return re.findall(r"'(\w+)'", found[1]) if found else []


def read_jenkins(text: str) -> Pipeline:
    """By its braces, which the Groovy parser of .ci/ holds to be right."""
    commands: dict[str, list[str]] = {}
    variables: dict[str, dict[str, str]] = {}
    blocks: list[str] = []
    for line in map(str.strip, text.splitlines()):
        stages = [block for block in blocks if block.startswith("stage(")]
        if "matrix" in blocks[:-1] and stages:
            stages = [b for b in blocks[: blocks.index("matrix")] if b.startswith("stage(")]
        job = stages[-1].split('"')[1] if stages else "notify"
        if found := re.fullmatch(r'sh "(.*)"', line):
            commands.setdefault(job, []).append(found[1])
        elif blocks[-1:] == ["environment"] and (found := re.fullmatch(r'(\w+) = "(.*)"', line)):
            variables.setdefault(job, {}).update(known({found[1]: found[2]}))
        if line.endswith("{"):
            blocks.append(line.split()[0])
        elif line == "}":
            blocks.pop()
    shared = dict(re.findall(r'string\(name: "(\w+)", defaultValue: "(.*?)"', text))
    silent = re.findall(r'params\.PIPELINE != "(\w+)"', text)
    values = re.findall(r'"(\w+)"', re.search(r"choices: \[(.*?)\]", text)[1])
    values = [value for value in values if value not in silent]
    commands["notify"] = for_each(commands["notify"], "${params.PIPELINE}", values)
    pythons = re.findall(r'"([\d.]+)"', re.search(r"values (.*)", text)[1])
    return Pipeline(commands, variables, known(shared), pythons)


READERS = {
    "github": read_github,
    "gitlab": read_gitlab,
    "jenkins": read_jenkins,
    "circleci": read_circleci,
    "azure": read_azure,
}


@cache
def read(system: str, text: str) -> Pipeline:
    return READERS[system](text)
