"""The emulator as a process of its own, on ports of its own, and what tests do with it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import boto3
import requests
from botocore.config import Config

from infra.local import bootstrap, oci, settings
from infra.local.images import PACKED

ROOT = Path(__file__).parents[2]
PATIENCE = 30  # seconds until what must come counts as never coming
STUB = Path(__file__).parent / "stub_service.py"
REGION = "eu-west-1"

IN_FLIGHT = (
    "PENDING",
    "IN_PROGRESS",
    "STOP_REQUESTED",
    "ROLLBACK_REQUESTED",
    "ROLLBACK_IN_PROGRESS",
)


def wait(condition, what="it", patience=PATIENCE):
    """Ask again and again until `condition` returns something true, and return that."""
    end = time.monotonic() + patience
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < end, f"{what} did not come within {patience} s"
        time.sleep(0.03)


def three_free_ports() -> int:
    """Return the first of three ports in a row that nobody listens on."""
    # Below the ports that systems give to connections going out, or one of those takes a port before it is used.
    for first in range(20000 + os.getpid() % 9000, 32000, 3):
        listeners = []
        try:
            for port in range(first, first + 3):
                listeners.append(socket.create_server((settings.HOST, port)))
            return first
        except OSError:
            continue
        finally:
            for listener in listeners:
                listener.close()
    raise AssertionError("no three free ports in a row")


class Emulator:
    """`start` it, then use `client`, `fault` and `clear`; `kill` ends it as a power cut would."""

    def __init__(self, folder: Path, minute: float = 0.5) -> None:
        self.folder = folder
        self.port = three_free_ports()
        self.url = f"http://{settings.HOST}:{self.port}"
        self.production = f"http://{settings.HOST}:{self.port + 1}"
        self.test = f"http://{settings.HOST}:{self.port + 2}"
        self.variables = {
            **os.environ,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self.url,
            "AWS_SECRET_ACCESS_KEY": "local",
            "LOCAL_DIR": str(folder),
            "LOCAL_MINUTE": str(minute),
            "LOCAL_PORT": str(self.port),
            "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}",
        }
        self._clients = {}
        self._process = None

    def command(self, *words: str, folder=ROOT, **variables: str) -> subprocess.CompletedProcess:
        """Run `python -m infra.local WORD…` as make does."""
        return subprocess.run(
            [sys.executable, "-m", "infra.local", *words],
            cwd=folder,
            env={**self.variables, **variables},
            capture_output=True,
            text=True,
            timeout=PATIENCE * 3,
        )

    def start(self, empty: bool = False) -> "Emulator":
        """Start it and, unless it has to be `empty`, make what Terraform makes."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "serve.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "infra.local", "serve"],
                cwd=ROOT,
                env=self.variables,
                stdout=log,
                stderr=log,
            )
        wait(self._healthy, "the emulator")
        if not empty:
            bootstrap.bootstrap(settings.Settings(self.port, self.folder, 1.0))
        return self

    def kill(self) -> None:
        """End it without a chance to say goodbye."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """End it and return the exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(PATIENCE)

    def client(self, service: str):
        """Return a boto3 client that tries each request once."""
        if service not in self._clients:
            self._clients[service] = boto3.client(
                service,
                region_name=REGION,
                endpoint_url=self.url,
                aws_access_key_id="local",
                aws_secret_access_key="local",
                config=Config(retries={"total_max_attempts": 1}),
            )
        return self._clients[service]

    @property
    def ecs(self):
        return self.client("ecs")

    def fault(self, kind: str, **details) -> None:
        """Order a fault."""
        answer = requests.post(f"{self.url}/_local/faults", json={"kind": kind, **details})
        assert answer.status_code == 201, answer.text

    def clear(self) -> None:
        """Call all faults off."""
        requests.delete(f"{self.url}/_local/faults").raise_for_status()

    @property
    def contract(self) -> dict:
        """What Terraform tells the deployer."""
        found = self.client("ssm").get_parameter(Name=bootstrap.PARAMETER)
        return json.loads(found["Parameter"]["Value"])

    def push_stub(self) -> str:
        """Push an image of the stub service and return its reference."""
        config = {
            "Entrypoint": ["python3", "stub_service.py"],
            "WorkingDir": "/",
            "Labels": {PACKED: "true"},
        }
        made = oci.image(oci.layer({"stub_service.py": STUB}), config)
        registry = f"{settings.HOST}:{self.port}"
        oci.push(made, registry, bootstrap.NAME, "stub")
        return f"{registry}/{bootstrap.NAME}@{made.digest}"

    def register(self, image: str, family="stub", secrets=(), **environment) -> str:
        """Register a task definition of one container and return its ARN; keywords are its variables."""
        contract = self.contract
        container = {
            "name": "app",
            "image": image,
            "essential": True,
            "portMappings": [{"containerPort": 8000}],
            "environment": [{"name": key, "value": value} for key, value in environment.items()],
            "secrets": list(secrets),
            "stopTimeout": 2,
            "logConfiguration": {
                "logDriver": "awslogs",
                "options": {
                    "awslogs-group": contract["log_group"],
                    "awslogs-region": REGION,
                    "awslogs-stream-prefix": "app",
                },
            },
        }
        made = self.ecs.register_task_definition(
            family=family,
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu="256",
            memory="512",
            executionRoleArn=contract["execution_role"],
            containerDefinitions=[container],
        )
        return made["taskDefinition"]["taskDefinitionArn"]

    def create(self, name: str, task_definition: str, configuration=None, **others) -> dict:
        """Create a service as the deployer does; `configuration` is added to a plain blue/green one."""
        contract = self.contract
        advanced = {
            "alternateTargetGroupArn": contract["green_target_group"],
            "productionListenerRule": contract["production_rule"],
            "testListenerRule": contract["test_rule"],
            "roleArn": contract["load_balancer_role"],
        }
        balancer = {
            "targetGroupArn": contract["blue_target_group"],
            "containerName": "app",
            "containerPort": 8000,
            "advancedConfiguration": advanced,
        }
        network = {
            "subnets": contract["subnets"],
            "securityGroups": contract["security_groups"],
            "assignPublicIp": "DISABLED",
        }
        request = {
            "cluster": contract["cluster"],
            "serviceName": name,
            "taskDefinition": task_definition,
            "desiredCount": 1,
            "launchType": "FARGATE",
            "deploymentController": {"type": "ECS"},
            "healthCheckGracePeriodSeconds": 10,
            "networkConfiguration": {"awsvpcConfiguration": network},
            "loadBalancers": [balancer],
            "deploymentConfiguration": {**configured(), **(configuration or {})},
        }
        return self.ecs.create_service(**{**request, **others})["service"]

    def update(self, name: str, task_definition: str, configuration=None, **others) -> str:
        """Update a service and return the ARN of the deployment that begins."""
        answer = self.ecs.update_service(
            cluster=bootstrap.NAME,
            service=name,
            taskDefinition=task_definition,
            deploymentConfiguration={**configured(), **(configuration or {})},
            **others,
        )
        return answer["service"]["currentServiceDeployment"]

    def service(self, name: str) -> dict:
        return self.ecs.describe_services(cluster=bootstrap.NAME, services=[name])["services"][0]

    def deployment(self, arn: str) -> dict:
        found = self.ecs.describe_service_deployments(serviceDeploymentArns=[arn])
        return found["serviceDeployments"][0]

    def ended(self, arn: str) -> dict:
        """Wait until a deployment has ended and return it."""

        def end():
            found = self.deployment(arn)
            return found if found["status"] not in IN_FLIGHT else None

        return wait(end, "the end of the deployment")

    def reaches(self, arn: str, stage: str) -> dict:
        """Wait until a deployment is in a stage and return it."""

        def there():
            found = self.deployment(arn)
            assert found["status"] in IN_FLIGHT, found
            return found if found.get("lifecycleStage") == stage else None

        return wait(there, stage)

    def waiting_hook(self, arn: str) -> str:
        """Wait until a hook awaits an action and return its id."""

        def waiting():
            hooks = self.deployment(arn)["lifecycleHookDetails"]
            return next(
                (hook["hookId"] for hook in hooks if hook["status"] == "AWAITING_ACTION"), None
            )

        return wait(waiting, "a hook")

    def weights(self, rule: str) -> dict[str, int]:
        """Return the weights of "production" or "test" by blue and green."""
        contract = self.contract
        found = self.client("elbv2").describe_rules(RuleArns=[contract[f"{rule}_rule"]])["Rules"][0]
        groups = found["Actions"][0]["ForwardConfig"]["TargetGroups"]
        by_arn = {group["TargetGroupArn"]: group["Weight"] for group in groups}
        return {colour: by_arn[contract[f"{colour}_target_group"]] for colour in ("blue", "green")}

    def version(self, url: str) -> str:
        """Return the version that answers, or an empty string where none does."""
        answer = requests.get(f"{url}/version", timeout=PATIENCE)
        return answer.json().get("version", "") if answer.ok else ""

    def tasks(self, name: str, status="RUNNING") -> list[dict]:
        arns = self.ecs.list_tasks(cluster=bootstrap.NAME, serviceName=name, desiredStatus=status)
        if not arns["taskArns"]:
            return []
        return self.ecs.describe_tasks(cluster=bootstrap.NAME, tasks=arns["taskArns"])["tasks"]

    def delete(self, name: str) -> None:
        """Delete a service and wait until it is gone."""
        self.ecs.delete_service(cluster=bootstrap.NAME, service=name, force=True)
        wait(lambda: self.service(name)["status"] == "INACTIVE", "the end of the service")

    def _healthy(self) -> bool:
        assert self._process.poll() is None, (self.folder / "serve.log").read_text()
        try:
            return requests.get(f"{self.url}/_local/health", timeout=2).ok
        except (requests.ConnectionError, requests.Timeout):
            return False


def configured() -> dict:
    """Return a plain blue/green deploymentConfiguration; what an update leaves out stays as it was."""
    return {
        "alarms": {"alarmNames": [], "enable": False, "rollback": False},
        "lifecycleHooks": [],
        "strategy": "BLUE_GREEN",
        "bakeTimeInMinutes": 0,
        "maximumPercent": 200,
        "minimumHealthyPercent": 100,
        "deploymentCircuitBreaker": {"enable": True, "rollback": True},
    }


def pause(*stages: str, minutes=60, action="ROLLBACK") -> dict:
    """Return a PAUSE hook."""
    timeout = {"timeoutInMinutes": minutes, "action": action}
    return {"targetType": "PAUSE", "lifecycleStages": list(stages), "timeoutConfiguration": timeout}
