"""The AWS region of all clients and resources."""

from __future__ import annotations

import os

from mlops_kit.core.errors import UserError


def region() -> str:
    """Return the region in the order of AWS's SDKs: AWS_REGION, AWS_DEFAULT_REGION, the profile's; else the project's own.

    boto3 alone does not read AWS_REGION. The project's own, which the Makefile passes, is not exported under AWS's
    names: there it would take precedence over the profile's.

    Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-region.html

    Raises:
        UserError: None of them names one, or there is no such profile.
    """
    given = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    found = given or _of_profile() or os.environ.get("PROJECT_REGION")
    if not found:
        raise UserError("no region is given: AWS_REGION=… names the one that everything is in")
    return found


def _of_profile() -> str:
    import botocore.session
    from botocore.exceptions import ProfileNotFound

    try:
        return str(botocore.session.get_session().get_config_variable("region") or "")
    except ProfileNotFound as error:
        raise UserError(f"AWS_PROFILE: {error}") from None
