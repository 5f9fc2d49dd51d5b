"""Five CI systems run the same pipeline: the same make commands in the same order, with the same variables."""

import base64
import json
import os
import re
import shutil
from collections import Counter
from pathlib import Path

import pytest
import yaml
from botocore.exceptions import ClientError

from mlops_kit.ci import oidc
from mlops_kit.ci.pipelines import makefile_lint, summary, switch
from mlops_kit.core.errors import UserError
from mlops_kit.delivery.deploy.settings import load_deploy

from .pipeline_readers import READERS, ROOT, joined, not_for, read, texts

TEXTS = {profile: texts(profile) for profile in switch.PROFILES}
FULL = TEXTS["full"]
SYSTEMS = sorted(READERS)
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
# Those that a generated project has, too.
RULES = [
    MAKEFILE,
    *(file.read_text() for file in (ROOT / "packages/mlops-kit/src/mlops_kit/make").glob("*.mk")),
]
TARGETS = set(re.findall(r"^([a-z][a-z-]*):", "\n".join(RULES), re.M))
PYTHONS = re.search(r"^PYTHONS := (.*)", MAKEFILE, re.M)[1].split()[::-1]

# In the order in which they run; `export` takes the place of `train` where a registered model is deployed or published.
BEFORE, AFTER = ["gates", "lint"], ["docs", "cost", "notify"]
TO_SCAN = ["container", "monitor", "train", "export", "scan"]
JOBS = {
    "full": [*BEFORE, *TO_SCAN, "staging", "production", *AFTER],
    "service": [*BEFORE, *TO_SCAN, "publish", *AFTER],
    "model": [*BEFORE, "train", *AFTER],
}
# What a pipeline can be started for, beside the schedule, and sends its status of.
STARTED_FOR = {
    "full": ("ci", "train", "deploy", "monitor"),
    "service": ("ci", "train", "publish", "monitor"),
    "model": ("ci", "train"),
}

# An image's provenance is GitHub's own, and beside a deployment GitHub Packages: docs/ci-portability.md. Only there an action
# asks for the role, before make does.
GITHUBS_OWN = {
    "full": {"make ci-outputs", "make image-push", "make ci-identity"},
    "service": {"make ci-outputs"},
    "model": set(),
}

# --- What is held against each other -----------------------------------------------------------------


def problems(profile: str, found: dict[str, str]) -> list[str]:
    """Return the problems of a profile's pipelines in these texts, one sentence each."""
    pipelines = {system: read(system, text) for system, text in found.items()}
    wrong = []
    for system, pipeline in pipelines.items():
        wrong += [
            f"{system}: {sentence}"
            for sentence in (
                *_bad_commands(pipeline.commands),
                *_bad_order(pipeline.commands, JOBS[profile]),
                *([] if pipeline.pythons == PYTHONS else [f"Pythons {pipeline.pythons}"]),
            )
        ]
    for job in JOBS[profile]:
        compared = {
            s: _comparable(p.commands.get(job, []), GITHUBS_OWN[profile])
            for s, p in pipelines.items()
        }
        wrong += _differences(job, compared)
    for job in JOBS[profile]:
        wanted = {k: v for p in pipelines.values() for k, v in p.variables.get(job, {}).items()}
        for system, pipeline in pipelines.items():
            given = {**pipeline.shared, **pipeline.variables.get(job, {})}
            wrong += [
                f"{system}: {job} is not given {name}" for name in wanted if name not in given
            ]
            if given.get("ENV") != wanted.get("ENV"):
                wrong.append(f"{system}: {job} has ENV {given.get('ENV')}")
    return wrong + _bad_rights(found["github"])


def _bad_commands(commands: dict[str, list[str]]) -> list[str]:
    wrong = []
    for command in (command for job in commands.values() for command in job):
        words = command.split(" ")
        if not re.fullmatch(r"make( [a-z-]+)+( (STATUS|WHAT)=[a-z]+)*", command):
            wrong.append(f"{command!r} is more than make and its targets")
        wrong += [f"no target {w}" for w in words[1:] if "=" not in w and w not in TARGETS]
    return wrong


