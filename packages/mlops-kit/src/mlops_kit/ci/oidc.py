"""Who a pipeline is in AWS: the identity token that a CI system hands over in a variable, as the file that boto3 reads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import NamedTemporaryFile

# GitLab's id_tokens as .gitlab-ci.yml names it, CircleCI's own, and what AzureCLI@2 sets.
TOKENS = ("AWS_WEB_IDENTITY_TOKEN", "CIRCLE_OIDC_TOKEN_V2", "idToken")

_FILE = "AWS_WEB_IDENTITY_TOKEN_FILE"


@contextmanager
def handed_over() -> Iterator[None]:
    """Give boto3 the token of this run for the block, where AWS_ROLE_ARN says which role it is for.

    The file is of this user only. Where AWS_WEB_IDENTITY_TOKEN_FILE is set, or credentials are, nothing is done.
    """
    token = next((os.environ[name] for name in TOKENS if os.environ.get(name)), "")
    given = any(os.environ.get(name) for name in (_FILE, "AWS_ACCESS_KEY_ID"))
    if given or not (token and os.environ.get("AWS_ROLE_ARN")):
        yield
        return
    with NamedTemporaryFile(mode="w", prefix="aws-token-") as file:
        file.write(token)
        file.flush()
        os.environ[_FILE] = file.name
        yield
        del os.environ[_FILE]
