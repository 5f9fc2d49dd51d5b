"""What runners cost, from GitHub's API as an HTTP server of this process answers it: pages, rate limits, faults."""

import json
import time
from datetime import datetime, timezone

import pytest

from mlops_kit.ci import github
from mlops_kit.ci.metrics import cost, github_jobs
from mlops_kit.ci.settings import load_ci_prices
from mlops_kit.core.errors import UserError

NOW = datetime(2026, 11, 16, tzinfo=timezone.utc)
PAGE = 2  # entries; GitHub gives 100


def job(name, started, seconds, *labels, **other):
    """A job in the words of GitHub's API: https://docs.github.com/en/rest/actions/workflow-jobs."""
    at = datetime.fromisoformat(f"{started}+00:00").timestamp()
    return {
        "id": 1,
        "name": name,
        "status": "completed",
        "conclusion": "success",
        "started_at": _moment(at),
        "completed_at": _moment(at + seconds),
        "labels": list(labels),
        "runner_name": "GitHub Actions 12",
        **other,
    }


def _moment(timestamp):
    return datetime.fromtimestamp(timestamp, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


# The newest first, as GitHub lists them: workflow, day of creation, jobs.
RUNS = [
    (
        "ci",
        "2026-11-15",
        [
            job("gates", "2026-11-15T10:00:00", 601, "ubuntu-24.04"),  # 11 started minutes
            job("gates", "2026-11-15T11:00:00", 60, "ubuntu-24.04"),  # a second attempt
            job("skipped", "2026-11-15T10:00:00", 0, conclusion="skipped", runner_name=None),
            job("runs", "2026-11-15T10:00:00", 0, "ubuntu-24.04", completed_at=None),
            job("waited", "2026-11-15T10:00:00", 90, "ubuntu-24.04", runner_name=""),
        ],
    ),
    (
        "train",
        "2026-11-14",
        [
            job("fit", "2026-11-14T10:00:00", 1, "self-hosted", "linux", "gpu-a10"),
            job("mac", "2026-11-14T10:00:00", 120, "macos-15"),
        ],
    ),
    ("train", "2026-11-13", [job("odd", "2026-11-13T10:00:00", 300, "big", "linux")]),
    ("ci", "2026-10-20", [job("gates", "2026-10-20T10:00:00", 6000, "ubuntu-24.04")]),
    ("ci", "2026-10-02", [job("gates", "2026-10-02T10:00:00", 600, "ubuntu-24.04")]),
    ("ci", "2026-09-30", [job("gates", "2026-09-30T10:00:00", 60000, "ubuntu-24.04")]),
]


@pytest.fixture
def api(endpoint, monkeypatch, checkout):
    """GitHub's API with RUNS, page by page; `endpoint.faults` are what it answers first."""
    endpoint.faults = []

    def answer(request):
        if endpoint.faults:
            return endpoint.faults.pop(0)
        assert request.headers["authorization"] == "Bearer token-of-github"
        place = request.path.partition("/repos/team/churn/actions/runs")[2]
        if place:
            key, entries = "jobs", RUNS[int(place.split("/")[1])][2]
        else:
            key, entries = "workflow_runs", [
                {"id": i, "name": name, "path": "x.yml", "created_at": f"{day}T09:00:00Z"}
                for i, (name, day, _) in enumerate(RUNS)
            ]
        page = int(request.query.get("page", 1))
        shown = entries[(page - 1) * PAGE : page * PAGE]
        following = f"{endpoint.url}{request.path}?per_page=100&filter=all&page={page + 1}"
        link = {"Link": f'<{following}>; rel="next"'} if page * PAGE < len(entries) else {}
        return 200, link, {"total_count": len(entries), key: shown}

    endpoint.answer = answer
    monkeypatch.setenv("GITHUB_API_URL", endpoint.url)
    monkeypatch.setenv("GITHUB_REPOSITORY", "team/churn")
    monkeypatch.setenv("GITHUB_TOKEN", "token-of-github")
    return endpoint


def jobs(longest_wait=1.0):
    return list(github_jobs.since(github.connect(longest_wait), cost.months(NOW)[0]))


def test_month_is_priced_and_compared_with_last_month(api, checkout):
    prices = load_ci_prices()
    prices = prices.model_copy(update={"per_minute": {**prices.per_minute, "gpu-a10": 0.5}})
    found = cost.report(jobs(), prices, NOW)
    # 12 min of Linux, 1 of the GPU, 2 of macOS, 5 of nobody knows what.
    assert (found["month"], found["jobs"], found["minutes"]) == ("2026-11", 5, 20)
    assert found["cost"] == round(12 * 0.006 + 1 * 0.5 + 2 * 0.062, 2)
    assert found["previous"] == {"month": "2026-10", "jobs": 2, "minutes": 110, "cost": 0.66}
    assert found["previous_same_part"] == {"jobs": 1, "minutes": 10, "cost": 0.06}
    assert found["trend_percent"] == round(100 * (0.70 / 0.06 - 1))
    assert [share["name"] for share in found["dearest"]] == [
        "train / fit",
        "train / mac",
        "ci / gates",
        "train / odd",
    ]
    assert found["runners"][2] == {"name": "ubuntu-24.04", "jobs": 2, "minutes": 12, "cost": 0.07}
    assert found["unpriced"] == ["big, linux"]
    cost.write(found)
    assert json.loads((checkout / "reports/ci-cost.json").read_text()) == found
    text = (checkout / "reports/ci-cost.md").read_text()
    assert "2026-11 so far: 0.70 USD for 20 minutes in 5 jobs." in text
    assert "1067 % more than in the same part of 2026-10 (0.06 USD; 0.66 USD in all)." in text
    assert "Runner 'big, linux' has no price in configs/ci-prices.yaml" in text
    assert "| ci / gates | 2 | 12 | 0.07 |" in text


def test_pages_are_followed_until_the_month_before_has_begun(api):
    jobs()
    runs = [request for request in api.requests if request.path.endswith("/actions/runs")]
    assert [request.query.get("page", "1") for request in runs] == ["1", "2", "3"]
    assert not [request for request in api.requests if "/runs/5/" in request.path]  # September
    of_first = [request.query for request in api.requests if "/runs/0/" in request.path]
    assert [query.get("page", "1") for query in of_first] == ["1", "2", "3"]
    assert {query["filter"] for query in of_first} == {"all"}
    assert {query["per_page"] for query in of_first} == {"100"}


def test_a_run_that_slides_to_the_next_page_counts_once(api):
    answer = api.answer

    def slid(request):
        code, head, found = answer(request)
        if request.path.endswith("/actions/runs") and request.query.get("page") == "2":
            again = {
                "id": 1,
                "name": "train",
                "path": "x.yml",
                "created_at": f"{RUNS[1][1]}T09:00:00Z",
            }
            found["workflow_runs"].insert(0, again)
        return code, head, found

    api.answer = slid
    assert len(jobs()) == 7
    assert len([r for r in api.requests if "/runs/1/jobs" in r.path]) == 1


def test_a_job_that_a_later_attempt_has_a_copy_of_counts_once(api, monkeypatch):
    name, day, ran = RUNS[0]
    again = [{**ran[0], "id": 2, "run_attempt": 2}, {**ran[0], "runner_name": "GitHub Actions 13"}]
    monkeypatch.setitem(globals(), "RUNS", [(name, day, ran + again), *RUNS[1:]])
    assert len(jobs()) == 8  # another runner's is another job


@pytest.mark.parametrize(
    "fault",
    [
        (502, {"Retry-After": "0"}, "bad gateway"),
        (429, {"Retry-After": "0"}, ""),
        (403, {"Retry-After": "0"}, {"message": "You have exceeded a secondary rate limit"}),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "0"}, {"message": "limit"}),
    ],
)
def test_what_passes_is_waited_for(api, fault):
    api.faults = [fault, fault]
    assert len(jobs()) == 7


