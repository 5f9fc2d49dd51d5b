"""A pipeline's identity in AWS: the CI system's OIDC token, in the file that boto3 reads, and the token's subject.

Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Optional

from mlops_kit.core.errors import UserError

# GitLab's id_tokens as in .gitlab-ci.yml, CircleCI's own, and that of AzureCLI@2.
TOKENS = ("AWS_WEB_IDENTITY_TOKEN", "CIRCLE_OIDC_TOKEN_V2", "idToken")

_FILE = "AWS_WEB_IDENTITY_TOKEN_FILE"
_AUDIENCE = "sts.amazonaws.com"
_ASSUME = "AssumeRoleWithWebIdentity"


@contextmanager
def token_file() -> Iterator[None]:
    """Write the token of this run to a temporary file for boto3, with which it assumes the role in AWS_ROLE_ARN.

    Only this user can read the file. Where AWS_WEB_IDENTITY_TOKEN_FILE or credentials are set, no file is written.

    Raises:
        UserError: AWS refused the role to this token; the message names the token's subject.
    """
    token = _token_of_a_variable()
    given = any(os.environ.get(name) for name in (_FILE, "AWS_ACCESS_KEY_ID"))
    if given or not (token and os.environ.get("AWS_ROLE_ARN")):
        with _refusals_explained():
            yield
        return
    with NamedTemporaryFile(mode="w", prefix="aws-token-") as file:
        file.write(token)
        file.flush()
        os.environ[_FILE] = file.name
        try:
            with _refusals_explained():
                yield
        finally:
            del os.environ[_FILE]


def identity() -> str:
    """Return a sentence with the subject of this job's token, and with the setting by which a role trusts it.

    Raises:
        UserError: This job has no token.
    """
    token = _token() or _token_of_github()
    if not token:
        raise UserError(
            "this job has no identity token: none of "
            f"{', '.join((_FILE, *TOKENS))} is set, and GitHub gives one only with id-token: write"
        )
    return _sentence(_claims(token))


@contextmanager
def _refusals_explained() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if not _is_refused(error):
            raise
        role = os.environ.get("AWS_ROLE_ARN", "")
        why = _sentence(_claims(_token()))
        raise UserError(f"AWS refuses the role {role} to this job: {why}") from error


def _is_refused(error: Optional[BaseException]) -> bool:
    """Return whether this error, or one of its causes, is from AssumeRoleWithWebIdentity."""
    while error is not None:
        if getattr(error, "operation_name", "") == _ASSUME:
            return True
        error = error.__cause__ or error.__context__
    return False


def _token() -> str:
    with suppress(OSError, KeyError):
        return Path(os.environ[_FILE]).read_text(encoding="utf-8")
    return _token_of_a_variable()


def _token_of_a_variable() -> str:
    return next((os.environ[name] for name in TOKENS if os.environ.get(name)), "")


def _token_of_github() -> str:
    """Return GitHub's token, as the action configure-aws-credentials requests it, or an empty string elsewhere.

    Raises:
        UserError: GitHub does not respond with a token.
    """
    url = os.environ.get("ACTIONS_ID_TOKEN_REQUEST_URL")
    if not url:
        return ""
    import requests

    from mlops_kit.core import http

    headers = {"Authorization": f"Bearer {os.environ.get('ACTIONS_ID_TOKEN_REQUEST_TOKEN', '')}"}
    try:
        answer = http.ask("GET", f"{url}&audience={_AUDIENCE}", 10, headers=headers)
        return str(answer.json()["value"])
    except (requests.RequestException, ValueError, KeyError) as error:
        raise UserError(f"GitHub gave no identity token ({type(error).__name__})") from None


def _claims(token: str) -> dict[str, Any]:
    """Return the claims of a JSON Web Token without checking its signature; none if the text is not one."""
    with suppress(ValueError, IndexError):
        payload = token.split(".")[1]
        found = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return found if isinstance(found, dict) else {}
    return {}


def _sentence(claims: dict[str, Any]) -> str:
    subject, audience = claims.get("sub", "?"), claims.get("aud", "?")
    return (
        f"its token is of the issuer {claims.get('iss', '?')}, for the audience {audience}, and its subject is {subject}."
        " The role has to trust that subject letter by letter: in configs/infra/bootstrap.yaml under deployers,"
        f' subjects: ["{subject}"], then make infra-apply ENV=bootstrap'
    )
