"""Check which steps of docs/first-aws-deployment.md are done in an environment; read-only."""

from __future__ import annotations

from . import aws, ecs, environment, push
from .environment import Environment
from .probe import Check, Probe, failures
from .release import Release
from .settings import load_deploy

# In the order of the document, which names those that can be checked from here.
STEPS = (
    "credentials",
    "infrastructure",
    "image",
    "preflight",
    "deployed",
    "serves",
    "rolled back",
)
_DEPLOYMENTS = 50  # how many are searched for a rollback


class FirstDeployment:
    """The check of one environment, step by step, up to the first that fails."""

    def __init__(self, name: str) -> None:
        """Take the name of the environment.

        Raises:
            UserError: There is no such environment.
        """
        self._name, self._contract = name, load_deploy(name).contract
        self._found: dict[str, str] = {}

    def look(self, tag: str) -> list[Check]:
        """Check the release with the image tag `tag`, or the last one pushed from here, and its environment.

        Returns:
            The checks of the preflight.

        Raises:
            UserError: A step that the next ones need is not done; the message has the command for it.
        """
        self._found["credentials"] = aws.Aws().where
        there = environment.connect(self._name)
        self._found["infrastructure"] = f"the contract {self._contract}"
        release = push.find(there, tag)
        self._found["image"] = release.name
        service = there.ecs.service()
        in_flight = bool(service and there.ecs.deployments(ecs.IN_FLIGHT))
        checks = there.preflight.all(release, service, in_flight)
        if all(check.passed for check in checks):
            self._found["preflight"] = f"all of {len(checks)} checks"
        if service:
            self._check_deployment(there, release)
        return checks

    def rows(self) -> list[list[str]]:
        """Return name, state and evidence of each step, for a table."""
        return [
            [step, "holds" if step in self._found else "not yet", self._found.get(step, "")]
            for step in STEPS
        ]

    def _check_deployment(self, there: Environment, release: Release) -> None:
        if there.records.has_passed(release.digest, there.name):
            self._found["deployed"] = release.tag
        url = there.contract.production_url
        if not failures(Probe(there.config.probe, release).identity(url)):
            self._found["serves"] = f"{url}/version names it"
        for _, record in there.records.last(_DEPLOYMENTS):
            if record["kind"] == "rollback" and record["outcome"] == "deployed":
                self._found["rolled back"] = f"to {record['tag']}, {record['started_at']}"
                return
