"""Notices by e-mail: through an SMTP server, or Amazon SES."""

from __future__ import annotations

import html
import os
import smtplib
import ssl
import time
from email.message import EmailMessage
from email.utils import formatdate, getaddresses, make_msgid
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

from mlops_kit.core.errors import UserError, one_line

from .notice import Notice

VARIABLE = "SMTP_URL"

_ACCEPTED = "smtp://user:password@host:587, smtps://user:password@host:465 or ses://REGION"
_PORTS = {"smtp": 587, "smtps": 465}
_SECONDS = 10  # timeout of one response
_ATTEMPTS = 3


class _Server(NamedTuple):
    scheme: str
    host: str
    port: int
    user: str
    password: str


def send(notice: Notice, address: str) -> None:
    """Send the notice from MAIL_FROM to MAIL_TO through the server `address`; no error has its password.

    A password is sent only after STARTTLS (smtp://) or inside TLS (smtps://), to a server whose certificate is valid;
    SSL_CERT_FILE names other authorities.

    Raises:
        UserError: A variable is invalid, or the mail was refused, after three attempts if the error is transient.
    """
    try:
        parts = urlsplit(address)
        server = _server(parts)
    except ValueError:  # a port that is no number
        raise UserError(
            f"{VARIABLE} is no address of a mail server; accepted: {_ACCEPTED}"
        ) from None
    mail = _mail(notice, _addresses("MAIL_FROM")[0], _addresses("MAIL_TO"))
    if parts.scheme == "ses":
        _send_by_ses(mail, parts.netloc)
    else:
        _send_by_smtp(mail, server)


def _server(parts: SplitResult) -> _Server:
    port = parts.port or _PORTS.get(parts.scheme, 0)
    if parts.scheme not in ("ses", *_PORTS) or not parts.hostname:
        raise ValueError
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return _Server(parts.scheme, parts.hostname, port, user, password)


def _addresses(variable: str) -> list[str]:
    """Return the addresses in a variable, separated by commas."""
    given = os.environ.get(variable, "")
    found = [address for _, address in getaddresses([given]) if address]
    if not found or not all(address.count("@") == 1 and address.isprintable() for address in found):
        raise UserError(f"{variable} is {given!r}; accepted: addresses, like team@example.com")
    return found


def _mail(notice: Notice, sender: str, recipients: list[str]) -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = sender, ", ".join(recipients), notice.title
    mail["Date"] = formatdate(localtime=True)
    mail["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2])
    mail["Auto-Submitted"] = "auto-generated"  # no holiday replies (RFC 3834)
    mail.set_content(_text(notice))
    mail.add_alternative(_html(notice), subtype="html")
    return mail


def _text(notice: Notice) -> str:
    lines = [f"{fact.name}: {fact.url or fact.text}" for fact in notice.facts]
    return "\n".join([notice.title, "", *lines, "", notice.summary, ""])


def _html(notice: Notice) -> str:
    def cell(text: str, url: str) -> str:
        shown = html.escape(text)
        return f'<a href="{html.escape(url)}">{shown}</a>' if url else shown

    rows = "".join(
        f"<tr><th align=left>{fact.name}</th><td>{cell(fact.text, fact.url)}</td></tr>"
        for fact in notice.facts
    )
    summary = f"<pre>{html.escape(notice.summary)}</pre>" if notice.summary else ""
    return f"<h3>{html.escape(notice.title)}</h3><table>{rows}</table>{summary}"


def _send_by_smtp(mail: EmailMessage, server: _Server) -> None:
    for left in reversed(range(_ATTEMPTS)):
        try:
            _deliver(mail, server)
            return
        except (smtplib.SMTPException, OSError) as error:
            if not left or not _is_transient(error):
                raise UserError(f"{server.host}:{server.port}: {_reason(error, server)}") from None
        time.sleep(_ATTEMPTS - left)


def _deliver(mail: EmailMessage, server: _Server) -> None:
    trusted = ssl.create_default_context()
    if server.scheme == "smtps":
        connection: smtplib.SMTP = smtplib.SMTP_SSL(
            server.host, server.port, timeout=_SECONDS, context=trusted
        )
    else:
        connection = smtplib.SMTP(server.host, server.port, timeout=_SECONDS)
    with connection:
        if server.scheme == "smtp":
            connection.starttls(context=trusted)
        if server.user:
            connection.login(server.user, server.password)
        connection.send_message(mail)


def _is_transient(error: Exception) -> bool:
    """Return whether a retry may help: no connection, or a code of 400 to 499 (RFC 5321, 4.2.1)."""
    if isinstance(error, smtplib.SMTPResponseException):
        return 400 <= error.smtp_code < 500
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(400 <= code < 500 for code, _ in error.recipients.values())
    # An invalid certificate, or a server without STARTTLS, is not transient.
    return not isinstance(error, (ssl.SSLError, smtplib.SMTPNotSupportedError))


def _reason(error: Exception, server: _Server) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message}"
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return f"{one_line(error)} (nothing is sent without TLS)"
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return f"refused {', '.join(error.recipients)}"
    if isinstance(error, smtplib.SMTPResponseException):
        response = error.smtp_error
        if isinstance(response, bytes):
            response = response.decode(errors="replace")
        text = f"{error.smtp_code} {' '.join(str(response).split())}"
    else:
        text = one_line(error) or type(error).__name__
    return text.replace(server.password, "…") if server.password else text


def _send_by_ses(mail: EmailMessage, region: str) -> None:
    """Send by SES' API, with the current AWS credentials, so that no password is needed.

    Source: https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html
    """
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    bounds = Config(
        connect_timeout=_SECONDS, read_timeout=_SECONDS, retries={"total_max_attempts": _ATTEMPTS}
    )
    try:
        client = boto3.client("sesv2", region_name=region, config=bounds)
        client.send_email(Content={"Raw": {"Data": mail.as_bytes()}})
    except ClientError as error:
        found = error.response["Error"]
        raise UserError(f"SES: {found['Code']}: {' '.join(found['Message'].split())}") from None
    except BotoCoreError as error:
        raise UserError(f"SES: {one_line(error)}") from None
