"""What the page's tests share: exported models, the real service with one of them, and one browser."""

import csv
import json
import os
import random
import shutil
import subprocess
import sys
import threading
import warnings
from pathlib import Path
from typing import NamedTuple

import pytest
import requests
from selenium import webdriver
from selenium.webdriver.chrome.service import Service as Driver
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support import expected_conditions as expected
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.ui import WebDriverWait

from mlops_kit import cli as command_line
from mlops_kit.artifact import folder as model_folder

from ml_template.__main__ import PROJECT

ROOT = Path(__file__).parents[4]
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --lang=en-US"
    " --disable-background-networking --disable-component-update --disable-sync"
)
NO_BROWSER = "the page is not tested, as there is no browser: install the Debian packages chromium and chromium-driver"
SECONDS = 30

# Of the mixed model. What a page could take for markup, for a path or for something of its own.
NAMES = {
    "number": "</script><b>age",
    "truth": 'smoker\'s "🚬"',
    "choice": "region.of[origin] <!--",
    "text": "__proto__",
    "day": "joined",
    "time": "seen at",
    "own_date": "left",
    "moment": "measured",  # finer than the browser's control
}
REGIONS = ['<i>north</i> & "more"', "south", "west"]
SIZES = ["<b>small</b>", "middle", "large"]


def write_mixed(path):
    """Every kind of column, missing values, three classes."""
    chance = random.Random(0)
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow([*NAMES.values(), "<u>size</u>"])
        for number in range(200):
            size, day = chance.randrange(3), number % 28 + 1
            rows.writerow(
                [
                    25 * size + chance.randint(18, 40) if number % 9 else "",
                    chance.choice(["true", "false"]),
                    chance.choice(REGIONS),
                    f"city {number % 60}" if number % 7 else "",
                    f"2020-05-{day:02}" if number % 5 else "",
                    f"2021-06-{day:02}T10:{number % 60:02}:00",
                    f"{day:02}/03/2022",
                    f"2021-07-{day:02}T08:00:00.{number:06}",
                    SIZES[size],
                ]
            )


def write_numbers(path):
    """More columns than fit on a screen, and a number to predict."""
    chance = random.Random(0)
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow([*(f"column {number}" for number in range(24)), "price"])
        for _ in range(150):
            values = [chance.uniform(-1, 1) for _ in range(24)]
            rows.writerow([*values, 250_000 + 40_000 * values[0] + chance.gauss(0, 5_000)])


def config(task, target, metric, **data):
    return json.dumps(
        {
            "experiment": "page",
            "registered_model": task,
            "task": task,
            "data": {"source": f"{task}.csv", "target": target, **data},
            "model": {"kind": "linear"},
            "validation": {"metric": metric},
        }
    )


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """One headless browser for all tests."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        if os.environ.get("REQUIRE_BROWSER"):
            pytest.fail(NO_BROWSER)
        # pytest -q does not show why tests are skipped.
        warnings.warn(NO_BROWSER, pytest.PytestWarning, stacklevel=1)
        pytest.skip(NO_BROWSER)
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS.split(), f"--user-data-dir={tmp_path_factory.mktemp('browser')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    started = webdriver.Chrome(options=options, service=Driver(driver))
    yield started
    started.quit()


@pytest.fixture(scope="session")
def project(browser, tmp_path_factory):
    """A folder with two exported models, `classification` and `regression`."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copytree(ROOT / "configs", folder / "configs")
    shutil.copy(ROOT / "requirements.txt", folder)
    write_mixed(folder / "classification.csv")
    write_numbers(folder / "regression.csv")
    configs = {
        "classification": config(
            "classification", "<u>size</u>", "accuracy", dates={NAMES["own_date"]: "%d/%m/%Y"}
        ),
        "regression": config("regression", "price", "mae"),
    }
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # plots have no picture of 🚬
        patch.chdir(folder)
        for variable in ("MLFLOW_TRACKING_URI", "CONFIG", "SET", "MODEL", "SERVE_SET", "DEBUG"):
            patch.delenv(variable, raising=False)
        for task, text in configs.items():
            Path("configs/train.yaml").write_text(text, encoding="utf-8")
            for name in ("train", "validate", "register", "export"):
                patch.setattr(sys, "argv", ["make", name])
                with pytest.raises(SystemExit) as ended:
                    command_line.main()
                assert not ended.value.code, name
            Path("artifacts/model").rename(task)
    return folder


class Serving(NamedTuple):
    """A running service: its process, its address and its model.json."""

    process: subprocess.Popen
    url: str
    card: dict

    def answer(self, row, **headers):
        """Return what the service answers to a row, without the page."""
        return requests.post(
            f"{self.url}/predict", json={"rows": [row]}, headers=headers, timeout=SECONDS
        )


