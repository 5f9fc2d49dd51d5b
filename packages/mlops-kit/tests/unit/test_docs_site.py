"""What `make docs` makes by itself: the navigation, a page for each settings file, the list of targets."""

import importlib.util
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
CONF = ROOT / "packages/mlops-kit/src/mlops_kit/make/docs/conf.py"

INDEX = """\
# Documentation

## Tutorials

- [The *first*](../README.md) and [not here](https://example.com/x.md)

## Reference

- [Settings](settings.md)
"""
SCHEMA = {
    "$defs": {
        "Data": {
            "properties": {
                "source": {"description": "a file | a <folder>"},
                "drop": {"default": [], "description": "names"},
            },
            "required": ["source"],
        },
        "Steps": {"properties": {"percent": {"default": 10.0, "description": "0 to 100"}}},
    },
    "properties": {
        "data": {"$ref": "#/$defs/Data"},
        "steps": {"anyOf": [{"$ref": "#/$defs/Steps"}, {"type": "null"}], "default": None},
        "metric": {"default": "", "description": "a metric"},
    },
}


@pytest.fixture
def conf(tmp_path, monkeypatch):
    (tmp_path / "README.md").write_text("# Churn Radar\n")
    monkeypatch.setenv("DOCS_ROOT", str(tmp_path))
    spec = importlib.util.spec_from_file_location("conf", CONF)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_site_has_the_readmes_name_and_leads_to_its_first_page(conf, tmp_path):
    assert conf.project == "Churn Radar"
    conf.write_front_door(tmp_path)
    assert 'url=docs/index.html"' in (tmp_path / "index.html").read_text()


def test_what_is_no_document_is_not_walked_through(tmp_path, monkeypatch, request):
    for name in ("docs", "mlartifacts", "a[b]*"):
        (tmp_path / name).mkdir()
    assert request.getfixturevalue("conf").exclude_patterns == ["a[[]b][*]", "mlartifacts"]


def test_navigation_follows_the_index_and_ends_with_all_decisions(conf, tmp_path):
    (tmp_path / "docs/adr").mkdir(parents=True)
    (tmp_path / "docs/adr/0002-b.md").touch()
    (tmp_path / "docs/adr/0001-a.md").touch()
    trees = conf.navigation(INDEX).split("```{toctree}\n")[1:]
    assert [tree.split("\n```")[0].split("\n") for tree in trees] == [
        [":caption: Tutorials", ":hidden:", "", "The *first* <../README>"],
        [":caption: Reference", ":hidden:", "", "Settings <settings>"],
        [":caption: Decisions", ":hidden:", "", "adr/0001-a", "adr/0002-b"],
    ]


def test_a_page_of_settings_has_every_key_and_the_file(conf, tmp_path):
    folder = tmp_path / "configs/deploy"
    folder.mkdir(parents=True)
    (folder.parent / "deploy.schema.json").write_text(json.dumps(SCHEMA))
    body = "# Where from.\ndata:\n  source: x\n"
    (folder / "local.yaml").write_text(
        f"# yaml-language-server: $schema=../deploy.schema.json\n#\n{body}"
    )
    lines = conf.page("configs/deploy/local", "").splitlines()
    assert lines[0] == "# configs/deploy/local.yaml"
    assert [line for line in lines if line.startswith("| `")] == [
        r"| `data.source` | a file \| a \<folder> | required |",
        "| `data.drop` | names | `[]` |",
        "| `steps.percent` | 0 to 100 | `10.0` |",
        "| `metric` | a metric | nothing |",
    ]
    assert "\n".join(lines).endswith(f"```yaml\n{body}```")


def test_settings_lists_each_file_of_the_project(conf, tmp_path):
    (tmp_path / "configs/deploy").mkdir(parents=True)
    for name in ("deploy/local", "train", "serve"):
        (tmp_path / f"configs/{name}.yaml").touch()
    made = conf.page("docs/settings", "# Settings\n").splitlines()
    assert made[4:7] == ["/configs/serve", "/configs/train", "/configs/deploy/local"]


def test_targets_are_those_that_make_has_read(conf, tmp_path, monkeypatch):
    (tmp_path / "Makefile").write_text(
        "a: ## not in a section\n##@ Train\n#@ SET=a  B=…\ntrain: x ## Fit [it]\n"
    )
    (tmp_path / "more.mk").write_text("hidden: x\nci-lint: $(X) ## Lint\n##@ Serve\nserve: ## It\n")
    monkeypatch.setenv("READ_BY_MAKE", "Makefile more.mk")
    text = conf.page("docs/make-targets", "# Targets\n")
    head = "| target | does |\n|---|---|\n"
    assert text == (
        "# Targets\n\n## Train\n\n`SET=a` · `B=…`\n\n"
        f"{head}| `make train` | Fit \\[it\\] |\n| `make ci-lint` | Lint |\n"
        f"\n## Serve\n\n{head}| `make serve` | It |\n"
    )


def test_other_pages_stay_as_they_are(conf):
    assert conf.page("docs/report", "# Report\n") == "# Report\n"
