"""Write the image's software bill of materials (SBOM), from the packages installed in the image itself.

Format: https://cyclonedx.org/docs/1.6/json/
"""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from mlops_kit.core.files import write_text

from . import docker, inventory

SBOM = Path("artifacts/sbom.cdx.json")


def write(image: str, image_id: str) -> None:
    """Write artifacts/sbom.cdx.json (CycloneDX 1.6) for `image`."""
    write_text(SBOM, document(installed(image), image, image_id))


def installed(image: str) -> dict[str, Any]:
    """Run inventory.py in `image`, without a network, and return the packages that it lists."""
    script = Path(inventory.__file__).read_text(encoding="utf-8")
    closed = ["--read-only", "--network", "none", "--cap-drop", "ALL"]
    # As root, to see what root installed in its own home.
    who = ["--user", "0", "--entrypoint", "python3"]
    run = ["run", "--rm", "--interactive", *closed, *who, image, "-I", "-"]
    answer: dict[str, Any] = json.loads(docker.ask(*run, stdin=script))
    return answer


def document(found: dict[str, Any], image: str, image_id: str) -> str:
    """Return the bill of materials of `found`, a result of `installed`, as CycloneDX JSON."""
    name, _, version = image.rpartition(":")
    subject = Component(
        type=ComponentType.CONTAINER, name=name, version=version, bom_ref=f"image:{image_id}"
    )
    bom = Bom(serial_number=uuid.uuid5(uuid.NAMESPACE_URL, image_id))
    bom.metadata.component = subject
    for component in _components(found):
        bom.components.add(component)
    bom.register_dependency(subject, list(bom.components))
    return str(JsonV1Dot6(bom).output_as_string(indent=2)) + "\n"


def _components(found: dict[str, Any]) -> list[Component]:
    components = [_interpreter(found["python"])]
    components += [_python(package) for package in found["packages"]]
    components += [_debian(package, found["system"]) for package in found["debian"] or []]
    unique = {str(component.purl): component for component in components}
    return list(unique.values())


def _interpreter(version: str) -> Component:
    purl = PackageURL("generic", None, "python", version)
    return _component(ComponentType.PLATFORM, purl)


def _python(package: dict[str, str]) -> Component:
    component = _component(
        ComponentType.LIBRARY, PackageURL("pypi", None, package["name"], package["version"])
    )
    if package["license"]:
        component.licenses.add(LicenseExpression(package["license"]))
    return component


def _debian(package: dict[str, str], system: dict[str, str]) -> Component:
    vendor = system.get("ID", "debian")
    where = {
        "arch": package["architecture"],
        "distro": f"{vendor}-{system.get('VERSION_ID', '')}".rstrip("-"),
    }
    purl = PackageURL("deb", vendor, package["name"], package["version"], where)
    return _component(ComponentType.LIBRARY, purl)


def _component(kind: ComponentType, purl: PackageURL) -> Component:
    return Component(type=kind, name=purl.name, version=purl.version, purl=purl, bom_ref=str(purl))
