"""The contents of an image, the reports of its scanners, and its files."""

import json
import re
from pathlib import Path

import cyclonedx.schema
import pytest
from packaging.requirements import Requirement

from mlops_kit.core import provenance
from mlops_kit.delivery.image import build
from mlops_kit.delivery.image import compose as stack
from mlops_kit.delivery.image import inventory, sbom, scan

ROOT = Path(__file__).parents[4]
DOCKERFILE = (ROOT / "docker/Dockerfile").read_text()

FOUND = {
    "python": "3.11.7",
    "system": {"ID": "debian", "VERSION_ID": "12"},
    "debian": [
        {"name": "libssl3", "version": "3.0.17-1~deb12u2", "architecture": "amd64"},
        {"name": "tzdata", "version": "2025b-0+deb12u1", "architecture": "all"},
    ],
    "packages": [
        {"name": "numpy", "version": "2.4.6", "license": "BSD-3-Clause AND MIT"},
        {"name": "PyYAML", "version": "6.0.3", "license": ""},
        {"name": "PyYAML", "version": "6.0.3", "license": ""},
    ],
}

STATUS = """\
Package: libssl3
Status: install ok installed
Architecture: amd64
Version: 3.0.17-1~deb12u2
Description: Secure Sockets Layer toolkit
 shared libraries

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1.0
"""


def pins(path):
    """The lock's lines without hashes, by name: several where Pythons differ."""
    lines = re.findall(r"^[A-Za-z0-9].*?(?= \\$)", (ROOT / path).read_text(), re.M)
    return {str(Requirement(line)) for line in lines}


# --- The inventory ---------------------------------------------------------------------------------


def test_debian_packages_are_those_that_are_installed(tmp_path):
    (tmp_path / "status").write_text(STATUS)
    assert inventory.debian_packages(tmp_path) == [FOUND["debian"][0]]


def test_an_image_without_a_package_manager_keeps_one_file_for_each_package(tmp_path):
    (tmp_path / "status.d").mkdir()
    (tmp_path / "status.d/tzdata").write_text(
        "Package: tzdata\nVersion: 2025b-0+deb12u1\nArchitecture: all\n"
    )
    (tmp_path / "status.d/tzdata.md5sums").write_text("0  usr/share/zoneinfo/UTC\n")
    assert inventory.debian_packages(tmp_path) == [FOUND["debian"][1]]


def test_no_dpkg_is_not_the_same_as_no_packages(tmp_path):
    assert inventory.debian_packages(tmp_path) is None


def test_python_packages_are_found_wherever_they_lie(tmp_path):
    for folder, file in (
        ("venv/numpy-2.4.6.dist-info", "METADATA"),
        ("usr/lib/python3/dist-packages/old-1.0.egg-info", "PKG-INFO"),
    ):
        (tmp_path / folder).mkdir(parents=True)
        name, version = folder.rpartition("/")[2].rpartition(".")[0].rsplit("-", 1)
        (tmp_path / folder / file).write_text(
            f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\nLicense-Expression: MIT\n\nName: x\n"
        )
    (tmp_path / "venv/no-metadata.dist-info").mkdir()
    found = inventory.python_packages(str(tmp_path))
    assert sorted((each["name"], each["version"], each["license"]) for each in found) == [
        ("numpy", "2.4.6", "MIT"),
        ("old", "1.0", "MIT"),
    ]


def test_system_is_read_from_os_release(tmp_path):
    (tmp_path / "os-release").write_text('ID=debian\nVERSION_ID="12"\n\nnothing\n')
    assert inventory.system(tmp_path / "os-release") == FOUND["system"]
    assert inventory.system(tmp_path / "none") == {}


def test_the_inventory_needs_the_standard_library_only():
    source = Path(inventory.__file__).read_text()
    imported = re.findall(r"^(?:import|from) ([\w.]+)", source, re.M)
    assert set(imported) == {"email.parser", "json", "os", "pathlib", "platform", "typing"}


# --- The bill of materials -----------------------------------------------------------------------


