"""The page in a real browser, before the real service."""

import re
import threading

import pytest
import requests
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from .contrast import COLOURS, contrast

SECONDS = 30

# What sticks out of its card, or the card out of the page.
WIDER = """
const right = (element) => element.getBoundingClientRect().right;
return [...document.querySelectorAll(".card, .card *")]
  .filter((e) => right(e) > right(e.closest(".card")) || right(e) > right(document.querySelector("main")))
  .map((e) => e.outerHTML.slice(0, 80));
"""


def golden_row(serving):
    return dict(serving.card["golden"][0]["row"])


def bars(page):
    """Each class with its share, as texts."""
    return dict(bar.text.splitlines() for bar in page.all(".bars li"))


def as_bars(answer):
    """The same of an answer of the service."""
    probabilities = answer.json()["predictions"][0]["probabilities"]
    likeliest_first = sorted(probabilities.items(), key=lambda item: -item[1])
    return {label: percent(share) for label, share in likeliest_first}


def percent(share):
    if 0 < share < 0.001:
        return "< 0.1 %"
    return "> 99.9 %" if 0.999 < share < 1 else f"{100 * share:.1f} %"


def test_the_real_row_gets_the_answer_that_was_exported(mixed, visit):
    page = visit(mixed)
    golden = mixed.card["golden"][0]
    assert page.one(".prediction").text == golden["answer"]["prediction"]
    assert page.sent() == []  # it came with the page
    page.ask()
    assert page.sent() == [golden["row"]]
    assert page.one(".prediction").text == golden["answer"]["prediction"]
    assert list(bars(page).items()) == list(as_bars(mixed.answer(golden["row"])).items())
    widths = [
        float(re.search(r"[\d.]+", fill.get_attribute("style"))[0]) for fill in page.all(".fill")
    ]
    assert widths == pytest.approx(
        sorted((100 * p for p in golden["answer"]["probabilities"].values()), reverse=True),
        rel=1e-3,
    )
    page.picture("answer-light")


def test_changed_values_are_sent_with_their_types(mixed, names, visit):
    page = visit(mixed)
    changes = {
        "number": "33.5",
        "truth": "false",
        "choice": "west",
        "text": "city 3",
        "day": "05172020",
    }
    for kind, text in changes.items():
        page.put(names[kind], text)
    page.ask()
    row = golden_row(mixed)
    arrived = {
        "number": 33.5,
        "truth": False,
        "choice": "west",
        "text": "city 3",
        "day": "2020-05-17T00:00:00",
    }
    row.update({names[kind]: value for kind, value in arrived.items()})
    assert page.sent() == [row]
    assert bars(page) == as_bars(mixed.answer(row))


def test_missing_and_unseen_values_are_accepted_with_a_note(mixed, names, visit):
    page = visit(mixed)
    page.put(names["text"], "")
    page.put(names["number"], "1000")
    page.put(names["choice"], "another value …")
    page.field(names["choice"]).send_keys(Keys.TAB)
    page.press("nowhere")
    message = page.ask()
    row = {
        **golden_row(mixed),
        names["text"]: None,
        names["number"]: 1000,
        names["choice"]: "nowhere",
    }
    assert bars(page) == as_bars(mixed.answer(row))
    assert f"Training saw no such values of: {names['number']}, {names['choice']}" in message
    for kind in ("number", "choice"):
        assert "not seen in training" in page.described(page.field(names[kind]))
    assert "may be empty" in page.described(page.field(names["text"]))


def test_empty_field_shows_its_error_and_gets_the_focus(mixed, names, visit):
    page = visit(mixed)
    page.put(names["own_date"], "")
    page.put(names["time"], "")
    assert (
        page.ask(lambda: page.field(names["number"]).send_keys(Keys.ENTER))
        == "2 fields need another value."
    )
    wrong = page.field(names["time"])  # the first of the two
    assert page.focused() == wrong
    assert wrong.get_attribute("aria-invalid") == "true"
    assert "Enter a date." in page.described(wrong)
    assert page.sent() == []
    page.picture("error-light")
    page.put(names["time"], "06012021" + Keys.TAB + "1130AM")
    assert wrong.get_attribute("aria-invalid") is None
    assert "Enter a date." not in page.described(wrong)


