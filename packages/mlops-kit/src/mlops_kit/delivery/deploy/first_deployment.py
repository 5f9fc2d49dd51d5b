"""Which steps of docs/first-aws-deployment.md hold in an environment; everything here only reads."""

from __future__ import annotations

from . import aws, ecs, environment, push
from .environment import Environment
from .probe import Check, Probe, failures
from .release import Release
from .settings import load_deploy

# In the order of the document, which names those that can be looked at from here.
STEPS = (
    "credentials",
    "infrastructure",
    "image",
    "preflight",
    "deployed",
    "serves",
    "rolled back",
)
_DEPLOYMENTS = 50  # among which a rollback is looked for


class FirstDeployment:
    """A look at one environment, step by step, as far as it goes."""

    def __init__(self, name: str) -> None:
        """Begin with nothing that holds in the environment `name`.

        Raises:
            UserError: There is none of this name.
        """
        self._name, self._contract = name, load_deploy(name).contract
        self._found: dict[str, str] = {}

    def look(self, tag: str) -> list[Check]:
        """Look at the release with the image tag `tag`, or the one that was last pushed from here, and at all around it.

        Returns the checks of the preflight.

        Raises:
            UserError: A step does not hold that the next ones stand on; the sentence says how to do it.
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
            self._look_at_what_runs(there, release)
        return checks

    def rows(self) -> list[list[str]]:
        """Return for each step its name, whether it holds, and what shows that."""
        return [
            [step, "holds" if step in self._found else "not yet", self._found.get(step, "")]
            for step in STEPS
        ]

    def _look_at_what_runs(self, there: Environment, release: Release) -> None:
        if there.records.has_passed(release.digest, there.name):
            self._found["deployed"] = release.tag
        url = there.contract.production_url
        if not failures(Probe(there.config.probe, release).identity(url)):
            self._found["serves"] = f"{url}/version names it"
        for _, record in there.records.last(_DEPLOYMENTS):
            if record["kind"] == "rollback" and record["outcome"] == "deployed":
                self._found["rolled back"] = f"to {record['tag']}, {record['started_at']}"
                return
