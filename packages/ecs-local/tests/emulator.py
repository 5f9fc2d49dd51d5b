"""The emulator with an account in it, and its operations for tests."""

import json

import requests

from ecs_local import testing
from ecs_local.testing import PATIENCE, wait

from . import account, stub_image

IN_FLIGHT = (
    "PENDING",
    "IN_PROGRESS",
    "STOP_REQUESTED",
    "ROLLBACK_REQUESTED",
    "ROLLBACK_IN_PROGRESS",
)


class Emulator(testing.Emulator):
    """An emulator with an account for a service."""

    def start(self) -> "Emulator":
        """Start it and, the first time, create the account."""
        super().start()
        ssm = self.client("ssm")
        try:
            ssm.get_parameter(Name=account.PARAMETER)
        except ssm.exceptions.ParameterNotFound:
            account.create(self)
        return self

    @property
    def contract(self) -> dict:
        """The account's resources."""
        found = self.client("ssm").get_parameter(Name=account.PARAMETER)
        return json.loads(found["Parameter"]["Value"])

    def push_stub(self) -> str:
        """Push an image of the stub service and return its reference."""
        digest = stub_image.push(f"{self.url}/v2/{account.NAME}", "stub")
        return f"127.0.0.1:{self.port}/{account.NAME}@{digest}"

    def register(self, image: str, family="stub", secrets=(), **environment) -> str:
        """Register a task definition of one container and return its ARN; keywords are its variables."""
        contract = self.contract
        container = {
            "name": "app",
            "image": image,
            "essential": True,
            "portMappings": [{"containerPort": account.CONTAINER_PORT}],
            "environment": [{"name": key, "value": value} for key, value in environment.items()],
            "secrets": list(secrets),
            "stopTimeout": 2,
            "logConfiguration": {
                "logDriver": "awslogs",
                "options": {
                    "awslogs-group": contract["log_group"],
                    "awslogs-region": self.region,
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
            "containerPort": account.CONTAINER_PORT,
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
            cluster=account.NAME,
            service=name,
            taskDefinition=task_definition,
            deploymentConfiguration={**configured(), **(configuration or {})},
            **others,
        )
        return answer["service"]["currentServiceDeployment"]

    def service(self, name: str) -> dict:
        return self.ecs.describe_services(cluster=account.NAME, services=[name])["services"][0]

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
        arns = self.ecs.list_tasks(cluster=account.NAME, serviceName=name, desiredStatus=status)
        if not arns["taskArns"]:
            return []
        return self.ecs.describe_tasks(cluster=account.NAME, tasks=arns["taskArns"])["tasks"]

    def delete(self, name: str) -> None:
        """Delete a service and wait until it is gone."""
        self.ecs.delete_service(cluster=account.NAME, service=name, force=True)
        wait(lambda: self.service(name)["status"] == "INACTIVE", "the end of the service")


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
