"""The subcommands of the image: arguments and printing, as in cli.py, which adds them to its own."""

# No `from __future__ import annotations` here: on Python 3.9 typer would lose every option's variable.

from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from mlops_kit.core.console import echo

app = typer.Typer()

Base = Annotated[
    str, typer.Option(envvar="BASE", help="The base image; default: python:X.Y-slim as in .venv.")
]
CaBundle = Annotated[
    Optional[Path], typer.Option(envvar="CA_BUNDLE", help="Certificates for the build; not kept.")
]
PipConf = Annotated[
    Optional[Path], typer.Option(envvar="PIP_CONF", help="pip's settings for the build; not kept.")
]
Image = Annotated[str, typer.Option(envvar="IMAGE", help="Default: the one that make image built.")]


@app.command("image")
def build(
    base: Base = "",
    allow_dirty: Annotated[bool, typer.Option(envvar="ALLOW_DIRTY")] = False,
    ca_bundle: CaBundle = None,
    pip_conf: PipConf = None,
    cache: Annotated[
        Optional[Path],
        typer.Option(envvar="BUILD_CACHE", help="A folder for layers; needs buildx."),
    ] = None,
) -> None:
    """Build the image of the service around the exported model."""
    from . import build as image

    done = image.build(image.Options(base, allow_dirty, ca_bundle, pip_conf, cache))
    if done["model_commit"] != done["commit"]:
        echo(f"note: the model was trained at commit {done['model_commit'][:12]}")
    echo(
        f"image: {done['tag']} ({done['bytes'] / 1e6:.0f} MB on {done['base']}), what is in it:"
        " artifacts/sbom.cdx.json; next: make image-test image-scan"
    )


@app.command("local-release")
def local_release() -> None:
    """Pack the service and the exported model into an image for ENV=local, without Docker, and push it there."""
    from .. import local_aws
    from . import packed_image

    done = packed_image.pack(local_aws.port())
    echo(f"local-release: {done.record['tag']} ({done.record['reference']}), {done.how}")


@app.command("image-train")
def build_train(
    base: Base = "",
    allow_dirty: Annotated[bool, typer.Option(envvar="ALLOW_DIRTY")] = False,
    ca_bundle: CaBundle = None,
    pip_conf: PipConf = None,
) -> None:
    """Build the training image; for GPUs, give a base image with their libraries (BASE=…)."""
    from . import build as image

    done = image.build_train(image.Options(base, allow_dirty, ca_bundle, pip_conf))
    echo(
        f"image: {done['tag']} ({done['bytes'] / 1e6:.0f} MB); run it with MLFLOW_TRACKING_URI given"
    )


@app.command("image-push")
def push(
    registry: Annotated[str, typer.Option(envvar="REGISTRY", help="host/path")] = "",
    user: Annotated[str, typer.Option(envvar="REGISTRY_USER", help="Default: no login.")] = "",
    password: Annotated[Optional[str], typer.Option(envvar="REGISTRY_PASSWORD")] = None,
) -> None:
    """Push the built image and record its digest."""
    from . import build as image

    done = image.push_to(registry, (user, password or "") if user else None)
    echo(f"pushed: {done['reference']} (noted in artifacts/image.json)")


@app.command("image-scan")
def scan(image_name: Annotated[str, typer.Option("--image", envvar="IMAGE")] = "") -> None:
    """Scan the image for known vulnerabilities; exit 1 if a fixed release exists."""
    from . import build as image
    from . import scan as image_scan

    report = image_scan.scan(image_name or image.built()["tag"])
    failed = [_show("Python packages", report["python"], "make lock image")]
    failed.append(_show("system packages", report["system"], "make image on a fresh BASE"))
    if any(failed):
        raise typer.Exit(1)


def _show(what: str, report: dict[str, Any], remedy: str) -> bool:
    """Print one part of the scan; return whether it failed."""
    from ..dependency_audit import sentences

    for line in sentences(report):
        echo(line)
    if report["status"] == "not audited":
        echo(f"image scan: {what} were NOT SCANNED ({report['reason']})")
    elif report["status"] == "vulnerable":
        echo(f"image scan: vulnerable {what}; {remedy} brings fixed releases")
    else:
        echo(
            f"image scan: {what}: clean"
            + (" but for what is held back" if report["held_back"] else "")
        )
    return bool(report["status"] == "vulnerable")


@app.command("compose-up")
def compose_up(
    service_image: Image = "",
    base: Base = "",
    ca_bundle: CaBundle = None,
    pip_conf: PipConf = None,
    service_port: Annotated[int, typer.Option(envvar="SERVICE_PORT")] = 8000,
    mlflow_port: Annotated[int, typer.Option(envvar="MLFLOW_PORT")] = 5000,
) -> None:
    """Start the service and MLflow with Postgres and an object store."""
    from . import build as image
    from . import compose

    options = image.Options(base, False, ca_bundle, pip_conf)
    compose.up(options, service_image or image.built()["tag"], service_port, mlflow_port)
    mlflow = f"http://127.0.0.1:{mlflow_port}"
    echo(
        f"running: the service on http://127.0.0.1:{service_port}, MLflow on {mlflow}"
        f" (MLFLOW_TRACKING_URI={mlflow} make pipeline); stop: make compose-down"
    )


@app.command("compose-down")
def compose_down() -> None:
    """Stop what compose-up started; its volumes stay."""
    from . import compose

    compose.down()
    echo("stopped: runs, models and passwords stay (docker volume ls, artifacts/compose.env)")