def written():
    return sbom.document(FOUND, "name:0123-v3", "sha256:ab")


def test_it_lists_each_package_once_under_its_standard_name():
    components = json.loads(written())["components"]
    assert {component["purl"] for component in components} == {
        "pkg:generic/python@3.11.7",
        "pkg:pypi/numpy@2.4.6",
        "pkg:pypi/pyyaml@6.0.3",
        "pkg:deb/debian/libssl3@3.0.17-1~deb12u2?arch=amd64&distro=debian-12",
        "pkg:deb/debian/tzdata@2025b-0%2Bdeb12u1?arch=all&distro=debian-12",
    }
    assert len(components) == 5


def test_it_names_the_image_and_the_same_image_has_the_same_number():
    first, second = json.loads(written()), json.loads(written())
    assert first["serialNumber"] == second["serialNumber"]
    subject = first["metadata"]["component"]
    assert (subject["type"], subject["name"], subject["version"]) == (
        "container",
        "name",
        "0123-v3",
    )


def test_it_is_valid_cyclonedx():
    jsonschema_rs = pytest.importorskip("jsonschema_rs")
    folder = Path(cyclonedx.schema.__file__).parent / "_res"

    def retrieve(address: str) -> dict:
        name = address.rpartition("/")[2].replace(".schema.json", ".SNAPSHOT.schema.json")
        return json.loads((folder / name.replace(".SNAPSHOT.SNAPSHOT", ".SNAPSHOT")).read_text())

    schema = retrieve("bom-1.6.schema.json")
    validator = jsonschema_rs.Draft7Validator(schema, retriever=retrieve)
    document = json.loads(written())
    assert [error.message for error in validator.iter_errors(document)] == []
    document["components"][0]["type"] = "nonsense"
    assert list(validator.iter_errors(document))


# --- The scanners --------------------------------------------------------------------------------

TRIVY = {
    "Results": [
        {
            "Class": "os-pkgs",
            "Vulnerabilities": [
                {
                    "VulnerabilityID": "CVE-1",
                    "PkgName": "libssl3",
                    "InstalledVersion": "3.0.17",
                    "FixedVersion": "3.0.18",
                    "Severity": "HIGH",
                },
                {
                    "VulnerabilityID": "CVE-2",
                    "PkgName": "zlib1g",
                    "InstalledVersion": "1.2",
                    "Severity": "CRITICAL",
                },
            ],
        },
        {"Class": "lang-pkgs", "Vulnerabilities": [{"VulnerabilityID": "CVE-3"}]},
        {"Class": "os-pkgs"},
    ]
}
GRYPE = {
    "matches": [
        {
            "vulnerability": {"id": id_, "severity": severity, "fix": {"versions": versions}},
            "artifact": {"name": name, "version": version, "type": kind},
        }
        for id_, severity, versions, name, version, kind in (
            ("CVE-1", "High", ["3.0.18"], "libssl3", "3.0.17", "deb"),
            ("CVE-2", "Critical", [], "zlib1g", "1.2", "deb"),
            ("CVE-3", "High", ["2"], "numpy", "1", "python"),
        )
    ]
}


@pytest.fixture
def scanner(tmp_path, monkeypatch):
    """Put a scanner on PATH that prints the given text."""

    def install(name: str, output: str, code: int = 0) -> None:
        (tmp_path / "output").write_text(output)
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\ncat {tmp_path}/output\necho of course >&2\nexit {code}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    return install


@pytest.mark.parametrize(("name", "answer"), [("trivy", TRIVY), ("grype", GRYPE)])
def test_serious_problems_with_a_mended_release_are_the_result(scanner, name, answer):
    scanner(name, json.dumps(answer))
    report = scan._system("image")
    assert (report["status"], report["scanner"]) == ("vulnerable", name)
    listed = [
        (p["package"], p["version"], p["advisory"], p["fixed_in"]) for p in report["vulnerable"]
    ]
    assert listed == [("libssl3", "3.0.17", "CVE-1", ["3.0.18"])]
    assert [p["advisory"] for p in report["held_back"]] == ["CVE-2"]


