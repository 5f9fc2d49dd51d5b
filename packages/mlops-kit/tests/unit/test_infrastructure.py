"""The settings in configs/infra/, the cost, and running a program to its end."""

import re
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
import yaml

from mlops_kit.core.errors import UserError
from mlops_kit.delivery.terraform import cli, cost, roots
from mlops_kit.serving.settings import ServeConfig, load_serve

ROOT = Path(__file__).parents[4]


@pytest.fixture
def infra(checkout, monkeypatch):
    """The checkout with infra/, too, in the region that make gives."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    left = shutil.ignore_patterns("local", ".terraform")
    shutil.copytree(ROOT / "infra", checkout / "infra", ignore=left)
    return checkout


def write(settings: str, **changes) -> None:
    path = Path(f"configs/infra/{settings}.yaml")
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **changes}))


def refused(call, *arguments) -> str:
    with pytest.raises(UserError) as error:
        call(*arguments)
    assert error.value.exit_code == 2
    return str(error.value)


def test_what_ships_can_be_read(infra):
    assert roots.names() == ["bootstrap", "shared", "production", "staging"]
    folders = {name: roots.load(name).folder.name for name in roots.names()}
    assert folders == {
        "bootstrap": "bootstrap",
        "shared": "shared",
        "production": "environment",
        "staging": "environment",
    }
    assert roots.load("staging").variables["environment"] == "staging"
    assert "environment" not in roots.load("shared").variables


def test_services_keep_connections_longer_than_their_load_balancers(infra):
    """Else a balancer sends requests into connections that are being closed, and answers 502."""
    folder, dockerfile = infra / "infra/environment", ROOT / "docker/Dockerfile"
    (app,) = re.findall(r"idle_timeout += (\d+)", (folder / "load_balancer.tf").read_text())
    assert int(app) < load_serve().limits.keep_alive_seconds
    assert int(app) < ServeConfig().limits.keep_alive_seconds
    (mlflow,) = re.findall(r"idle_timeout += (\d+)", (folder / "mlflow.tf").read_text())
    (kept,) = re.findall(
        r"MLFLOW_UVICORN_OPTS=.*--timeout-keep-alive (\d+)", dockerfile.read_text()
    )
    assert int(mlflow) < int(kept)


def test_the_services_own_role_may_put_what_was_recorded_and_read_flags_and_nothing_else(infra):
    text = "".join(path.read_text() for path in (infra / "infra/environment").glob("*.tf"))
    given = set(re.findall(r'\n  role += aws_iam_role\.this\["(\w+)"\]\.', text))
    assert given == {"execution", "balancer", "mlflow", "training", "task"}
    rights = {"task": ("s3:PutObject", "${local.predictions}"), "flags": ("s3:GetObject", "flags")}
    found = re.findall(r'"(\w+)" \{\n(?:  count .*\n)?.*\n  role .*\["task"\]', text)
    assert set(found) == set(rights)
    for name, (right, folder) in rights.items():
        pattern = rf'data "aws_iam_policy_document" "{name}" \{{.*?\n\}}\n'
        (its,) = re.findall(pattern, text, re.S)
        assert re.findall(r'"(\w+:[\w*]+)"', its) == [right]
        (where,) = re.findall(r"resources += (.*)", its)
        assert where.endswith(f'/{folder}/*"]')
    assert "managed_policy_arns" not in text


def test_the_alarm_of_records_counts_events_that_the_service_logs():
    pattern = re.search(r"pattern +=.*", (ROOT / "infra/environment/alarms.tf").read_text())[0]
    events = re.findall(r'event = \\"([a-z ]+)\\"', pattern)
    serving = ROOT / "packages/mlops-kit/src/mlops_kit/serving"
    logged = re.findall(
        r'log\(\s*"(?:error|warning)", "([a-z ]+)"',
        "".join(path.read_text() for path in serving.glob("*.py")),
    )
    assert len(events) == 3
    assert set(events) <= set(logged)


def test_everything_shipped_gives_each_variable_that_has_no_default(infra):
    text = (infra / "infra/environment/variables.tf").read_text()
    required = {
        block.split('"')[0] for block in text.split('variable "')[1:] if "default" not in block
    }
    assert required == {"environment", "alert_emails", "monthly_budget"}
    for name in ("staging", "production"):
        assert required <= set(roots.load(name).variables)


def test_an_unknown_environment_or_key_is_named(infra):
    message = refused(roots.load, "live")
    assert message == (
        "ENV is 'live'; accepted, as configs/infra has them: bootstrap, shared, production, staging"
    )
    write("staging", databse=None)
    message = refused(roots.load, "staging")
    assert "configs/infra/staging.yaml: unknown key 'databse' (did you mean 'database'?)" in message
    write("shared", name="other")
    assert "unknown key 'name'" in refused(roots.load, "shared")


@pytest.mark.parametrize(("text", "message"), [("a: [", "is not YAML"), ("7", "holds no settings")])
def test_a_file_that_is_no_mapping_is_named(infra, text, message):
    Path("configs/infra/staging.yaml").write_text(text)
    assert message in refused(roots.load, "staging")


def test_long_names_are_shortened_as_terraform_does():
    assert roots.short("churn") == "churn"
    # infra/shared/tests/names.tftest.hcl has the same pair.
    long = "abcdefghi-klmnopqrstuvwxyz-abcdefghijklm"
    shared = (ROOT / "infra/shared/tests/names.tftest.hcl").read_text()
    assert long in shared
    assert f'"{roots.short(long)}"' in shared


def test_a_month_is_sizes_times_prices(infra):
    found = {line.what: line for line in cost.estimate("staging").lines}
    assert found["service: CPU"].quantity == pytest.approx(730 * 0.25)
    assert found["service: CPU"].dollars == pytest.approx(730 * 0.25 * 0.04048)
    assert found["load balancers"].quantity == 2 * 730
    assert found["public addresses"].quantity == 730 * (2 + 2)  # zones, and two tasks
    assert "NAT gateways" not in found
    assert found["training: CPU"].quantity == 20 * 2


def test_what_is_left_out_costs_nothing_and_what_is_doubled_costs_double(infra):
    before = cost.estimate("production")
    write("production", database=None, mlflow=None)
    without = cost.estimate("production")
    assert {one.what for one in before.lines} - {one.what for one in without.lines} == {
        "MLflow: CPU",
        "MLflow: memory",
        "database",
        "database: storage",
    }
    assert without.total < before.total / 1.5
    write("production", existing_network={"vpc_id": "vpc-1"})
    assert not [one for one in cost.estimate("production").lines if one.what == "NAT gateways"]
    gpu = {"image_tag": "1", "cpu": 4096, "memory": 12288, "gpus": 1}
    write("production", training=gpu)
    (line,) = [one for one in cost.estimate("production").lines if one.what == "training: GPU"]
    assert line.dollars == pytest.approx(20 * 1.123)


def test_what_has_no_price_is_named(infra):
    database = {"instance_class": "db.x9", "storage_gb": 20, "multi_az": False, "backup_days": 1}
    write("staging", database=database)
    assert "infra/prices.yaml has no price for 'db.x9'" in refused(cost.estimate, "staging")
    assert refused(cost.estimate, "shared") == "ENV is 'shared'; accepted: production, staging"


def test_a_missing_terraform_is_one_sentence(monkeypatch):
    monkeypatch.setenv("TERRAFORM", "no-such-tofu")
    message = refused(cli.program)
    assert message.startswith("no-such-tofu is not on the PATH: install Terraform 1.10 or newer")


def test_a_program_that_fails_is_named_with_its_exit_code(tmp_path):
    message = refused(cli.run, [sys.executable, "-c", "raise SystemExit(3)"], tmp_path)
    assert message.endswith(f"-c in {tmp_path} ended with 3; see its output above")


def test_a_program_ends_its_work_before_we_end(tmp_path):
    script = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(print('mended', flush=True)))\n"
        "open('ready', 'w').close()\n"
        "time.sleep(60)"
    )

    def end() -> None:
        while not (tmp_path / "ready").exists():
            time.sleep(0.01)
        main = threading.main_thread().ident
        signal.pthread_kill(main, signal.SIGINT)  # a terminal would send it to the program itself
        signal.pthread_kill(main, signal.SIGTERM)

    thread = threading.Thread(target=end)
    thread.start()
    assert cli.run([sys.executable, "-c", script], tmp_path, quiet=True) == "mended\n"
    thread.join()
