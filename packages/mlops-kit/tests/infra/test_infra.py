"""An account's whole life: applied, looked at, deployed to, drifted, destroyed. The tests build on each other, in this order."""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path

import pytest
import requests
import yaml
from mlflow.server import security_utils

from ecs_local import settings
from mlops_kit.delivery.terraform import roots

from ml_template.__main__ import PROJECT

from ..deploy.local_ecs import REGION, SOURCES
from ..deploy.site import PATIENCE, made_site
from . import needs, policies

pytestmark = pytest.mark.skipif(sys.version_info < (3, 10), reason="needs boto3 for Python 3.10")

NAME = PROJECT.name

# What a plan shows right after an apply, though nothing differs: type and argument, and why.
FALSE_DIFFERENCES = {
    (
        "aws_vpc_security_group_ingress_rule",
        "description",
    ): "moto forgets it where the source is a group",
    (
        "aws_vpc_security_group_egress_rule",
        "description",
    ): "moto forgets it where the target is a group",
}

# What the deploy role may do and a deployment here does not: the action, and who needs it.
GRANTED_FOR = {
    "cloudwatch:DeleteAlarms": "target tracking",
    "cloudwatch:PutMetricAlarm": "target tracking",
    "ecr:BatchCheckLayerAvailability": "docker push",
    "ecr:CompleteLayerUpload": "docker push",
    "ecr:GetAuthorizationToken": "docker login",
    "ecr:GetDownloadUrlForLayer": "docker push",
    "ecr:InitiateLayerUpload": "docker push",
    "ecr:UploadLayerPart": "docker push",
    "ecs:RunTask": "make train-remote",
    "iam:CreateServiceLinkedRole": "the first autoscaling of an account",
}

KEY = {"X-API-Key": "0123456789abcdef"}


@pytest.fixture(scope="module")
def contract(account, emulator) -> dict:
    found = emulator.client("ssm").get_parameter(Name=f"/{NAME}/staging/deploy")
    return json.loads(found["Parameter"]["Value"])