@pytest.mark.parametrize(
    ("fault", "asked", "sentence"),
    [
        ((401, {}, {"message": "Bad credentials"}), 1, "GitHub answered 401: GITHUB_TOKEN is not"),
        ((403, {}, {"message": "Resource not accessible"}), 1, "403: GITHUB_TOKEN may not do this"),
        ((404, {}, {"message": "Not Found"}), 1, "404: there is no such repository or workflow"),
        ((500, {"Retry-After": "0"}, ""), 4, "GitHub answered 500: try again later"),
        ((429, {"Retry-After": "3600"}, ""), 1, "429: its rate limit is used up until "),
        ((200, {}, {"message": "something else"}), 1, "GitHub's answer is not as documented"),
        ((200, {}, "<html>"), 1, "GitHub could not be asked (JSONDecodeError)"),
    ],
)
def test_what_does_not_pass_is_a_sentence_and_exit_code_2(api, command, fault, asked, sentence):
    api.faults = [fault] * asked
    outcome = command("ci-report")
    assert outcome.code == 2
    assert outcome.err.startswith("error: ")
    assert sentence in outcome.err
    assert outcome.err.count("\n") == 1
    assert "token-of-github" not in outcome.err
    assert len(api.requests) == asked


def test_long_rate_limit_is_reported_with_its_end(api):
    reset = time.time() + 3000
    limited = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": f"{reset:.0f}"}
    api.faults = [(403, limited, {"message": "API rate limit exceeded"})]
    with pytest.raises(UserError) as caught:
        jobs()
    until = {time.strftime("%H:%M", time.gmtime(reset + off)) for off in (-1, 0, 1)}
    assert any(f"used up until {moment} UTC" in str(caught.value) for moment in until)
    assert len(api.requests) == 1


