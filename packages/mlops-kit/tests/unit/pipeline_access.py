"""What each job of five CI systems can read beside the repository: roles, secrets, and caches that other jobs write."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import yaml

# What gives a job something, in the words of docs/security.md: secrets by GitHub's names, environments of GitLab, contexts
# of CircleCI, groups of Azure and credentials of Jenkins. Those not named hold nothing that is secret.
GIVES = {
    "SLACK_WEBHOOK_URL": {"notices"},
    "SMTP_URL": {"notices"},
    "MLFLOW_TRACKING_TOKEN": {"MLflow"},
    "REGISTRY_PASSWORD": {"registry"},
    "DATABASE_URL": {"database"},
    "notices": {"notices"},
    "training": {"MLflow"},
    "training/data": {"MLflow", "database"},
    "database": {"database"},
    "registry": {"registry"},
    "slack-webhook-url": {"notices"},
    "smtp-url": {"notices"},
    "mlflow-tracking-token": {"MLflow"},
    "registry-password": {"registry"},
    "database-url": {"database"},
}
ROLES = {"training", "staging", "production"}
# Jenkins: agents that no job of another branch may use, so that their disks are no cache of others.
TRUSTED = {'"trusted"', "params.TRAIN_AGENT"}

Access = dict[str, set[str]]


def given_by(names: Any) -> set[str]:
    return {what for name in names for what in GIVES.get(name, ())}


def role(name: str) -> set[str]:
    return {f"role {name}"} if name in ROLES else {"identity"}


def read_github(text: str) -> Access:
    found: Access = {}
    for name, job in (each for flow in yaml.safe_load_all(text) for each in flow["jobs"].items()):
        if "steps" not in job:
            continue  # the call of another workflow, whose jobs have what their environments hold
        has = found.setdefault(name, set())
        has |= given_by(re.findall(r"secrets\.(\w+)", yaml.safe_dump(job)))
        rights = job["permissions"]
        has |= role(job.get("environment", "")) if "id-token" in rights else set()
        has |= {"registry"} if "packages" in rights else set()
        has |= {"cache"} if any("cache" in step.get("uses", "") for step in job["steps"]) else set()
    return found


def read_gitlab(text: str) -> Access:
    document = yaml.safe_load(text)
    found: Access = {}
    for name, job in document.items():
        if not isinstance(job, dict) or "script" not in job:
            continue
        environment = job.get("environment", "")
        scope = environment["name"] if isinstance(environment, dict) else environment
        name = "docs" if name == "pages" else name
        has = found.setdefault(name.replace("-success", "").replace("-failure", ""), set())
        has |= given_by([scope])
        has |= role(scope.partition("/")[0]) if "id_tokens" in job else set()
        has |= {"cache"} if job.get("cache", document["default"]["cache"]) else set()
    return found


def read_circleci(text: str) -> Access:
    document = yaml.safe_load(text)
    found: Access = {}
    for name, given in circleci_entries(document):
        contexts = given.get("context", [])
        contexts = [contexts] if isinstance(contexts, str) else contexts
        job, has = document["jobs"][name], found.setdefault(name, set())
        has |= given_by(contexts) | {f"role {each}" for each in contexts if each in ROLES}
        executor = job["executor"]
        executor = executor if isinstance(executor, str) else executor["name"]
        machine = document["executors"][executor].get("machine", {})
        steps = yaml.safe_dump(
            [
                job["steps"],
                [document["commands"].get(s) for s in job["steps"] if isinstance(s, str)],
            ]
        )
        has |= {"cache"} if "restore_cache" in steps or "docker_layer_caching" in machine else set()
    return found


def circleci_entries(document: dict) -> Iterator[tuple[str, dict]]:
    """Each job of each workflow, with what the workflow gives it."""
    for entry in (entry for flow in document["workflows"].values() for entry in flow["jobs"]):
        name, given = next(iter(entry.items())) if isinstance(entry, dict) else (entry, {})
        if given.get("type") != "approval":
            yield name, given


def read_azure(text: str) -> Access:
    document = yaml.safe_load(text)
    found: Access = {}
    for stage, job in ((each, job) for each in document["stages"] for job in each["jobs"]):
        name = (job.get("job") or job["deployment"]).replace("_success", "").replace("_failure", "")
        variables = [*document["variables"], *stage.get("variables", []), *job.get("variables", [])]
        has = found.setdefault(name, set())
        has |= given_by(each["group"] for each in variables if "group" in each)
        steps = yaml.safe_dump(job)
        has |= given_by(re.findall(r"\$\((\w+)\)", steps))
        has |= {f"role {each}" for each in re.findall(r"azureSubscription: aws-(\w+)", steps)}
        has |= {"cache"} if "task: Cache@" in steps else set()
    return found


def read_jenkins(text: str) -> Access:
    """By its braces, as pipeline_readers reads it: a stage has what stands in it, and all have what stands above."""
    found: Access = {}
    blocks: list[str] = []
    everywhere: set[str] = set()
    for line in map(str.strip, text.splitlines()):
        stages = [block for block in blocks if block.startswith("stage(")]
        if "matrix" in blocks and stages:
            stages = [b for b in blocks[: blocks.index("matrix")] if b.startswith("stage(")]
        credentials = re.findall(r'(?:credentials\(|credentialsId: )"([\w-]+)"', line)
        has = given_by(credentials)
        has |= {f"role {each[4:]}" for each in credentials if each.startswith("aws-")}
        agent = re.search(r"(?:agent \{ label |node\()(.*?)(?: \}|\) \{)$", line)
        has |= {"cache"} if agent and agent[1] not in TRUSTED else set()
        job = stages[-1].split('"')[1] if stages else "notify"
        if not stages and "post" not in blocks:
            everywhere |= has
        elif has or re.match('sh "', line):
            found.setdefault(job, set()).update(has)
        if line.endswith("{"):
            blocks.append(line.split()[0])
        elif line == "}":
            blocks.pop()
    return {job: has | everywhere for job, has in found.items()}


READERS = {
    "github": read_github,
    "gitlab": read_gitlab,
    "jenkins": read_jenkins,
    "circleci": read_circleci,
    "azure": read_azure,
}


@cache
def read(system: str, text: str) -> Access:
    return READERS[system](text)