def _bad_order(commands: dict[str, list[str]], jobs: list[str]) -> list[str]:
    last = {*AFTER}  # wherever a system has them
    order = [job for job in commands if job not in last]
    wanted = [job for job in jobs if job not in last]
    return [] if order == wanted else [f"the order of jobs is {order}"]


def _comparable(commands: list[str], githubs_own: set[str]) -> list[str]:
    return [c for c in commands if c not in githubs_own and not c.startswith("make notify")]


def _differences(job: str, commands: dict[str, list[str]]) -> list[str]:
    (most, _), *_ = Counter(map(tuple, commands.values())).most_common()
    wanted = list(most)
    return [f"{s}: {job} calls {c}, most {wanted}" for s, c in commands.items() if c != wanted]


def notices(commands: dict[str, list[str]]) -> set[str]:
    return {c for job in commands.values() for c in job if c.startswith("make notify")}


# A job that can write something here can do harm; each line has the reason for it.
RIGHTS = {
    ("coverage", "id-token"),  # codecov knows the repository by it
    ("docs", "id-token"),  # as GitHub Pages does
    ("docs", "pages"),
    ("monitor", "id-token"),  # the role in AWS
    ("train", "id-token"),
    ("deploy", "id-token"),  # the call of the other workflow
    ("deploy", "attestations"),
    ("deploy", "packages"),
    ("export", "id-token"),
    ("staging", "id-token"),
    ("staging", "attestations"),  # the image's provenance
    ("staging", "packages"),  # GitHub Packages, as an option
    ("production", "id-token"),
    ("publish", "id-token"),  # as of staging
    ("publish", "attestations"),
    ("publish", "packages"),
}


def _bad_rights(text: str) -> list[str]:
    wrong, writes = [], set()
    for workflow in yaml.safe_load_all(text):
        if workflow.get("permissions") != {}:
            wrong.append("github: a workflow has rights for all its jobs")
        for name, job in workflow["jobs"].items():
            if "permissions" not in job:
                wrong.append(f"github: {name} has the rights that the repository gives")
            rights = job.get("permissions") or {}
            writes |= {(name, what) for what, how in rights.items() if how != "read"}
    wrong += [f"github: {job} may write {what}" for job, what in sorted(writes - RIGHTS)]
    return wrong + _more_than_the_caller(text)


def _more_than_the_caller(text: str) -> list[str]:
    """Return the rights that exceed the caller's: GitHub does not start such a workflow."""
    flows = list(yaml.safe_load_all(text))
    calls = [job for flow in flows for job in flow["jobs"].values() if "uses" in job]
    given = {right for call in calls for right in call.get("permissions", {}).items()}
    called = [flow for flow in flows if "workflow_call" in flow[True]]  # YAML reads "on" so
    jobs = [job for flow in called for job in flow["jobs"].values()]
    asked = {right for job in jobs for right in job["permissions"].items()}
    return [f"github: the call of a workflow lacks {right}" for right in sorted(asked - given)]


# --- They agree, and this would notice if they did not ----------------------------------------------

each_profile = pytest.mark.parametrize("profile", switch.PROFILES)
each_system = pytest.mark.parametrize("system", SYSTEMS)


@each_profile
def test_they_call_the_same_targets_in_the_same_order_with_the_same_variables(profile):
    assert problems(profile, TEXTS[profile]) == []


@each_profile
@each_system
def test_each_pipeline_sends_its_status(profile, system):
    sent = notices(read(system, TEXTS[profile][system]).commands)
    wanted = {(s, w) for s in ("success", "failure") for w in STARTED_FOR[profile]}
    assert sent == {f"make notify STATUS={status} WHAT={what}" for status, what in wanted}