@pytest.mark.parametrize(("name", "answer"), [("trivy", {}), ("grype", {"matches": []})])
def test_nothing_found_is_clean(scanner, name, answer):
    scanner(name, json.dumps(answer))
    assert scan._system("image")["status"] == "clean"


def test_a_scanner_that_fails_is_not_clean(scanner):
    scanner("grype", "", code=1)
    report = scan._system("image")
    assert report == {"status": "not audited", "reason": "grype: of course"}


def test_no_scanner_is_not_clean(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    reason = "neither trivy nor grype is installed"
    assert scan._system("image") == {"status": "not audited", "reason": reason}


# --- The files -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["onnx", "skops"])
def test_the_image_is_locked_to_the_versions_of_the_root(name):
    locked = [*pins("requirements.txt"), *pins("requirements/serving.txt")]
    versions = {re.sub(r"\[.*?\]| ?;.*", "", line) for line in locked}
    for line in pins(f"docker/requirements-{name}.txt"):
        assert re.sub(r"\[.*?\]| ?;.*", "", line) in versions, f"{line}: make image-lock"


@pytest.mark.parametrize(("champion", "challenger"), [("onnx", "skops"), ("skops", "onnx")])
def test_an_image_of_two_models_is_made_for_both(champion, challenger):
    beside = {"version": "8", "run_id": "r2", "format": challenger}
    named = ("registered_model", "git_commit", "run_id", "data_digest")
    model = {
        **dict.fromkeys(named, "x"),
        "version": "7",
        "format": champion,
        "challenger": beside,
    }
    assert build.build_arguments(model, "0", dirty=False)["FORMAT"] == "skops"
    assert build.models(model) == "v7-c8"
    assert build.models({**model, "challenger": None}) == "v7"


def test_the_image_has_the_imports_of_serving():
    onnx, skops = (pins(f"docker/requirements-{name}.txt") for name in ("onnx", "skops"))
    assert onnx <= skops
    assert any(line.startswith("scikit-learn==") for line in skops - onnx)
    assert not any(line.startswith(("mlflow", "pandas", "pytest")) for line in skops)


def test_the_dockerfile_keeps_to_what_plain_buildkit_knows():
    assert not re.search(r"^#\s*syntax", DOCKERFILE, re.M | re.I)
    assert "<<" not in DOCKERFILE
    assert not re.search(r"^COPY .*--link", DOCKERFILE, re.M)
    assert re.findall(r"^FROM (\S+)", DOCKERFILE, re.M).count("${BASE}") >= 4
    assert "@sha256" not in DOCKERFILE


def test_serve_is_the_default_target():
    assert re.findall(r"^FROM .* AS (\S+)$", DOCKERFILE, re.M)[-1] == "serve"


def test_the_stack_listens_on_this_machine_only_and_has_no_password():
    compose = (ROOT / stack.COMPOSE).read_text()
    assert set(re.findall(r'ports: \["([\d.]+):', compose)) == {"127.0.0.1"}
    assert not re.search(r"(PASSWORD|SECRET\w*): (?!\$\{\w+:\?)", compose)


def test_passwords_are_random_private_and_made_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stack.write_passwords()
    first = stack.PASSWORDS.read_text()
    assert stack.PASSWORDS.stat().st_mode & 0o777 == 0o600
    values = [line.partition("=")[2] for line in first.splitlines()]
    assert len(set(values)) == len(values) == 3
    assert min(map(len, values)) >= 32
    stack.write_passwords()
    assert stack.PASSWORDS.read_text() == first


@pytest.mark.parametrize(
    ("revision", "commit", "dirty"), [("ab12", "ab12", "false"), ("ab12-dirty", "ab12", "true")]
)
def test_a_run_in_the_train_image_knows_the_commit(checkout, monkeypatch, revision, commit, dirty):
    monkeypatch.setenv("IMAGE_REVISION", revision)
    tags = provenance.tags()
    assert (tags["git.commit"], tags["git.dirty"]) == (commit, dirty)
