"""Operations of AWS Budgets that Terraform uses and moto lacks: subscribers, updates and tags."""

from __future__ import annotations

import json
from typing import Any

from moto.budgets.exceptions import NotFoundException
from moto.budgets.models import Budget
from moto.budgets.responses import BudgetsResponse


def complete() -> None:
    """Patch moto: add the operations, and keep the tags of CreateBudget."""
    create = BudgetsResponse.create_budget

    def create_budget(self: Any) -> str:
        answer: str = create(self)
        _budget(self, self._get_param("Budget")["BudgetName"]).tags = _tags(self)
        return answer

    BudgetsResponse.create_budget = create_budget
    for operation in (
        describe_subscribers_for_notification,
        update_budget,
        list_tags_for_resource,
        tag_resource,
        untag_resource,
    ):
        setattr(BudgetsResponse, operation.__name__, operation)


def describe_subscribers_for_notification(self: Any) -> str:
    """Return the subscribers of a notification."""
    wanted = self._get_param("Notification")
    for one in _budget(self, self._get_param("BudgetName")).notifications:
        if _same(one.details, wanted):
            return json.dumps({"Subscribers": one.subscribers})
    raise NotFoundException("Unable to get subscribers - the notification doesn't exist.")


def update_budget(self: Any) -> str:
    """Replace the budget of the same name; notifications and tags stay."""
    new = self._get_param("NewBudget")
    found = _budget(self, new["BudgetName"])
    found.budget = {"TimePeriod": found.budget["TimePeriod"], **new}
    return json.dumps({})


def list_tags_for_resource(self: Any) -> str:
    """Return the tags of a budget."""
    return json.dumps({"ResourceTags": _of_arn(self).tags})


def tag_resource(self: Any) -> str:
    """Add tags to a budget."""
    new = {tag["Key"]: tag for tag in [*_of_arn(self).tags, *_tags(self)]}
    _of_arn(self).tags = list(new.values())
    return json.dumps({})


def untag_resource(self: Any) -> str:
    """Remove tags from a budget."""
    gone = self._get_param("ResourceTagKeys")
    _of_arn(self).tags = [tag for tag in _of_arn(self).tags if tag["Key"] not in gone]
    return json.dumps({})


def _tags(response: Any) -> list[dict[str, str]]:
    return list(response._get_param("ResourceTags") or [])


def _budget(response: Any, name: str) -> Any:
    backend = response.backend
    account = response._get_param("AccountId") or response.current_account
    backend.describe_budget(account_id=account, budget_name=name)  # raises where there is none
    found: Budget = backend.budgets[account][name]
    return found


def _of_arn(response: Any) -> Any:
    # arn:aws:budgets::ACCOUNT:budget/NAME
    return _budget(response, response._get_param("ResourceARN").partition(":budget/")[2])


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Return whether two notifications are equal: thresholds are compared as numbers, omitted keys are ignored."""
    keys = ("NotificationType", "ComparisonOperator", "ThresholdType")
    same_keys = all(one.get(key) == other.get(key) for key in keys if key in one and key in other)
    return same_keys and float(one["Threshold"]) == float(other["Threshold"])