@each_profile
@each_system
def test_a_profile_differs_from_the_whole_only_in_what_it_leaves_out(profile, system):
    """The jobs that profiles have in common call the same, but for what the others have no target for."""
    of_aws = {"make infra-check", "make ci-identity"}
    left_out = {"model": {*of_aws, "make export"}, "service": of_aws}
    whole, part = (read(system, TEXTS[name][system]).commands for name in ("full", profile))
    for job in set(JOBS[profile]) - {"publish", "notify"}:
        wanted = [c for c in whole[job] if c not in left_out.get(profile, ())]
        assert [c for c in part[job] if "notify" not in c] == [
            c for c in wanted if "notify" not in c
        ]


@each_system
def test_without_aws_nothing_speaks_of_it(system):
    for profile in ("service", "model"):
        text = TEXTS[profile][system]
        assert not re.search(r"\bAWS|\baws|REGION|terraform|infra|staging|production", text, re.I)


@each_system
def test_without_a_service_nothing_speaks_of_it(system):
    assert not re.search(
        r"\bDocker\b|image-|make (image|export)|artifacts/model|monitor|deploy(?!-pages@)",
        TEXTS["model"][system],
    )


MUTATIONS = [
    (system, *change)
    for system in SYSTEMS
    for change in (
        ("make validate", "make validated"),
        ("make retrain", "make monitor"),
        ("make image-scan", "make image-test"),
        ("make quality-gates", "pytest"),
        ("make deploy", "make deploy || true"),
        ("make install", "make install; curl x"),
    )
] + [
    ("github", "      ENV: staging\n", ""),
    ("github", "      SET: ${{ inputs.set }}\n", ""),
    ("github", "contents: read", "contents: write"),
    ("github", "permissions: {}", "permissions: {contents: write}"),
    ("github", "permissions: {}", "permissions: write-all"),
    ("github", "      packages: write", "      packages: read"),
    ("gitlab", "    ENV: production\n", "    ENV: staging\n"),
    ("gitlab", '  MODEL:\n    value: ""\n', '  X:\n    value: ""\n'),
    ("jenkins", 'ENV = "production"', 'ENVIRONMENT = "production"'),
    ("jenkins", 'name: "CONFIG"', 'name: "CONFIGURATION"'),
    ("circleci", "      ENV: staging\n", "      ENVIRONMENT: staging\n"),
    ("circleci", "      CONFIG: <<", "      CONFIGS: <<"),
    ("azure", "name: ENV,", "name: ENVIRONMENT,"),
    ("azure", "name: MODEL,", "name: MODELS,"),
]


@pytest.mark.parametrize(("system", "old", "new"), MUTATIONS)
def test_a_change_in_one_of_them_is_noticed(system, old, new):
    assert old in FULL[system]
    assert noticed(system, FULL[system].replace(old, new, 1))


@pytest.mark.parametrize("system", SYSTEMS)
def test_other_pythons_are_noticed(system):
    listed = ", ".join(f'"{version}"' for version in PYTHONS)
    assert noticed(system, FULL[system].replace(listed, '"2.7"'))


def noticed(system: str, changed: str) -> bool:
    """Whether problems() reports this system when its text is the changed one."""
    return any(
        wrong.startswith(f"{system}: ") for wrong in problems("full", {**FULL, system: changed})
    )


def test_a_renamed_target_is_noticed(monkeypatch):
    monkeypatch.setattr(f"{__name__}.TARGETS", TARGETS - {"validate"})
    assert {wrong.partition(": ")[0] for wrong in problems("full", FULL)} == set(SYSTEMS)


def test_production_takes_what_somebody_has_approved():
    """On GitHub by a run of its own, because not every plan has required reviewers; elsewhere by the CI system."""
    for system in set(SYSTEMS) - {"github"}:
        assert read(system, FULL[system]).variables["production"]["APPROVE"] == "pipeline", system
    *_, deploy = yaml.safe_load_all(FULL["github"])
    production, asked = deploy["jobs"]["production"], "${{ inputs.approve }}"
    assert production["if"] == "${{ inputs.approve != '' }}"
    assert (production["env"]["APPROVE"], production["env"]["IMAGE_TAG"]) == (asked, asked)
    for name in ("export", "staging"):
        assert "inputs.approve == ''" in deploy["jobs"][name]["if"], name
    assert load_deploy("production").approval


