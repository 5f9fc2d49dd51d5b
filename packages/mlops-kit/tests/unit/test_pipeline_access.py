"""The rights of jobs: no role beside a cache that others write, no secret where it is not needed (docs/security.md)."""

import re
from typing import Optional

import pytest
import yaml

from mlops_kit.ci.pipelines import switch

from . import pipeline_readers
from .pipeline_access import READERS, circleci_entries, read
from .pipeline_readers import ROOT, texts

TEXTS = {profile: texts(profile) for profile in switch.PROFILES}
each_text = pytest.mark.parametrize(
    ("profile", "system"), [(p, s) for p in switch.PROFILES for s in READERS]
)
# Anyone who opens a pull request controls what these run.
CHECKS = {"gates", "lint", "container"}


def problems(system: str, text: str) -> list[str]:
    """Return the excess rights of the jobs, one sentence each."""
    commands = pipeline_readers.read(system, text).commands
    wrong = []
    for job, has in read(system, text).items():
        calls = commands.get(job, [])
        sends = any(re.match("make (notify|ci-report)", call) for call in calls)
        if "cache" in has and has != {"cache"}:
            wrong.append(f"{job} restores what others write, and has {sorted(has - {'cache'})}")
        if job in CHECKS and has - {"cache"}:
            wrong.append(f"{job} runs anybody's code, and has {sorted(has - {'cache'})}")
        if "make image-scan" in calls and job not in CHECKS and has:
            wrong.append(f"{job} scans what it can give {sorted(has)} to")
        if job == "docs" and has - {"cache", "identity"}:
            wrong.append(f"{job} builds a site, and has {sorted(has)}")
        if "notices" in has and not sends:
            wrong.append(f"{job} sends nothing, and has the notices' secrets")
        if "database" in has and not {"make train", "make retrain"} & set(calls):
            wrong.append(f"{job} trains nothing, and has the database")
    return wrong


@each_text
def test_no_job_can_read_more_than_it_needs(profile, system):
    assert problems(system, TEXTS[profile][system]) == []


@each_text
def test_everything_that_is_pushed_was_scanned_before(profile, system):
    jobs = list(pipeline_readers.read(system, TEXTS[profile][system]).commands)
    text = TEXTS[profile][system]
    for job in {"staging", "publish"} & set(jobs):
        assert jobs.index("scan") < jobs.index(job)
        if system == "github":
            deploy = list(yaml.safe_load_all(text))[-1]
            assert deploy["jobs"][job]["needs"] == ["scan"]
        if system == "circleci":
            entries = circleci_entries(yaml.safe_load(text))
            assert {tuple(given["requires"]) for name, given in entries if name == job} == {
                ("scan",)
            }
        if system == "azure":
            stages = {stage["stage"]: stage for stage in yaml.safe_load(text)["stages"]}
            assert stages[job]["dependsOn"] == ["scan"]


@pytest.mark.parametrize("profile", switch.PROFILES)
def test_github_hands_notices_secrets_to_steps_that_send(profile):
    for flow in yaml.safe_load_all(TEXTS[profile]["github"]):
        assert not re.search("SLACK|SMTP|GITHUB_TOKEN", str(flow.get("env")))
        for job in flow["jobs"].values():
            assert not re.search("SLACK|SMTP|GITHUB_TOKEN", str(job.get("env")))
            for step in job.get("steps", ()):
                sends = re.match("make (notify|ci-report)", step.get("run", ""))
                assert bool(sends) == ("SLACK_WEBHOOK_URL" in step.get("env", ()))


@pytest.mark.parametrize("profile", switch.PROFILES)
def test_steps_that_read_rows_and_no_others_have_the_database(profile):
    """On GitHub and Azure, where a secret is handed to a step; the address is of a database that `sql:` names."""
    flows = yaml.safe_load_all(TEXTS[profile]["github"])
    stages = yaml.safe_load(TEXTS[profile]["azure"])["stages"]
    jobs = [
        *(job for flow in flows for job in flow["jobs"].values()),
        *(job for stage in stages for job in stage["jobs"]),
    ]
    reading = set()
    for job in jobs:
        assert "DATABASE_URL" not in job.get("env", ())
        for step in job.get("steps", ()):
            called = step.get("run", step.get("script")) or step.get("inputs", {}).get(
                "inlineScript", ""
            )
            reads = called in ("make train", "make validate", "make retrain")
            assert reads == ("DATABASE_URL" in step.get("env", ()))
            reading |= {called} if reads else set()
    assert {"make train", "make validate"} <= reading


