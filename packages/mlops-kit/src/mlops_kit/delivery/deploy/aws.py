"""Access to AWS: sessions, clients that retry, and error messages for users."""

from __future__ import annotations

import re
from typing import Any

from mlops_kit.core.errors import UserError, one_line

from ..region import region

# The first boto3 that can continue a paused service deployment; there is none for Python 3.9.
_FIRST_BOTO3 = (1, 43, 11)

_EXPIRED = (
    "ExpiredToken",
    "ExpiredTokenException",
    "RequestExpired",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
)
_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError")
_PASSING = re.compile(
    r"Throttl|TooManyRequests|RequestLimitExceeded|SlowDown|ServiceUnavailable|Internal|ServerException"
)


class Aws:
    """Clients of one region, made on first use."""

    def __init__(self) -> None:
        """Find region and credentials.

        Raises:
            UserError: boto3 is too old for a deployment, or no region is given.
        """
        self._clients: dict[str, Any] = {}
        self._session = _session()

    def client(self, service: str) -> Any:
        """Return the client of `service`."""
        if service not in self._clients:
            from botocore.config import Config

            retries = {"mode": "standard", "total_max_attempts": 8}
            config = Config(retries=retries, connect_timeout=10, read_timeout=60)
            self._clients[service] = self._session.client(service, config=config)
        return self._clients[service]

    @property
    def where(self) -> str:
        """Return region and account for messages: "eu-central-1 of account 123456789012"."""
        account = self.client("sts").get_caller_identity()["Account"]
        return f"{self._session.region_name} of account {account}"

    def renew(self) -> None:
        """Read the credentials again, as they may have been renewed at their source."""
        self._clients.clear()
        self._session = _session()


def _session() -> Any:
    import boto3

    if tuple(int(part) for part in boto3.__version__.split(".")) < _FIRST_BOTO3:
        raise UserError(
            f"deploying needs boto3 1.43.11, which needs Python 3.10; here is boto3 {boto3.__version__}:"
            " make clean, then make install PYTHON=python3.10 or newer"
        )
    return boto3.session.Session(region_name=region())


def errors() -> tuple[type[Exception], ...]:
    """Return the exceptions of boto3 for a request that AWS refuses or that does not reach it, for `except`."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    return (ClientError, BotoCoreError, Boto3Error)


def code(error: Exception) -> str:
    """Return the error code, like "AccessDenied", or an empty string where AWS did not respond."""
    response: dict[str, Any] = getattr(error, "response", {})
    return str(response.get("Error", {}).get("Code", ""))


def is_expired(error: Exception) -> bool:
    """Return whether the credentials have expired or are invalid."""
    return code(error) in _EXPIRED or type(error).__name__ in (
        "NoCredentialsError",
        "CredentialRetrievalError",
        "TokenRetrievalError",
        "UnauthorizedSSOTokenError",
        "SSOTokenLoadError",
    )


def is_denied(error: Exception) -> bool:
    """Return whether the credentials are valid but lack the permission."""
    return code(error) in _DENIED


def is_passing(error: Exception) -> bool:
    """Return whether the error is transient: throttling, a server error (5xx), or no connection."""
    response: dict[str, Any] = getattr(error, "response", {})
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if not response:
        return "Connect" in type(error).__name__ or "Timeout" in type(error).__name__
    return status >= 500 or bool(_PASSING.search(code(error)))


def sentence(error: Exception) -> str:
    """Return a message for the user: AWS's reason, and what to do about it."""
    reason = one_line(error)
    if is_expired(error):
        return f"AWS does not take the credentials: {reason} (log in again, or check AWS_PROFILE)"
    if is_denied(error):
        return f"AWS does not allow this: {reason} (the role of docs/infrastructure.md allows it)"
    return f"AWS said: {reason}"