def test_a_job_whose_role_is_refused_names_the_subject_to_trust():
    asked = 0
    for workflow in yaml.safe_load_all(FULL["github"]):
        for name, job in workflow["jobs"].items():
            steps = job.get("steps", [])
            for step, then in zip(steps, steps[1:]):
                if "configure-aws-credentials" in step.get("uses", ""):
                    asked += 1
                    assert step["id"] == "aws", name
                    condition = "${{ failure() && steps.aws.outcome == 'failure' }}"
                    assert then == {"run": "make ci-identity", "if": condition}, name
    assert asked == 5


@pytest.mark.parametrize("profile", switch.PROFILES)
def test_workflows_call_each_other_on_any_github(profile):
    """`$/` is a path on github.com only."""
    assert "uses: $" not in TEXTS[profile]["github"]


@pytest.mark.parametrize("system", SYSTEMS)
def test_no_expression_of_the_ci_system_is_inside_of_a_command(system):
    """What a user typed into an input or named a branch would be run there."""
    for commands in read(system, FULL[system]).commands.values():
        assert not [command for command in commands if re.search(r"[$<{%]", command)]


@pytest.mark.parametrize("system", SYSTEMS)
def test_each_gives_make_the_python_and_the_folder_that_is_kept(system):
    assert "CI_CACHE" in FULL[system]
    assert len(re.findall(r"\bPYTHON\b", FULL[system])) >= 2 - (system == "circleci")
    assert "\n/.cache/" in f"\n/{(ROOT / '.gitignore').read_text().replace(chr(10), chr(10) + '/')}"


@each_profile
def test_site_is_published_from_main_and_only_where_it_is_wanted(profile):
    flows = {flow["name"]: flow for flow in yaml.safe_load_all(TEXTS[profile]["github"])}
    workflow = flows["docs"]
    assert workflow[True]["push"] == {"branches": ["main"]}  # YAML reads "on" so
    job = workflow["jobs"]["docs"]
    assert job["if"] == "${{ vars.DOCS == 'true' }}"
    assert job["permissions"] == {"contents": "read", "pages": "write", "id-token": "write"}
    pages = yaml.safe_load(TEXTS[profile]["gitlab"])["pages"]
    (rule,) = pages["rules"]
    assert rule["if"].startswith('$DOCS == "true" && ')
    assert rule["if"].endswith("$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH")
    folders = {pages["pages"]["publish"], job["steps"][-2]["with"]["path"]}
    assert folders == {"reports/docs"}  # of the kit's make/docs.mk
    assert "| `DOCS` |" in (ROOT / "docs/ci-portability.md").read_text(encoding="utf-8")


@each_profile
def test_other_systems_build_the_site_when_it_is_asked_for(profile):
    """That it sends no notice: test_each_pipeline_sends_its_status, which reads these conditions."""
    for system in SYSTEMS:
        assert read(system, TEXTS[profile][system]).commands["docs"] == ["make docs"]
    values = [*STARTED_FOR[profile], "docs"]
    circleci, azure = (yaml.safe_load(TEXTS[profile][name]) for name in ("circleci", "azure"))
    assert circleci["parameters"]["pipeline"]["enum"] == values
    asked = {"equal": ["docs", "<< pipeline.parameters.pipeline >>"]}
    assert circleci["workflows"]["docs"] == {"when": asked, "jobs": ["docs"]}
    kept = {"store_artifacts": {"path": "reports/docs", "destination": "docs"}}
    assert circleci["jobs"]["docs"]["steps"][-1] == kept
    jenkins = TEXTS[profile]["jenkins"]
    assert f"choices: {json.dumps(values)}" in jenkins
    stage = jenkins.partition('stage("docs") {')[2].partition("        stage(")[0]
    assert 'equals expected: "docs", actual: params.PIPELINE' in stage
    assert 'archiveArtifacts artifacts: "reports/docs/**"' in stage
    assert azure["parameters"][0]["values"] == values
    stages = {each["stage"]: each for each in azure["stages"]}
    asked = "or(eq('${{ parameters.pipeline }}', 'docs'), eq(variables.SCHEDULE, 'docs'))"
    assert stages["docs"]["condition"] == asked
    kept = {"publish": "reports/docs", "artifact": "docs"}
    assert stages["docs"]["jobs"][0]["steps"][-1] == kept
    for name in ("check", "succeeded", "failed"):  # a schedule leaves the parameter at "ci"
        assert "docs" in not_for(stages[name]["condition"], "variables.SCHEDULE"), name