@pytest.fixture(scope="session")
def serve(project):
    """A function that starts the service with one of the models; keywords are environment variables."""
    started = []

    def start(task, **variables):
        inherited = {
            k: v for k, v in os.environ.items() if k not in ("API_KEY", "HOST", "SERVE_SET")
        }
        process = subprocess.Popen(
            [sys.executable, "-m", PROJECT.package, "serve"],
            stdout=subprocess.PIPE,
            text=True,
            cwd=project,
            env={**inherited, "MODEL_DIR": task, "PORT": "0", **variables},
        )
        started.append(process)
        url = next(line["url"] for line in map(json.loads, process.stdout) if "url" in line)
        # Nobody reads the rest of its log, but a full pipe would stop it.
        threading.Thread(target=process.stdout.read, daemon=True).start()
        return Serving(process, url, json.loads((project / task / "model.json").read_text("utf-8")))

    yield start
    for process in started:
        process.terminate()
    for process in started:
        process.wait(timeout=SECONDS)


@pytest.fixture(scope="session")
def challenged(project):
    """The folder of the mixed model with a challenger beside it, which is the same model as version 9."""
    champion = project / "challenged"
    beside = champion / model_folder.CHALLENGER
    for folder, change in (
        (champion, {"challenger": {"version": "9", "run_id": "r", "format": "onnx"}}),
        (beside, {"version": "9"}),
    ):
        shutil.copytree(project / "classification", folder)
        card = {**model_folder.read_manifest(folder), **change}
        (folder / model_folder.MANIFEST).write_text(json.dumps(card), encoding="utf-8")
        names = [path.name for path in folder.iterdir() if path.name != model_folder.SUMS]
        (folder / model_folder.SUMS).write_text(model_folder.sums(folder, names), encoding="utf-8")
    return champion.name


@pytest.fixture(scope="session")
def mixed(serve):
    return serve("classification")


@pytest.fixture(scope="session")
def numbers(serve):
    return serve("regression")


class Page:
    """The page as a user meets it: fields by their labels, keys, and the message."""

    def __init__(self, browser, serving):
        self.browser, self.url, self._entries = browser, serving.url, []
        self.size(1280, 900)
        self.prefer("light")
        for log in ("browser", "performance"):
            browser.get_log(log)
        browser.get(serving.url)

    def run(self, script, *arguments):
        return self.browser.execute_script(script, *arguments)

    def all(self, selector):
        return self.browser.find_elements("css selector", selector)

    def one(self, selector):
        return self.browser.find_element("css selector", selector)

    def field(self, name):
        find = "return [...document.querySelectorAll('label')].find(l => l.textContent === arguments[0]).control"
        return self.run(find, name)

    def focused(self):
        return self.browser.switch_to.active_element

    def press(self, *keys):
        self.focused().send_keys(*keys)

    def put(self, name, text):
        control = self.field(name)
        if control.tag_name == "select":
            Select(control).select_by_visible_text(text)
        else:
            control.send_keys(Keys.CONTROL + "a")
            control.send_keys(text or Keys.BACKSPACE)

    def message(self):
        return self.one("#said").text

    def ask(self, how=None):
        """Press Predict, or do `how`, and return the new message."""
        before = self.one("#said > *")
        (how or self.one("#predict").click)()
        WebDriverWait(self.browser, SECONDS).until(expected.staleness_of(before))
        return self.message()

    def described(self, control):
        """What a screen reader adds to a field's name."""
        ids = control.get_attribute("aria-describedby").split()
        return " ".join(filter(None, (self.one(f"#{its}").text for its in ids)))

    def events(self, method):
        """Return the parameters of the browser's network events of one kind."""
        new = self.browser.get_log("performance")
        self._entries += [json.loads(entry["message"])["message"] for entry in new]
        return [e["params"] for e in self._entries if e["method"] == f"Network.{method}"]

    def requests(self):
        return [event["request"] for event in self.events("requestWillBeSent")]

    def sent(self):
        """Return the row of every request for a prediction."""
        bodies = [json.loads(r["postData"]) for r in self.requests() if "postData" in r]
        return [row for body in bodies for row in body["rows"]]

    def size(self, width, height):
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def prefer(self, scheme):
        settings = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}
        features = [{"name": name, "value": value} for name, value in settings.items()]
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def picture(self, name):
        folder = ROOT / "reports" / "page"
        folder.mkdir(parents=True, exist_ok=True)
        assert self.browser.save_screenshot(str(folder / f"{name}.png"))


@pytest.fixture
def visit(browser):
    """A function that opens a service's page; at the end nothing was asked of others and nothing broke."""
    visited = []

    def go(serving):
        visited.append(Page(browser, serving))
        return visited[-1]

    yield go
    for page in visited[-1:]:
        asked = {request["url"] for request in page.requests()}
        foreign = {url for url in asked if not url.startswith((f"{page.url}/", "data:"))}
        foreign -= {page.url}  # a report is one file
        assert not foreign
        # The browser writes down every answer that is no 200; those of /predict are the tests' own.
        broken = [
            e for e in browser.get_log("browser") if f"{page.url}/predict " not in e["message"]
        ]
        assert broken == []


@pytest.fixture
def names():
    """The mixed model's column of each kind."""
    return NAMES
