"""`python -m ecs_local up|serve|down|run …`: start, stop and use the emulator."""

from __future__ import annotations

import sys

from . import settings, worlds
from .errors import UserError, ends_in_a_sentence

_COMMANDS = ("up", "down", "serve")


def main() -> None:
    """Run the one command that was given."""
    with ends_in_a_sentence():
        name, *words = sys.argv[1:] or [""]
        if name == "run" and words:
            from .command import run

            run(settings.read(), words)
        if name not in _COMMANDS or (words and name == "down"):
            given = " ".join(sys.argv[1:])
            raise UserError(
                f"the command is {given!r}; accepted: {', '.join(_COMMANDS)}, run COMMAND …"
            )
        answers = _answers(words)
        _require_boto3()
        # Imported here, because a Python that is refused may lack what these need.
        if name == "serve":
            from .server import serve

            serve(settings.read(), answers)
        else:
            from . import background

            if name == "up":
                background.up(settings.read(), answers)
            else:
                background.down(settings.read())


def _answers(words: list[str]) -> dict[str, str]:
    try:
        return worlds.read(words)
    except ValueError as error:
        raise UserError(str(error)) from None


def _require_boto3() -> None:
    """Require a boto3 that has ECS's native blue/green deployments.

    Raises:
        UserError: It is too old.
    """
    import botocore.session

    operations = botocore.session.get_session().get_service_model("ecs").operation_names
    if "ContinueServiceDeployment" not in operations:
        version = "{}.{}".format(*sys.version_info)
        raise UserError(
            f"boto3 on Python {version} is too old for ECS's own blue/green deployments: take Python 3.10 or newer"
        )


if __name__ == "__main__":
    main()