def test_every_secret_and_variable_is_documented():
    guide = (ROOT / "docs/ci-portability.md").read_text(encoding="utf-8")
    workflows = "".join(TEXTS[profile]["github"] for profile in switch.PROFILES)
    names = set(re.findall(r"(?:secrets|vars)\.(\w+)", workflows))
    assert {"SLACK_WEBHOOK_URL", "AWS_ROLE_ARN"} <= names
    assert [name for name in sorted(names) if f"`{name}`" not in guide] == []


# --- Switching ---------------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project on GitHub with two Pythons, in another region."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(switch.FOLDER, "systems")
    monkeypatch.setattr(switch, "FOLDER", tmp_path / "systems")
    Path("Makefile").write_text(
        "PYTHONS := 3.12 3.11\nPROFILE := full\nexport PROJECT_REGION := us-east-2\nall:\n"
    )
    switch.switch("github")


def pipeline_files():
    files = {path for path in Path().rglob("*") if path.is_file()}
    return files - {Path("Makefile"), *Path("systems").rglob("*")}


def test_only_one_pipeline_is_in_place(project):
    for system in ("gitlab", "azure", "circleci", "jenkins", "github"):
        placed = switch.switch(system)
        assert pipeline_files() == set(placed) == set(switch.pipeline(system, "full"))
    assert {path.name for path in Path().iterdir()} == {".github", "Makefile", "systems"}


@pytest.mark.parametrize("system", SYSTEMS)
def test_pipeline_has_the_makefiles_pythons_and_region(project, system):
    text = joined(switch.pipeline(system, "full"))
    assert read(system, text).pythons == ["3.11", "3.12"]
    assert '"3.9"' not in text
    assert "REGION'" not in text
    assert ("us-east-2" in text) == (system == "github")


def test_root_workflows_are_what_the_kit_writes(monkeypatch):
    monkeypatch.chdir(ROOT)
    wanted = switch.pipeline("github", "full")
    here = {path: path.read_text(encoding="utf-8") for path in wanted}
    assert here == wanted, "git rm -r .github/workflows; make ci-switch TO=github"


def test_switching_forgets_nothing_else_in_the_folder(project):
    Path(".github/workflows/ours.yml").write_text("ours")
    switch.switch("jenkins")
    assert pipeline_files() == {Path("Jenkinsfile"), Path(".github/workflows/ours.yml")}


def test_unknown_system_is_refused_before_anything_is_written(project):
    with pytest.raises(UserError, match=r"TO is 'gitlabs'; accepted: github, .*mean 'gitlab'"):
        switch.switch("gitlabs")
    assert pipeline_files() == set(switch.pipeline("github", "full"))


@pytest.mark.parametrize("to", ["gitlab", "github"])
def test_edited_file_is_refused_before_anything_is_written(project, to):
    edited = Path(".github/workflows/train.yml")
    edited.write_text(edited.read_text() + "# ours\n")
    with pytest.raises(UserError, match=r"^\.github/workflows/train\.yml: .*: git rm \S+$"):
        switch.switch(to)
    assert edited.read_text().endswith("# ours\n")
    assert pipeline_files() == set(switch.pipeline("github", "full"))
    edited.unlink()  # as git rm does
    assert switch.switch(to)


