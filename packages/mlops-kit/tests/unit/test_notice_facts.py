"""The facts of a notice, which all channels show."""

import pytest

from mlops_kit.ci.notices import mail, slack
from mlops_kit.ci.notices.notice import Notice
from mlops_kit.ci.system import Build

PAGE = "https://git.example.com/team/model"


@pytest.mark.parametrize(
    ("build", "names"),
    [
        (Build(), []),
        (Build(system="Jenkins", run_url=PAGE), ["Run"]),
        (Build(system="Jenkins", repository_url=PAGE), []),
        (Build(commit="0" * 40, repository_url=PAGE), ["Commit"]),
        (Build(commit="0" * 40, branch="main"), ["Commit", "Branch"]),
        (Build(run_url=PAGE, report_url=PAGE), ["Run", "Report"]),
    ],
)
def test_only_known_facts_are_shown_in_mail_and_slack(build, names):
    notice = Notice("failure", "train", build)
    assert [fact.name for fact in notice.facts] == names
    assert all(fact.text for fact in notice.facts)
    sent = mail._mail(notice, "ci@example.com", ["team@example.com"])
    text, html = (part.get_content() for part in sent.iter_parts())
    assert [line for line in text.splitlines() if line.endswith(": ")] == []
    assert html.count("<tr>") == len(names)
    assert "<td></td>" not in html
    fields = [block["fields"] for block in slack.message(notice)["blocks"] if "fields" in block]
    assert [field["text"].split("*")[1] for group in fields for field in group] == names