def test_the_command_writes_the_report(api, command, checkout):
    outcome = command("ci-report")
    assert (outcome.code, outcome.err) == (0, "")
    written = json.loads((checkout / "reports/ci-cost.json").read_text())
    assert written["source"].startswith("https://docs.github.com/")
    assert f"{written['month']} so far: " in outcome.out
    shown = command("ci-summary", GITHUB_STEP_SUMMARY="", TF_BUILD="").out
    assert shown.startswith(f"## CI cost\n\n{written['month']} so far: ")
    assert "### Dearest jobs" in shown
    command("ci-report")
    assert (checkout / "reports/summary.md").read_text().count("## CI cost\n") == 1


def test_slack_gets_the_report_and_its_absence_fails_nothing(api, command):
    github = api.answer
    api.answer = lambda request: github(request) if request.method == "GET" else (200, {}, "ok")
    outcome = command("ci-report", SLACK_WEBHOOK_URL=f"{api.url}/services/x")
    assert (outcome.code, outcome.err) == (0, "")
    sent = json.loads(api.requests[-1].body)
    assert " USD" in sent["text"]
    assert "CI cost, 20" in sent["text"]
    assert "Dearest jobs" in sent["blocks"][-1]["text"]["text"]
    outcome = command("ci-report", SLACK_WEBHOOK_URL="nowhere")
    assert outcome.code == 0
    assert "warning: Slack: no notice sent: " in outcome.out


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"GITHUB_REPOSITORY": "churn"}, "GITHUB_REPOSITORY is 'churn'; accepted: OWNER/NAME"),
        ({"GITHUB_TOKEN": ""}, "GITHUB_TOKEN is not set: it needs the permission actions: read"),
        (
            {"GITHUB_REPOSITORY": "", "GITHUB_ACTIONS": "true"},
            "GITHUB_REPOSITORY is ''; accepted: OWNER/NAME",
        ),
    ],
)
def test_a_variable_that_is_missing_is_a_sentence(api, command, variables, sentence):
    outcome = command("ci-report", **{"GITHUB_ACTIONS": "", **variables})
    assert (outcome.code, outcome.err) == (2, f"error: {sentence}\n")


def test_without_repository_there_is_no_cost_report(api, command, checkout):
    outcome = command("ci-report", GITHUB_ACTIONS="", GITHUB_REPOSITORY="", GITHUB_TOKEN="")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == "no cost report: GITHUB_REPOSITORY is not set\n"
    assert not (checkout / "reports").exists()


def test_a_price_that_is_none_is_a_sentence(api, command, checkout):
    path = checkout / "configs/ci-prices.yaml"
    path.write_text(path.read_text().replace("ubuntu-slim: 0.002", "ubuntu-slim: -1"))
    outcome = command("ci-report")
    assert outcome.code == 2
    assert (
        "configs/ci-prices.yaml: per_minute.ubuntu-slim is -1; accepted: a mapping" in outcome.err
    )


@pytest.mark.parametrize(
    ("now", "before", "this"),
    [
        ("2026-01-01T00:00:00", "2025-12-01", "2026-01-01"),
        ("2026-03-31T23:59:59", "2026-02-01", "2026-03-01"),
    ],
)
def test_the_month_before(now, before, this):
    begins = cost.months(datetime.fromisoformat(f"{now}+00:00"))
    assert [f"{begin:%Y-%m-%d}" for begin in begins] == [before, this]