def test_pipeline_is_the_profiles(project):
    text = Path("Makefile").read_text()
    Path("Makefile").write_text(text.replace("PROFILE := full", "PROFILE := service"))
    switch.switch("github")  # what is there was not edited, though it is of another profile
    assert pipeline_files() == set(switch.pipeline("github", "service"))
    assert Path(".github/workflows/publish.yml").exists()
    Path("Makefile").write_text(text.replace("PROFILE := full", "PROFILE := models"))
    with pytest.raises(UserError, match=r"^Makefile: PROFILE is 'models'; .* mean 'model'"):
        switch.switch("gitlab")


def test_makefile_without_a_variable_is_refused(project):
    Path("Makefile").write_text("all:\n")
    with pytest.raises(UserError, match="Makefile has no line PROFILE := …"):
        switch.switch("gitlab")


def test_kit_without_a_pipeline_is_a_sentence(project):
    shutil.rmtree(switch.FOLDER / "azure")
    with pytest.raises(UserError, match=r"^systems/azure/full has no files: git checkout"):
        switch.switch("gitlab")
    assert pipeline_files() == set(switch.pipeline("github", "full"))


# --- Outputs to the systems ---------------------------------------------------------------------------


@pytest.fixture
def reports(checkout, monkeypatch):
    for name in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT", "TF_BUILD"):
        monkeypatch.delenv(name, raising=False)
    checks = [{"name": "accuracy", "measured": "0.9", "threshold": ">= 0.8", "passed": True}]
    Path("reports").mkdir()
    Path("reports/validation.json").write_text(json.dumps({"passed": True, "checks": checks}))
    Path("reports/coverage.xml").write_text('<coverage line-rate="0.9312"/>')
    return checkout


def test_the_summary_is_appended_to_githubs(reports, monkeypatch):
    Path("page.md").write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "page.md")
    summary.show()
    page = Path("page.md").read_text()
    assert page.startswith("before\n## Validation\n\nThe model meets the thresholds.\n")
    assert "| accuracy | 0.9 | >= 0.8 | passed |" in page
    assert "through 93.1% of the lines" in page


def test_the_summary_is_attached_in_azure_and_printed_elsewhere(reports, monkeypatch, capsys):
    summary.show()
    assert "## Validation" in capsys.readouterr().out
    monkeypatch.setenv("TF_BUILD", "True")
    summary.show()
    wrong = capsys.readouterr().out
    assert wrong == f"##vso[task.uploadsummary]{reports}/reports/summary.md\n"


def test_image_is_passed_to_the_next_step(reports, monkeypatch):
    monkeypatch.setenv("GITHUB_OUTPUT", "outputs")
    Path("artifacts").mkdir()
    record = {"digest": "sha256:ab", "reference": "host/path/name@sha256:ab"}
    Path("artifacts/image.json").write_text(json.dumps(record))
    summary.outputs()
    assert Path("outputs").read_text() == "name=host/path/name\ndigest=sha256:ab\n"
    Path("artifacts/image.json").write_text(json.dumps({"digest": None, "reference": None}))
    with pytest.raises(UserError, match=r"image\.json has no digest: make push"):
        summary.outputs()


@pytest.mark.parametrize("variable", oidc.TOKENS)
def test_a_token_in_a_variable_becomes_the_file_that_boto3_reads(variable, monkeypatch):
    for name in (*oidc.TOKENS, "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/r")
    monkeypatch.setenv(variable, "the token")
    with oidc.token_file():
        path = Path(os.environ["AWS_WEB_IDENTITY_TOKEN_FILE"])
        assert path.read_text() == "the token"
        assert path.stat().st_mode & 0o077 == 0
    assert not path.exists()
    assert "AWS_WEB_IDENTITY_TOKEN_FILE" not in os.environ


