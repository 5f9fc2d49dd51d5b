"""The monthly cost of an environment: its sizes times a table of prices (infra/prices.yaml)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import yaml

from mlops_kit.core.errors import UserError

from ..deploy.settings import DeployConfig, load_deploy
from . import roots

REPORT = Path("reports/infra-cost.md")
_PRICES = Path("infra/prices.yaml")
# As in infra/environment/: availability zones, and the alarms that each environment has.
_ZONES = 2
_ALARMS = 4


class Line(NamedTuple):
    """One item of the cost: its quantity, its unit, and US dollars a month."""

    what: str
    quantity: float
    unit: str
    dollars: float


class Estimate(NamedTuple):
    """All lines, and the date and region of the prices."""

    lines: list[Line]
    date: str
    region: str

    @property
    def total(self) -> float:
        """The sum of the lines, in US dollars a month."""
        return sum(line.dollars for line in self.lines)


def estimate(name: str) -> Estimate:
    """Return the monthly cost of the environment `name`, without the tasks that autoscaling adds.

    Raises:
        UserError: There is no such environment, or a price is missing.
    """
    root = roots.load(name)
    if not root.is_environment:
        environments = [one for one in roots.names() if roots.load(one).is_environment]
        raise UserError(f"ENV is {name!r}; accepted: {', '.join(environments)}")
    found = yaml.safe_load(_PRICES.read_text(encoding="utf-8"))
    lines = _lines(root.variables, load_deploy(name), found)
    return Estimate(lines, str(found["date"]), found["region"])


def table(estimates: dict[str, Estimate]) -> str:
    """Return the estimates of several environments side by side, as a table in Markdown."""
    whats = dict.fromkeys(line.what for one in estimates.values() for line in one.lines)
    rows = [["US dollars a month", *estimates], ["---", *("---:" for _ in estimates)]]
    for what in whats:
        sums = [
            sum(line.dollars for line in e.lines if line.what == what) for e in estimates.values()
        ]
        rows.append([what, *(f"{dollars:.2f}" if dollars else "" for dollars in sums)])
    rows.append(["**together**", *(f"**{one.total:.0f}**" for one in estimates.values())])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _lines(sizes: dict[str, Any], deploy: DeployConfig, given: dict[str, Any]) -> list[Line]:
    hours, prices, assumed = given["hours"], given["prices"], given["assumed"]
    mlflow, database = sizes.get("mlflow"), sizes.get("database")
    training = sizes.get("training")
    own_network = not sizes.get("existing_network")
    nats = {"none": 0, "single": 1, "per_zone": _ZONES}[sizes.get("nat") or "single"]
    nats *= own_network
    tasks = deploy.tasks.count + (mlflow["tasks"] if mlflow else 0)
    balancers = 2 if mlflow else 1
    # Public IPv4 addresses: one in each zone for the load balancer, one for each NAT gateway, and one for each task
    # where there is no NAT gateway.
    addresses = _ZONES + nats + (tasks if own_network and not nats else 0)

    def line(what: str, quantity: float, unit: str, price: float) -> Line:
        return Line(what, quantity, unit, quantity * price)

    def fargate(what: str, count: float, cpu: float, memory: float, how_long: float) -> list[Line]:
        # CPU units (1,024 are one vCPU) and MiB.
        cores, gb = count * cpu / 1024 * how_long, count * memory / 1024 * how_long
        return [
            line(f"{what}: CPU", cores, "core hours", prices["fargate_vcpu_hour"]),
            line(f"{what}: memory", gb, "GB hours", prices["fargate_gb_hour"]),
        ]

    lines = fargate("service", deploy.tasks.count, deploy.tasks.cpu, deploy.tasks.memory, hours)
    lines += [
        line("load balancers", balancers * hours, "hours", prices["load_balancer_hour"]),
        line(
            "load balancers: traffic",
            balancers * assumed["load_balancer_units"] * hours,
            "unit hours",
            prices["load_balancer_unit_hour"],
        ),
        line("public addresses", addresses * hours, "hours", prices["public_address_hour"]),
    ]
    if nats:
        lines += [
            line("NAT gateways", nats * hours, "hours", prices["nat_hour"]),
            line("NAT gateways: traffic", assumed["nat_gb"], "GB", prices["nat_gb"]),
        ]
    if mlflow:
        lines += fargate("MLflow", mlflow["tasks"], mlflow["cpu"], mlflow["memory"], hours)
    if database:
        zones = _ZONES if database["multi_az"] else 1
        instance = _instance(given, database["instance_class"])
        storage = zones * database["storage_gb"]
        lines += [
            line("database", zones * hours, "hours", instance),
            line("database: storage", storage, "GB", prices["database_gb_month"]),
        ]
    if training and training.get("gpus"):
        price = _instance(given, training.get("instance_type") or "g5.xlarge")
        lines.append(line("training: GPU", assumed["training_hours"], "hours", price))
    elif training:
        how_long = assumed["training_hours"]
        lines += fargate("training", 1, training["cpu"], training["memory"], how_long)
    secrets = len(sizes.get("secrets") or {}) + bool(database)
    alarms = _ALARMS + bool(database) + bool(sizes.get("prediction_days"))
    return [
        *lines,
        line("logs", assumed["logs_gb"], "GB", prices["logs_gb"]),
        line("metrics of containers", assumed["metrics"], "metrics", prices["metric_month"]),
        line("alarms", alarms, "alarms", prices["alarm_month"]),
        line("dashboard", 1, "dashboard", prices["dashboard_month"]),
        line("secrets", secrets, "secrets", prices["secret_month"]),
        line("artifacts", assumed["artifacts_gb"], "GB", prices["s3_gb_month"]),
        line("images", assumed["images_gb"], "GB", prices["ecr_gb_month"]),
    ]


def _instance(given: dict[str, Any], kind: str) -> float:
    instances: dict[str, float] = given["instances"]
    if kind not in instances:
        known = ", ".join(instances)
        raise UserError(f"{_PRICES} has no price for {kind!r}: add it there; it has {known}")
    return instances[kind]
