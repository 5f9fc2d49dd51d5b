"""The patches of moto's budgets and bucket policies, for Terraform."""

import json

import pytest
from botocore.exceptions import ClientError

from ecs_local import settings

BUDGET = {
    "BudgetName": "b",
    "BudgetType": "COST",
    "TimeUnit": "MONTHLY",
    "BudgetLimit": {"Amount": "10", "Unit": "USD"},
}
NOTIFICATION = {
    "NotificationType": "ACTUAL",
    "ComparisonOperator": "GREATER_THAN",
    "Threshold": 80.0,
    "ThresholdType": "PERCENTAGE",
}
SUBSCRIBER = {"SubscriptionType": "EMAIL", "Address": "somebody@example.com"}


def test_budgets_have_subscribers_changes_and_tags(emulator):
    budgets = emulator.client("budgets")
    there = {"AccountId": settings.ACCOUNT, "BudgetName": "b"}
    arn = f"arn:aws:budgets::{settings.ACCOUNT}:budget/b"
    budgets.create_budget(
        AccountId=settings.ACCOUNT,
        Budget=BUDGET,
        NotificationsWithSubscribers=[
            {"Notification": NOTIFICATION, "Subscribers": [SUBSCRIBER]},
        ],
        ResourceTags=[{"Key": "a", "Value": "1"}],
    )
    found = budgets.describe_subscribers_for_notification(**there, Notification=NOTIFICATION)
    assert found["Subscribers"] == [SUBSCRIBER]
    other = {**NOTIFICATION, "Threshold": 90.0}
    with pytest.raises(ClientError, match="doesn't exist"):
        budgets.describe_subscribers_for_notification(**there, Notification=other)
    changed = {**BUDGET, "BudgetLimit": {"Amount": "20", "Unit": "USD"}}
    budgets.update_budget(AccountId=settings.ACCOUNT, NewBudget=changed)
    assert budgets.describe_budget(**there)["Budget"]["BudgetLimit"]["Amount"] == "20"
    budgets.tag_resource(ResourceARN=arn, ResourceTags=[{"Key": "b", "Value": "2"}])
    budgets.untag_resource(ResourceARN=arn, ResourceTagKeys=["a"])
    tags = budgets.list_tags_for_resource(ResourceARN=arn)["ResourceTags"]
    assert tags == [{"Key": "b", "Value": "2"}]


def test_a_bucket_that_wants_tls_takes_what_comes_here(emulator):
    s3 = emulator.client("s3")
    where = {"LocationConstraint": emulator.region}
    s3.create_bucket(Bucket="tls", CreateBucketConfiguration=where)
    refusal = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": ["arn:aws:s3:::tls", "arn:aws:s3:::tls/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    s3.put_bucket_policy(
        Bucket="tls", Policy=json.dumps({"Version": "2012-10-17", "Statement": [refusal]})
    )
    s3.put_object(Bucket="tls", Key="k", Body=b"x")
    assert s3.get_object(Bucket="tls", Key="k")["Body"].read() == b"x"
    del refusal["Condition"]
    s3.put_bucket_policy(
        Bucket="tls", Policy=json.dumps({"Version": "2012-10-17", "Statement": [refusal]})
    )
    with pytest.raises(ClientError, match=r"403|Forbidden|AccessDenied"):
        s3.get_object(Bucket="tls", Key="k")