def test_refused_value_is_shown_at_its_field(mixed, names, visit):
    page = visit(mixed)
    page.put(names["own_date"], "2022-03-01")
    page.ask()
    refused = mixed.answer({**golden_row(mixed), names["own_date"]: "2022-03-01"})
    assert refused.status_code == 422
    (problem,) = refused.json()["detail"]
    assert page.focused() == page.field(names["own_date"])
    assert problem["msg"] in page.described(page.focused())
    page.prefer("dark")
    page.picture("error-dark")


def test_the_page_works_without_a_mouse(mixed, visit):
    page = visit(mixed)
    order = []
    page.one("body").send_keys(Keys.TAB)
    while (here := page.focused()).tag_name != "body":
        order.append(here.get_attribute("id") or here.text)
        assert here.value_of_css_property("outline-style") == "solid", order
        page.press(Keys.TAB)
    fields = [f"field-{index}" for index in range(len(mixed.card["columns"]))]
    assert list(dict.fromkeys(order)) == [
        *fields,
        "predict",
        "undo",
        "API docs",
        "OpenAPI",
        "Version",
        "Metrics",
    ]


def test_enter_predicts_and_keeps_the_focus(mixed, names, visit):
    page = visit(mixed)
    page.one("body").send_keys(Keys.TAB)
    first = page.focused()
    assert mixed.card["golden"][0]["answer"]["prediction"] in page.ask(
        lambda: page.press(Keys.ENTER)
    )
    assert page.focused() == first
    assert page.one("#said").get_attribute("role") == "status"
    page.press("1")
    assert page.one("#stale").is_displayed()
    page.one("#undo").send_keys(Keys.ENTER)
    assert float(first.get_attribute("value")) == golden_row(mixed)[names["number"]]
    assert not page.one("#stale").is_displayed()


@pytest.mark.parametrize("task", ["mixed", "numbers"])
def test_a_phone_needs_no_sideways_scroll(task, request, visit):
    page = visit(request.getfixturevalue(task))
    page.size(320, 640)
    for answered in ("", "-answer"):
        assert page.run("return document.documentElement.scrollWidth") == 320
        assert page.run(WIDER) == []
        page.picture(f"phone-{task}{answered}")
        page.ask()


def test_light_and_dark_differ_and_all_text_can_be_read_in_both(mixed, names, visit):
    page = visit(mixed)
    page.put(names["number"], "1000")
    page.ask()
    backgrounds = set()
    for scheme in ("light", "dark"):
        page.prefer(scheme)
        shown = page.run(COLOURS)
        assert len(shown) > 50
        assert [(text, ratio) for text, *pair in shown if (ratio := contrast(*pair)) < 4.5] == []
        backgrounds.add(page.run("return getComputedStyle(document.body).backgroundColor"))
        page.picture(f"answer-{scheme}")
    assert len(backgrounds) == 2


def test_names_and_values_are_shown_as_they_are(mixed, visit):
    page = visit(mixed)
    page.ask()
    labels = page.run(
        "return [...document.querySelectorAll('#fields label')].map(l => l.textContent)"
    )
    assert labels == [column["name"] for column in mixed.card["columns"]]
    assert page.all("b, i, u") == []
    assert set(bars(page)) == {"<b>small</b>", "middle", "large"}
    assert page.one(".target").text == mixed.card["target"] == "<u>size</u>"


def test_page_names_the_model_and_links_work(mixed, visit):
    page = visit(mixed)
    assert page.one("h1").text == mixed.card["registered_model"]
    assert mixed.card["version"] in page.one("#facts").text
    assert mixed.card["git_commit"][:12] in page.one("#facts").text
    accuracy = mixed.card["metrics"]["accuracy"]
    shown = "accuracy {value:.3f} {lower:.3f} to {upper:.3f}".format(**accuracy)
    assert shown in [row.text for row in page.all("#metrics tr")]
    for link in page.all("nav a"):
        requests.get(link.get_attribute("href"), timeout=30).raise_for_status()


