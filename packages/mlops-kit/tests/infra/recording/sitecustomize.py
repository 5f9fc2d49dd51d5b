"""Python imports this by itself where its folder is on PYTHONPATH: each call of boto3 goes into the file RECORD_CALLS."""

import json
import os

from botocore.client import BaseClient

_call = BaseClient._make_api_call


def _recorded(self, operation, parameters):
    service = self.meta.service_model.service_name
    line = json.dumps([service, operation, parameters], default=str)
    with open(os.environ["RECORD_CALLS"], "a", encoding="utf-8") as file:  # noqa: PTH123 # quick
        file.write(f"{line}\n")
    return _call(self, operation, parameters)


if "RECORD_CALLS" in os.environ:
    BaseClient._make_api_call = _recorded
