"""`python -m infra.local up|down|serve|pack|run …`: start, end, fill and use the local ECS emulator."""

from __future__ import annotations

import sys

from ml_template.errors import (
    UserError,
    ends_in_a_sentence,
)

_COMMANDS = ("up", "down", "serve", "pack")


def main() -> None:
    """Run the one command that was given."""
    with ends_in_a_sentence():
        if sys.argv[1:2] == ["run"] and len(sys.argv) > 2:
            from . import command, settings

            command.run(settings.read(), sys.argv[2:])
        if len(sys.argv) != 2 or sys.argv[1] not in _COMMANDS:
            given = " ".join(sys.argv[1:])
            known = f"{', '.join(_COMMANDS)}, run COMMAND …"
            raise UserError(f"the command is {given!r}; accepted: {known}")
        _require_boto3()
        _run(sys.argv[1])


def _run(command: str) -> None:
    # Imported here, because a Python that is refused may lack what these need.
    from . import settings

    given = settings.read()
    if command == "serve":
        from .server import serve

        serve(given)
    elif command == "pack":
        from .pack import pack

        pack(given)
    else:
        from . import background

        getattr(background, command)(given)


def _require_boto3() -> None:
    """Refuse where boto3 does not know native blue/green deployments.

    Raises:
        UserError: It does not.
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
