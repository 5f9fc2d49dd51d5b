"""GitHub's workflows and the code of strangers: what starts a workflow, what a token is for, and whose caches are restored."""

import re
from collections.abc import Iterator

import pytest
import yaml

from mlops_kit.ci.pipelines import switch

from .pipeline_readers import ROOT, texts

# Others, like pull_request_target and workflow_run, give the rights of the default branch to what a stranger wrote.
EVENTS = {
    *("push", "pull_request", "merge_group", "schedule"),
    *("workflow_dispatch", "workflow_call"),
}
# Steps that need an identity token; a call passes the right on.
SIGNS = re.compile(
    r"use_oidc|aws-actions/configure-aws-credentials@|actions/(attest|deploy-pages)@|'uses': '\./"
)
# GitHub gives a fork's pull request no such token, so what needs one could only fail.
OURS = "github.event.pull_request.head.repo.full_name == github.repository"

TEXTS = {profile: texts(profile)["github"] for profile in switch.PROFILES}
# Of this repository alone: it does not ship, and another CI system's pipeline has none.
TEMPLATE = ROOT / ".github/workflows/template.yml"
OWN = {"template": TEMPLATE.read_text(encoding="utf-8")} if TEMPLATE.is_file() else {}


def problems(text: str) -> Iterator[str]:
    """Yield what a stranger could use, one sentence each."""
    for flow in yaml.safe_load_all(text):
        events = set(flow[True])  # YAML reads `on` as true
        if events - EVENTS:
            yield f"{flow['name']} starts by {sorted(events - EVENTS)}"
        for name, job in flow["jobs"].items():
            if (job.get("permissions") or {}).get("id-token") != "write":
                continue
            if not SIGNS.search(str(job)):
                yield f"{name} needs no identity token"
            if "pull_request" in events and OURS not in str(job.get("if")):
                yield f"{name} asks for an identity token for anybody's pull request"
            if "pull_request" in events and re.search(r"'run':|actions/cache@", str(job)):
                yield f"{name} runs a pull request's code or cache beside an identity token"


def cache_keys(text: str, of_strangers: bool) -> set[str]:
    """Return how the keys begin, in workflows that do or do not run for pull requests, up to the first expression."""
    flows = [f for f in yaml.safe_load_all(text) if ("pull_request" in f[True]) == of_strangers]
    steps = [step for f in flows for job in f["jobs"].values() for step in job.get("steps", ())]
    given = [step["with"] for step in steps if "actions/cache@" in step.get("uses", "")]
    keys = [
        key for each in given for key in (each["key"], *each.get("restore-keys", "").splitlines())
    ]
    return {key.partition("$")[0] for key in keys}


@pytest.mark.parametrize("text", [*TEXTS.values(), *OWN.values()], ids=[*TEXTS, *OWN])
def test_strangers_start_nothing_that_has_rights(text):
    assert list(problems(text)) == []


@pytest.mark.parametrize("profile", switch.PROFILES)
def test_caches_of_pull_requests_have_keys_of_their_own(profile):
    """GitHub keeps a fork's caches from other branches; where that fails, no key of theirs begins another's."""
    strangers, ours = (cache_keys(TEXTS[profile], of_strangers) for of_strangers in (True, False))
    assert strangers
    assert "" not in strangers | ours
    assert [(a, b) for a in strangers for b in ours if a.startswith(b) or b.startswith(a)] == []


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("  pull_request: {", "  pull_request_target: {", "ci starts by ['pull_request_target']"),
        ("  merge_group:\n", "  workflow_run: {workflows: [x]}\n", "ci starts by ['workflow_run']"),
        (
            "    permissions:\n      contents: read # the checkout\n    strategy:",
            "    permissions: {id-token: write}\n    strategy:",
            "gates needs no identity token",
        ),
        (f" && ({OURS}", " && (true", "coverage asks for an identity token for anybody's"),
        ("{files: reports/coverage.xml, use_oidc: true}", "{}", "coverage needs no identity token"),
        (
            "      - uses: codecov/codecov-action@",
            "      - run: make test\n      - uses: codecov/codecov-action@",
            "coverage runs a pull request's code",
        ),
    ],
)
def test_a_way_in_is_noticed(old, new, sentence):
    assert old in TEXTS["full"]
    changed = TEXTS["full"].replace(old, new, 1)
    assert any(problem.startswith(sentence) for problem in problems(changed))