def test_a_number_is_shown_on_a_line_with_what_the_model_is_off_by(numbers, visit):
    page = visit(numbers)
    page.ask()
    prediction = numbers.answer(golden_row(numbers)).json()["predictions"][0]["prediction"]
    assert float(page.one(".prediction data").get_attribute("value")) == prediction
    assert page.one(".prediction").text == str(round(prediction))
    assert (
        page.one("#picture svg")
        .get_attribute("aria-label")
        .startswith(f"{prediction:.0f} on a line from")
    )
    assert len(page.all("#picture .example")) == len(numbers.card["golden"])
    assert "off by" in page.one("#picture").text
    page.picture("answer-number")


def test_many_columns_are_searchable_and_errors_visible(numbers, visit):
    page = visit(numbers)
    page.put("column 7", "")
    page.put("Find a column", "COLUMN 1")
    assert len([e for e in page.all("#fields .field") if e.is_displayed()]) == 11
    assert page.one("#found").text == "11 of 24 columns"
    assert page.ask() == "One field needs another value."
    assert page.focused() == page.field("column 7")


def test_a_key_is_asked_for_where_one_is_needed_and_kept_nowhere(serve, mixed, visit):
    assert not visit(mixed).one("#key").is_displayed()
    page = visit(serve("classification", API_KEY="open sesame"))
    page.ask()
    assert page.focused() == page.one("#key")
    assert "Enter the key." in page.described(page.focused())
    page.put("API key", "open barley")
    page.ask()
    assert page.focused() == page.one("#key")
    assert "X-API-Key" in page.described(page.focused())
    page.picture("key-refused")
    page.put("API key", "open sesame")
    assert mixed.card["golden"][0]["answer"]["prediction"] in page.ask(
        lambda: page.press(Keys.ENTER)
    )
    page.browser.refresh()
    assert page.one("#key").get_attribute("value") == ""
    assert page.run("return [localStorage.length, sessionStorage.length, document.cookie]") == [
        0,
        0,
        "",
    ]


def test_error_of_no_field_has_request_id(serve, names, visit):
    page = visit(serve("classification", SERVE_SET="limits.body_kilobytes=1"))
    page.put(names["text"], 2000 * "x")
    message = page.ask()
    (refused,) = [
        e["response"] for e in page.events("responseReceived") if e["response"]["status"] == 413
    ]
    headers = {name.lower(): value for name, value in refused["headers"].items()}
    assert message.splitlines() == [
        "the body is larger than 1024 bytes",
        f"Request {headers['x-request-id']}",
    ]


def test_overload_shows_when_to_retry(serve, visit):
    serving = serve("regression", SERVE_SET="limits.waiting=1")
    page = visit(serving)
    body, enough = {"rows": [golden_row(serving)] * 500}, threading.Event()

    def crowd():
        with requests.Session() as kept:
            while not enough.is_set():
                kept.post(f"{serving.url}/predict", json=body, timeout=SECONDS)

    others = [threading.Thread(target=crowd) for _ in range(4)]
    for other in others:
        other.start()
    try:
        WebDriverWait(page, SECONDS).until(lambda _: "Try again" in page.ask())
    finally:
        enough.set()
        for other in others:
            other.join()
    message = page.message().splitlines()
    assert message[1] == "Try again in 1 s."
    assert message[2].startswith("Request ")
    page.picture("overloaded")


def test_unreachable_service_is_reported(serve, visit):
    serving = serve("regression")
    page = visit(serving)
    serving.process.kill()
    serving.process.wait()
    assert "could not be reached" in page.ask()


@pytest.mark.parametrize(
    ("settings", "does"),
    [
        ("challenger.mode=shadow", "in shadow"),
        (
            "challenger.mode=share challenger.share.header=X-User-Id",
            "predicts a share of the requests",
        ),
    ],
)
def test_the_challenger_is_named_beside_the_champion(challenged, serve, visit, settings, does):
    serving = serve(challenged, SERVE_SET=settings)
    page = visit(serving)
    lines = page.one("#facts").text.splitlines()
    facts = dict(zip(lines[::2], lines[1::2]))
    assert facts["Champion"] == f"version {serving.card['version']}"
    assert facts["Challenger"] == f"version 9, {does}"
    for scheme in ("light", "dark"):
        page.prefer(scheme)
        assert [
            (t, ratio) for t, *pair in page.run(COLOURS) if (ratio := contrast(*pair)) < 4.5
        ] == []
        page.picture(f"challenger-{does.partition(' ')[0]}-{scheme}")
    page.size(320, 900)
    assert page.run(WIDER) == []
