"""The checks before anything is changed, also of `make verify`; read-only."""

from __future__ import annotations

import time
from typing import Any, Optional

from mlops_kit.core.errors import UserError

from . import aws
from .balancer import Balancer
from .container_secrets import Secrets
from .contract import Contract
from .ecr import Ecr
from .probe import Check, connection_problem
from .release import Release
from .settings import DeployConfig

_SCANNED = ("COMPLETE", "ACTIVE")
_SCAN_TO_COME = ("PENDING", "IN_PROGRESS", "ScanNotFoundException")  # the last: right after a push
_SECONDS_TO_SCAN = 300.0
_SEVERITIES = ["CRITICAL", "HIGH", "MEDIUM"]


class Preflight:
    """The checks of one environment."""

    def __init__(self, clients: aws.Aws, config: DeployConfig, contract: Contract) -> None:
        """Take the clients of AWS."""
        self._aws, self._config, self._contract = clients, config, contract
        self._balancer = Balancer(clients.client("elbv2"), contract)
        self._ecr = Ecr(clients.client("ecr"), contract)
        self._secrets_of_tasks = Secrets(clients)

    def all(
        self,
        release: Release,
        service: Optional[dict[str, Any]],
        in_flight: bool,
        is_rollback: bool = False,
        reason: str = "",
    ) -> list[Check]:
        """Check everything that a deployment of `release` needs.

        Args:
            release: The release to deploy.
            service: The ECS service, or None before the first deployment.
            in_flight: A deployment is in flight, so the traffic may be divided.
            is_rollback: The release has served here before: model card, scan, active alarms, divided traffic and
                unhealthy targets do not fail a check.
            reason: Why it is deployed although alarms are active or no target is healthy; if empty, these checks fail.

        Raises:
            ClientError: The credentials have expired; other errors of AWS are failed checks.
        """
        runs = bool(service and service["runningCount"])
        looks = [
            ("deadline", self._deadline),
            ("account", self._account),
            ("image", lambda: self._image(release)),
            ("scan", lambda: self._scan(release, is_rollback)),
            ("model card", lambda: self._model_card(release, is_rollback)),
            ("secrets", self._secrets),
            ("roles", self._roles),
            ("alarms", lambda: self._alarms(is_rollback, reason)),
            ("listeners", self._listeners),
            ("weights", lambda: self._weights(runs and not in_flight and not is_rollback)),
            ("targets", lambda: self._targets(runs, is_rollback or bool(reason))),
        ]
        checks = []
        for name, look in looks:
            try:
                checks.append(look())
            except aws.errors() as error:
                if aws.is_expired(error):
                    raise
                checks.append(Check(name, False, aws.sentence(error)))
        return checks

    def active_alarms(self) -> list[str]:
        """Return the names of the contract's alarms in state ALARM; none where alarms are off."""
        if not (self._config.alarms and self._contract.alarms):
            return []
        answer = self._aws.client("cloudwatch").describe_alarms(
            AlarmNames=self._contract.alarms, AlarmTypes=["MetricAlarm", "CompositeAlarm"]
        )
        found = [*answer.get("MetricAlarms", []), *answer.get("CompositeAlarms", [])]
        return [one["AlarmName"] for one in found if one["StateValue"] == "ALARM"]

    def _deadline(self) -> Check:
        problem = self._config.deadline_problem()
        _, waits = self._config.waits
        fits = f"{self._config.deadline_minutes:g} minutes, of which {waits} are waits"
        return Check("deadline", not problem, problem or fits)

    def _account(self) -> Check:
        found = self._aws.client("sts").get_caller_identity()
        wanted = self._contract.account_id
        detail = f"{found['Arn']} in {found['Account']}"
        if found["Account"] != wanted:
            detail += f", but the contract is of account {wanted}"
        return Check("account", found["Account"] == wanted, detail)

    def _image(self, release: Release) -> Check:
        image, why_not = self._ecr.image_of(release.digest)
        return Check("image", bool(image), why_not or f"{release.tag}, {release.digest[:19]}…")

    def _scan(self, release: Release, is_rollback: bool) -> Check:
        """Check the findings of the scan that the push began; an image that was never scanned fails as well."""
        if self._config.blocking_findings == "none" or is_rollback:
            why = "it is a rollback" if is_rollback else "blocking_findings: none"
            return Check("scan", True, f"not asked for ({why})")
        image, _ = self._ecr.image_of(release.digest)
        if not image:
            return Check("scan", False, "NOT SCANNED: there is no image")
        deadline = time.monotonic() + _SECONDS_TO_SCAN
        status, counts = self._ecr.findings(image)
        while status in _SCAN_TO_COME and time.monotonic() < deadline:
            time.sleep(self._config.poll_seconds)
            status, counts = self._ecr.findings(image)
        if status not in _SCANNED:
            detail = f'NOT SCANNED: {status} (DEPLOY_SET="blocking_findings=none" deploys it so)'
            return Check("scan", False, detail)
        blocking = _SEVERITIES[: _SEVERITIES.index(self._config.blocking_findings) + 1]
        found = [f"{counts[name]} {name}" for name in blocking if counts.get(name)]
        return Check("scan", not found, ", ".join(found) or f"no {' or '.join(blocking)} finding")

    def _model_card(self, release: Release, is_rollback: bool) -> Check:
        """Check that the model card is complete, where a release has to pass another environment first."""
        name, again = "model card", "make register export, then a new image"
        if not self._config.requires or is_rollback:
            return Check(name, True, "not asked for")
        if not release.model_card:
            return Check(name, False, f"the release has none: {again}")
        if release.model_card_lacks:
            empty = ", ".join(release.model_card_lacks)
            detail = (
                f"nothing is written in configs/model-card.yaml under {empty}: write it, {again}"
            )
            return Check(name, False, detail)
        return Check(name, True, "written")

    def _secrets(self) -> Check:
        missing = []
        for variable, arn in self._contract.secrets.items():
            try:
                self._secrets_of_tasks.find(arn)
            except aws.errors() as error:
                if aws.code(error) not in ("ResourceNotFoundException", "ParameterNotFound"):
                    raise
                missing.append(f"{variable} ({arn}) is not there")
        names = ", ".join(self._contract.secrets) or "none"
        return Check("secrets", not missing, "; ".join(missing) or names)

    def _roles(self) -> Check:
        contract = self._contract
        missing = []
        for arn in (contract.task_role, contract.execution_role, contract.load_balancer_role):
            try:
                self._aws.client("iam").get_role(RoleName=arn.rpartition("/")[2])
            except aws.errors() as error:
                if aws.code(error) != "NoSuchEntity":
                    raise
                missing.append(f"{arn} is not there")
        return Check("roles", not missing, "; ".join(missing) or "task, execution, load balancer")

    def _alarms(self, is_rollback: bool, reason: str) -> Check:
        """Check that none is in state ALARM: it might fail the deployment, or ECS might ignore all alarms during it.

        AWS documents the second, for rolling updates only.
        Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-alarm-failure.html
        """
        if is_rollback:
            return Check("alarms", True, "off, it is a rollback")
        active = self.active_alarms()
        if not active:
            return Check("alarms", True, "none rings")
        found = f"{', '.join(active)} in state ALARM"
        if reason:
            return Check("alarms", True, f"{found}: alarms are off for this deployment")
        detail = f'{found}: wait until it is over, or make deploy with REASON="…", which is kept and puts alarms off'
        return Check("alarms", False, detail)

    def _listeners(self) -> Check:
        """Check that the deployer can reach both listeners: otherwise the probe would fail when all tasks run."""
        contract, seconds = self._contract, self._config.probe.timeout_seconds
        for name, url in (("test", contract.test_url), ("production", contract.production_url)):
            problem = connection_problem(url, seconds)
            if problem:
                detail = (
                    f"{url} ({name}) is not reached from here: {problem}; deploy from a machine in its network, or let"
                    f" this one in: trusted_cidrs in configs/infra/{contract.environment}.yaml, then make"
                    f" infra-apply ENV={contract.environment}"
                )
                return Check("listeners", False, detail)
        return Check("listeners", True, "production and test are reached")

    def _weights(self, whole: bool) -> Check:
        """Check the weights of the listener rules: ECS does not check them before it shifts traffic."""
        contract = self._contract
        rules = {"production": contract.production_rule, "test": contract.test_rule}
        groups = {name: set(self._balancer.weights(rule)) for name, rule in rules.items()}
        wanted = {contract.blue_target_group, contract.green_target_group}
        for name, found in groups.items():
            if not found or not found <= wanted:
                strange = ", ".join(sorted(found - wanted)) or "nothing"
                detail = f"the {name} rule forwards to {strange}, not to blue and green only"
                return Check("weights", False, detail)
        if groups["production"] | groups["test"] != wanted:
            return Check("weights", False, "one of the target groups is on neither rule")
        production = self._balancer.production()
        detail = ", ".join(f"{colour} {weight:g} %" for colour, weight in production.items())
        return Check(
            "weights", not whole or max(production.values()) == 100, f"production: {detail}"
        )

    def _targets(self, runs: bool, may_be_ill: bool) -> Check:
        if not runs:
            return Check("targets", True, "no task runs yet")
        production = self._balancer.production()
        colour = max(production, key=lambda name: production[name])
        states = self._balancer.health(self._balancer.target_group(colour))
        healthy = states.count("healthy")
        detail = f"{colour}: {healthy} of {len(states)} healthy"
        if not (healthy or may_be_ill):
            detail += ' (make rollback takes that, and make deploy with REASON="…", which is kept)'
        return Check("targets", healthy > 0 or may_be_ill, detail)


def require(checks: list[Check]) -> None:
    """Require that all checks passed.

    Raises:
        UserError: Some failed; the message lists them.
    """
    failed = [f"{check.name}: {check.detail}" for check in checks if not check.passed]
    if failed:
        raise UserError("; ".join(failed))