def test_without_a_role_or_beside_credentials_a_token_is_left_alone(monkeypatch):
    monkeypatch.setenv("CIRCLE_OIDC_TOKEN_V2", "the token")
    for role, key in (("", ""), ("arn", "key")):
        monkeypatch.setenv("AWS_ROLE_ARN", role)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
        monkeypatch.delenv("AWS_WEB_IDENTITY_TOKEN_FILE", raising=False)
        with oidc.token_file():
            assert "AWS_WEB_IDENTITY_TOKEN_FILE" not in os.environ


CLAIMS = {
    "sub": "repo:o@1/r@2:environment:staging",
    "aud": "sts.amazonaws.com",
    "iss": "https://ci",
}


def token_of(claims: object) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{payload}.c2ln"


def refused(code: str = "AccessDenied") -> ClientError:
    return ClientError({"Error": {"Code": code}}, "AssumeRoleWithWebIdentity")


@pytest.mark.parametrize("hidden", [False, True])
def test_a_refused_role_names_the_subject_and_the_line_that_mends_it(monkeypatch, hidden):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    monkeypatch.delenv("AWS_WEB_IDENTITY_TOKEN_FILE", raising=False)
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/r")
    monkeypatch.setenv("CIRCLE_OIDC_TOKEN_V2", token_of(CLAIMS))
    raised = refused()
    if hidden:  # as a command has turned it into a sentence
        raised = UserError("AWS does not allow this")
        raised.__cause__ = refused()
    with pytest.raises(UserError) as error, oidc.token_file():
        raise raised
    wrong = str(error.value)
    assert 'subjects: ["repo:o@1/r@2:environment:staging"], then make infra-apply' in wrong
    assert "configs/infra/bootstrap.yaml" in wrong
    assert "arn:aws:iam::123456789012:role/r" in wrong
    assert "AWS_WEB_IDENTITY_TOKEN_FILE" not in os.environ


def test_other_errors_are_left_alone_and_so_is_what_is_no_token(monkeypatch):
    other = ClientError({"Error": {"Code": "AccessDenied"}}, "UpdateService")
    with pytest.raises(ClientError, match="UpdateService"), oidc.token_file():
        raise other
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "nowhere")
    monkeypatch.setenv("idToken", "no token")
    with pytest.raises(UserError, match="its subject is \\?"), oidc.token_file():
        raise refused()


def test_ci_identity_prints_the_subject(tmp_path, monkeypatch):
    for name in (*oidc.TOKENS, "AWS_WEB_IDENTITY_TOKEN_FILE", "ACTIONS_ID_TOKEN_REQUEST_URL"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UserError, match="this job has no identity token"):
        oidc.identity()
    (tmp_path / "token").write_text(token_of(CLAIMS))
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    assert "its subject is repo:o@1/r@2:environment:staging" in oidc.identity()


# --- The Makefile's lint -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (".PHONY: a\na:\n\t@echo $$x", "Makefile:3: SC2086"),
        (".PHONY: a\na:\n\t@true; \\\n\tcd x; \\\n\tls $(HERE)", "Makefile:4: SC2164"),
        ("a:\n\t@true", "Makefile:1: a is not .PHONY"),
        (".PHONY: a", "Makefile: a is .PHONY, but no target"),
        ("X != date", "Makefile:1: != assignment is not in GNU make 3.81"),
        ("X := 1 ", "Makefile:1: white space at the end"),
    ],
)
def test_the_makefiles_lint_finds(checkout, line, found):
    Path("Makefile").write_text(f"{line}\n")
    assert any(wrong.startswith(found) for wrong in makefile_lint.findings())


def test_the_makefiles_lint_knows_makes_expressions(checkout):
    recipe = '\t@for x in $(A) $(call f,$(B),c d); do \\\n\t    echo "$$x"; \\\n\tdone > $@\n'
    Path("Makefile").write_text(f".PHONY: a\na:\n{recipe}")
    assert makefile_lint.findings() == []