@pytest.mark.parametrize("profile", switch.PROFILES)
def test_checks_tell_nobody_of_a_branch_that_is_not_protected(profile):
    """GitHub and Azure by the event, GitLab by the kind of pipeline, CircleCI and Jenkins by the branch's name."""
    flows = yaml.safe_load(TEXTS[profile]["circleci"])["workflows"]
    notifications = [each["notify"] for each in flows["ci"]["jobs"] if "notify" in each]
    assert len(notifications) == 2
    for given in notifications:
        assert given["filters"] == {"branches": {"only": ["main", "develop"]}}
    jenkins = TEXTS[profile]["jenkins"].partition("\n    post {")[2]
    ask = 'if (env.BRANCH_NAME in ["main", "develop"] && params.PIPELINE != "docs") {'
    assert jenkins.count("make notify") == jenkins.count(ask) == 2
    gitlab = yaml.safe_load(TEXTS[profile]["gitlab"])
    for job in ("notify-success", "notify-failure"):
        never = {"if": '$CI_PIPELINE_SOURCE == "merge_request_event"', "when": "never"}
        assert gitlab[job]["rules"][0] == never
    github = next(yaml.safe_load_all(TEXTS[profile]["github"]))["jobs"]["notify"]["if"]
    assert 'contains(fromJSON(\'["push", "schedule"]\'), github.event_name)' in github
    for stage in yaml.safe_load(TEXTS[profile]["azure"])["stages"]:
        if stage["stage"] in ("succeeded", "failed"):
            assert "ne(variables['Build.Reason'], 'PullRequest')" in stage["condition"]


def test_templates_own_workflow_reads_nothing():
    """It runs the code of pull requests."""
    (job,) = yaml.safe_load((ROOT / ".github/workflows/template.yml").read_text())["jobs"].values()
    assert job["permissions"] == {"contents": "read"}
    assert not re.search(r"secrets\.|cache@|environment", yaml.safe_dump(job))


FULL = TEXTS["full"]
CACHE = "      - uses: actions/cache@55cc8345863c7cc4c66a329aec7e433d2d1c52a9\n"
MUTATIONS = [
    ("github", "      - run: make train\n", f"{CACHE}      - run: make train\n", "train restores"),
    (
        "github",
        "      contents: read # the checkout\n    strategy",
        "      contents: read\n      id-token: write\n    strategy",
        "gates runs anybody's code",
    ),
    ("github", "      - run: make push\n", "      - run: make image-scan\n", "staging scans"),
    (
        "github",
        "      - run: make quality-gates\n",
        "      - run: make quality-gates\n        env: {SMTP_URL: '${{ secrets.SMTP_URL }}'}\n",
        "gates runs anybody's code",
    ),
    ("gitlab", "  cache: []\n", "", "monitor restores"),
    (
        "gitlab",
        "scan:\n  stage: scan\n",
        "scan:\n  stage: scan\n  environment: staging\n  id_tokens: *identity\n",
        "scan scans",
    ),
    ("gitlab", "container:\n", "container:\n  environment: notices\n", "container runs"),
    ("circleci", "      - lint\n", "      - lint: {context: notices}\n", "lint runs"),
    ("circleci", "      - docs\n", "      - docs: {context: training}\n", "docs builds a site"),
    (
        "circleci",
        "      - scan: {requires: [train]}",
        "      - scan: {context: staging}",
        "scan scans",
    ),
    (
        "circleci",
        "    steps:\n      - checkout\n      - run: {command: make train,",
        "    steps:\n      - begin\n      - run: {command: make train,",
        "train restores",
    ),
    (
        "circleci",
        "image: << parameters.image >>}",
        "image: << parameters.image >>, docker_layer_caching: true}",
        "staging restores",
    ),
    (
        "jenkins",
        '        PYTHON = "python3.14"\n',
        '        PYTHON = "python3.14"\n        SMTP_URL = credentials("smtp-url")\n',
        "gates runs",
    ),
    (
        "jenkins",
        '            agent { label "trusted" }\n            options {\n                lock("deploy")\n                timeout(time: 90',
        '            agent { label "docker" }\n            options {\n                lock("deploy")\n                timeout(time: 90',
        "staging restores",
    ),
    (
        "gitlab",
        "  environment: {name: training, action: access}\n",
        "  environment: {name: training/data, action: access}\n",
        "export trains nothing",
    ),
    (
        "circleci",
        "      - export: {context: training}\n",
        "      - export: {context: [training, database]}\n",
        "export trains nothing",
    ),
    (
        "jenkins",
        '        PYTHON = "python3.14"\n',
        '        PYTHON = "python3.14"\n        DATABASE_URL = credentials("database-url")\n',
        "scan trains nothing",
    ),
    ("azure", "variables:\n", "variables:\n  - group: notices\n", "gates runs"),
    (
        "azure",
        "          - script: make image-scan\n",
        "          - script: make image-scan\n          - task: AzureCLI@2\n            inputs: {azureSubscription: aws-staging, inlineScript: make push}\n",
        "container runs",
    ),
]