@pytest.fixture(scope="module")
def calls(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("calls") / "calls.jsonl"


@pytest.fixture(scope="module")
def site(account, emulator, models, calls, tmp_path_factory):
    """A function from a name to a site that deploys to staging, through the load balancer's own name."""

    def make(name: str):
        recording = Path(__file__).parent / "recording"
        return made_site(
            tmp_path_factory.mktemp("site"),
            name,
            models,
            emulator,
            ENV="staging",
            # DNS does not know the load balancer: the emulator, asked as a proxy, does.
            HTTP_PROXY=emulator.production,
            NO_PROXY=settings.HOST,
            PYTHONPATH=f"{recording}:{SOURCES}",
            RECORD_CALLS=str(calls),
        )

    return make


def in_production(contract, emulator) -> str:
    proxies = {"http": emulator.production}
    url = f"{contract['production_url']}/version"
    return requests.get(url, headers=KEY, proxies=proxies, timeout=10).json()["version"]


def real(changes: list[dict]) -> list[str]:
    """Return the addresses of changes that are no known false difference."""
    return sorted(
        one["address"]
        for one in changes
        if one["actions"] != ["update"]
        or any((one["type"], key) not in FALSE_DIFFERENCES for key in one["differs"])
    )


def test_without_its_bucket_of_states_nothing_is_applied(checkout, emulator):
    if emulator.client("s3").list_buckets()["Buckets"]:
        pytest.fail("the account is not empty")
    done = checkout.run("infra-plan", "staging")
    assert done.code == 2
    assert "make infra-apply ENV=bootstrap makes it" in done.out


def test_states_are_in_the_bucket_and_not_in_the_checkout(account, emulator):
    bucket = f"{roots.short(NAME)}-terraform-{settings.ACCOUNT}"
    listed = emulator.client("s3").list_objects_v2(Bucket=bucket)["Contents"]
    assert {one["Key"] for one in listed} == {
        f"{name}.tfstate" for name in ("bootstrap", "shared", "staging")
    }
    left = [path.name for path in (account.folder / "infra").rglob("*") if path.is_file()]
    assert [name for name in left if "tfstate" in name or "override" in name] == []


def test_a_second_plan_finds_nothing_to_do(account):
    assert real(account.changes("staging")) == []
    assert account.changes("shared") == []
    assert account.changes("bootstrap") == []


def test_no_policy_allows_everything_on_everything(account, emulator):
    found = list(policies.role_policies(emulator.client("iam")))
    assert len(found) == 7  # two deploy roles, and five of the environment
    for name, _, documents in found:
        for document in documents:
            for statement in policies.statements(document):
                assert statement["Effect"] == "Allow"
                actions = policies.listed(statement["Action"])
                resources = policies.listed(statement["Resource"])
                assert [one for one in actions if "*" in one] == [], name
                if any(one == "*" for one in resources):
                    assert "iam:PassRole" not in actions, name


def test_roles_are_passed_by_name_and_only_to_ecs(account, emulator):
    passing = 0
    for name, _, documents in policies.role_policies(emulator.client("iam")):
        for document in documents:
            for statement in policies.statements(document):
                if "iam:PassRole" not in policies.listed(statement["Action"]):
                    continue
                passing += 1
                resources = policies.listed(statement["Resource"])
                assert [one for one in resources if "*" in one or ":role/" not in one] == [], name
                (to,) = policies.listed(
                    statement["Condition"]["StringEquals"]["iam:PassedToService"]
                )
                assert to in ("ecs.amazonaws.com", "ecs-tasks.amazonaws.com"), name
    assert passing == 6


def test_only_this_repository_and_environment_may_deploy(account, emulator):
    settings_file = account.folder / "configs/infra/bootstrap.yaml"
    deployers = yaml.safe_load(settings_file.read_text())["deployers"]
    for name, trust, _ in policies.role_policies(emulator.client("iam")):
        (statement,) = policies.statements(trust)
        if not name.endswith("-deploy"):
            assert statement["Action"] == "sts:AssumeRole", name
            assert set(statement["Principal"]) == {"Service"}, name
            # AWS' policy for the role on the load balancer has no condition.
            to_ecs = statement["Principal"]["Service"] == "ecs.amazonaws.com"
            here = {} if to_ecs else {"StringEquals": {"aws:SourceAccount": settings.ACCOUNT}}
            assert statement.get("Condition", {}) == here, name
            continue
        environment = name.split("-")[-2]
        assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
        assert list(statement["Principal"]) == ["Federated"]
        (conditions,) = statement["Condition"].values()
        assert list(statement["Condition"]) == ["StringEquals"]
        subjects = next(value for key, value in conditions.items() if key.endswith(":sub"))
        assert policies.listed(subjects) == deployers[environment]["subjects"]
        assert {one.partition(":environment:")[2] for one in policies.listed(subjects)} == {
            environment
        }
        assert [value for key, value in conditions.items() if key.endswith(":aud")] == [
            "sts.amazonaws.com"
        ]


def test_buckets_refuse_what_is_not_encrypted_and_what_is_public(account, emulator):
    s3 = emulator.client("s3")
    buckets = [one["Name"] for one in s3.list_buckets()["Buckets"]]
    assert len(buckets) == 3
    for bucket in buckets:
        (statement,) = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
        assert statement["Effect"] == "Deny"
        assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        blocked = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
        assert set(blocked.values()) == {True}
        assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"


def test_the_world_reaches_the_service_and_nothing_else(account, emulator):
    rules = emulator.client("ec2").describe_security_group_rules()["SecurityGroupRules"]
    opened = {
        rule["FromPort"]
        for rule in rules
        if not rule["IsEgress"] and rule.get("CidrIpv4") == "0.0.0.0/0"
    }
    assert opened == {80}


def test_mlflow_is_asked_by_its_names_and_addresses_only(account, emulator):
    """As MLflow itself compares them."""
    found = emulator.ecs.describe_task_definition(taskDefinition=f"{NAME}-staging-mlflow")
    (container,) = found["taskDefinition"]["containerDefinitions"]
    variables = {one["name"]: one["value"] for one in container["environment"]}
    allowed = variables["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    (balancer,) = emulator.client("elbv2").describe_load_balancers(
        Names=[f"{roots.short(NAME)}-staging-ml"]
    )["LoadBalancers"]
    # The second subnet of the private ones, 10.20.144.0/20, and the first public one.
    for host in (f"{balancer['DNSName']}:5000", "10.20.159.255:5000", "10.20.0.7:5000"):
        assert security_utils.is_allowed_host_header(allowed, host), host
    for host in ("10.evil.example", "10.20.1.7.evil.example:5000", "10.20.160.1:5000"):
        assert not security_utils.is_allowed_host_header(allowed, host), host


def test_rollback_is_published_to_the_alarm_topic(account, emulator):
    (topic,) = emulator.client("sns").list_topics()["Topics"]
    attributes = emulator.client("sns").get_topic_attributes(TopicArn=topic["TopicArn"])
    policy = json.loads(attributes["Attributes"]["Policy"])
    publish = {one["Principal"]["Service"] for one in policies.statements(policy)}
    assert publish == {"cloudwatch.amazonaws.com", "events.amazonaws.com"}
    events = emulator.client("events")
    (target,) = events.list_targets_by_rule(Rule=f"{NAME}-staging-deployments")["Targets"]
    assert target["Arn"] == topic["TopicArn"]


def test_the_deployer_deploys_with_the_contract_that_was_applied(account, site, contract, emulator):
    one, two = site("1"), site("2")
    scaled = "autoscaling={min: 1, max: 2, cpu_percent: 60}"
    done = one.run("deploy", f'"{scaled}"')
    assert done.code == 0, done.out
    assert in_production(contract, emulator) == "1"
    done = site("crashes").run("deploy")
    assert done.code == 3, done.out
    assert in_production(contract, emulator) == "1"
    done = two.run("deploy")
    assert done.code == 0, done.out
    assert in_production(contract, emulator) == "2"
    stuck = site("never listens").start("deploy", "tasks.grace_seconds=60")
    end = time.monotonic() + PATIENCE
    while not _in_flight(emulator, contract):
        assert time.monotonic() < end
        time.sleep(0.1)
    stuck.kill()  # nobody watches it any more, and its lock is nobody's
    stuck.communicate(timeout=PATIENCE)
    done = one.run("rollback")
    assert done.code == 0, done.out
    for command in ("status", "verify", "logs", "deploy-plan"):
        looked = two.run(command)
        assert looked.code == 0, looked.out
    done = one.run("deploy", REASON="last")
    assert done.code == 0, done.out
    kept = _tags(emulator, contract)
    assert {tag.rpartition("-")[0] for tag in kept if tag.startswith("served-")} == {
        "served-staging"
    }
    assert len([tag for tag in kept if tag.startswith("served-")]) == 2  # not of what crashed


def _tags(emulator, contract) -> list[str]:
    repository = contract["repository"].partition("/")[2]
    found = emulator.client("ecr").describe_images(repositoryName=repository)["imageDetails"]
    return [tag for image in found for tag in image.get("imageTags", [])]


def _in_flight(emulator, contract) -> bool:
    found = emulator.ecs.list_service_deployments(
        cluster=contract["cluster"], service=contract["service"], status=["IN_PROGRESS"]
    )
    return bool(found["serviceDeployments"])


def test_the_deploy_role_allows_each_call_of_these_deployments(account, emulator, calls):
    made = [json.loads(line) for line in calls.read_text().splitlines()]
    wanted = {need for call in made for need in needs.of(call, REGION, settings.ACCOUNT)}
    allowed = _deploy_role(emulator)
    lacking = [
        need
        for need in sorted(wanted)
        if not any(policies.allows(one, need) for one in policies.statements(allowed))
    ]
    assert lacking == []
    # And the other way round: what is allowed is used, or stands above with who needs it.
    unused = policies.granted(allowed) - {need.action for need in wanted}
    assert unused == set(GRANTED_FOR)
    print(f"{len(made)} calls, {len(wanted)} needs; granted and not used here: {sorted(unused)}")


def test_the_deploy_role_reaches_no_other_environment(account, emulator):
    allowed = policies.statements(_deploy_role(emulator))
    here = f"{REGION}:{settings.ACCOUNT}"
    cluster = f"{NAME}-production"
    for need in (
        policies.Need("ecs:UpdateService", f"arn:aws:ecs:{here}:service/{cluster}/{cluster}"),
        policies.Need("ssm:GetParameter", f"arn:aws:ssm:{here}:parameter/{NAME}/production/deploy"),
        policies.Need(
            "s3:PutObject",
            f"arn:aws:s3:::{roots.short(NAME)}-records-{settings.ACCOUNT}/passed/production/x.json",
        ),
        policies.Need(
            "iam:PassRole",
            f"arn:aws:iam::{settings.ACCOUNT}:role/{NAME}-production-task",
            (("iam:PassedToService", "ecs-tasks.amazonaws.com"),),
        ),
    ):
        assert [one for one in allowed if policies.allows(one, need)] == [], need


def _deploy_role(emulator) -> dict:
    role = f"{NAME}-staging-deploy"
    found = {
        name: documents for name, _, documents in policies.role_policies(emulator.client("iam"))
    }
    (document,) = found[role]
    return document


def test_drift_is_seen_and_deployments_are_none(account, emulator, contract):
    emulator.client("logs").put_retention_policy(
        logGroupName=contract["log_group"], retentionInDays=1
    )
    emulator.client("s3").delete_public_access_block(
        Bucket=f"{roots.short(NAME)}-staging-artifacts-{settings.ACCOUNT}"
    )
    emulator.client("ssm").put_parameter(Name=f"/{NAME}/staging/deploy", Value="{}", Overwrite=True)
    assert real(account.changes("staging")) == [
        'aws_cloudwatch_log_group.this["app"]',
        "aws_s3_bucket_public_access_block.artifacts",
        "aws_ssm_parameter.contract",
    ]
    emulator.client("ssm").put_parameter(
        Name=f"/{NAME}/staging/deploy", Value=json.dumps(contract), Overwrite=True
    )


def test_what_is_protected_is_not_destroyed(account):
    done = account.run("infra-destroy", "production", AUTO_APPROVE="1", CONFIRM="production")
    assert (done.code, "has protected: true" in done.out) == (2, True), done.out
    done = account.run("infra-destroy", "bootstrap", AUTO_APPROVE="1", CONFIRM="bootstrap")
    assert (done.code, "holds the states of all others" in done.out) == (2, True), done.out


def test_destroy_leaves_nothing_of_the_environment(account, emulator, contract):
    account.must("infra-destroy", "staging", AUTO_APPROVE="1")
    ec2, elbv2 = emulator.client("ec2"), emulator.client("elbv2")
    assert [one for one in ec2.describe_vpcs()["Vpcs"] if not one["IsDefault"]] == []
    assert elbv2.describe_load_balancers()["LoadBalancers"] == []
    assert emulator.client("rds").describe_db_instances()["DBInstances"] == []
    # Its protection was off, as it has to be, and it leaves a last snapshot all the same.
    (snapshot,) = emulator.client("rds").describe_db_snapshots()["DBSnapshots"]
    assert re.fullmatch(rf"{NAME}-staging-mlflow-\d{{14}}", snapshot["DBSnapshotIdentifier"])
    assert emulator.client("ssm").describe_parameters()["Parameters"] == []
    roles = [one["RoleName"] for one in emulator.client("iam").list_roles()["Roles"]]
    assert sorted(roles) == [f"{NAME}-production-deploy", f"{NAME}-staging-deploy"]
    assert emulator.client("budgets").describe_budgets(AccountId=settings.ACCOUNT)["Budgets"] == []