@pytest.mark.parametrize(("system", "old", "new", "sentence"), MUTATIONS)
def test_a_job_that_can_read_more_is_noticed(system, old, new, sentence):
    assert old in FULL[system]
    assert any(
        problem.startswith(sentence)
        for problem in problems(system, FULL[system].replace(old, new, 1))
    )


# --- docs/security.md ----------------------------------------------------------------------------------

# What has a word of something that a profile leaves out goes with it: hooks/leave_out.
JOBS = {
    "gates": "",
    "coverage": "",
    "lint": "",
    "container": "the image",
    "monitor": "the service",
    "train": "",
    "export": "for the service",
    "scan": "the image",
    "staging": "",
    "production": "",
    "publish": "the image, where there is no AWS",
    "docs": "",
    "notify": "",
    "cost": "",
}


def table() -> str:
    systems = ("github", "gitlab", "jenkins", "circleci", "azure")
    lines = ["| job | GitHub | GitLab | Jenkins | CircleCI | Azure |", "|---|---|---|---|---|---|"]
    for job, note in JOBS.items():
        profile = "service" if job == "publish" else "full"
        cells = [secrets(read(system, TEXTS[profile][system]).get(job)) for system in systems]
        name = f"`{job}`" + (f" ({note})" if note else "")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def secrets(has: Optional[set[str]]) -> str:
    if has is None:
        return "no such job"
    return ", ".join(sorted(each for each in has if not each.startswith("role "))) or "–"


def roles() -> str:
    """The same on each system; a paragraph of its own, because not every project has them."""
    by_role: dict[str, list[str]] = {}
    for job, has in read("github", FULL["github"]).items():
        for each in (each for each in has if each.startswith("role ")):
            by_role.setdefault(each[5:], []).append(f"`{job}`")
    return "; ".join(f"{each} for {', '.join(jobs)}" for each, jobs in by_role.items())


@pytest.mark.parametrize("system", READERS)
def test_each_system_gives_roles_to_the_same_jobs(system):
    wanted, found = (
        {
            job: {each for each in has if each.startswith("role ")}
            for job, has in read(s, FULL[s]).items()
        }
        for s in ("github", system)
    )
    assert {job: has for job, has in found.items() if has} == {
        job: has for job, has in wanted.items() if has
    }


def test_security_guide_lists_the_rights_of_each_job():
    guide = (ROOT / "docs/security.md").read_text(encoding="utf-8")
    assert table() in guide, f"\n{table()}"
    assert f"The roles in AWS: {roles()}." in guide, roles()
