"""The questions, and which answers are refused, in which words."""

from __future__ import annotations

import builtins
import importlib.metadata
import json
import keyword
import re
import sys
import tempfile
from pathlib import Path

import isort.stdlibs.py3
import pytest
from cookiecutter.exceptions import FailedHookException
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

TAKEN = "is the name of an installed dependency: give another one"
SHADOWS = "would shadow the standard library: give another one"
KEPT = "begins as AWS keeps for its own names: give another one"
SLUG = "lower-case letters, digits and single hyphens, beginning with a letter and ending with a letter or digit"
PACKAGE = "lower-case letters, digits and underscores, beginning with a letter"

REFUSED = [
    ({"package_name": "mlflow"}, f'package_name "mlflow" {TAKEN}'),
    ({"package_name": "sklearn"}, f'package_name "sklearn" {TAKEN}'),
    ({"project_name": "MLflow"}, f'project_slug "mlflow" {TAKEN}'),
    ({"project_slug": "scikit-learn"}, f'project_slug "scikit-learn" {TAKEN}'),
    ({"package_name": "json"}, f'package_name "json" {SHADOWS}'),
    ({"package_name": "distutils"}, f'package_name "distutils" {SHADOWS}'),
    ({"package_name": "test"}, 'package_name "test" is a reserved word here: give another one'),
    ({"package_name": "tests"}, 'package_name "tests" is a reserved word here: give another one'),
    ({"package_name": "src"}, 'package_name "src" is a reserved word here: give another one'),
    ({"project_slug": "aws-churn"}, f'project_slug "aws-churn" {KEPT}'),
    ({"project_slug": "awsome"}, f'project_slug "awsome" {KEPT}'),
    ({"project_slug": "internal"}, f'project_slug "internal" {KEPT}'),
    ({"project_slug": "ecs-churn"}, f'project_slug "ecs-churn" {KEPT}'),
    (
        {"aws_region": "cn-north-1"},
        'aws_region "cn-north-1" is not in the partition aws, which infra/ is made for: give a region like eu-west-1',
    ),
    ({"project_slug": "no"}, 'project_slug "no" is a reserved word here: give another one'),
    ({"package_name": "class"}, 'package_name "class" is a Python keyword: give another one'),
    ({"package_name": "match"}, 'package_name "match" is a Python keyword: give another one'),
    ({"package_name": "print"}, 'package_name "print" is a Python built-in: give another one'),
    ({"package_name": "Churn"}, f'package_name "Churn" is not accepted: give {PACKAGE}'),
    (
        {"package_name": "churn-radar"},
        f'package_name "churn-radar" is not accepted: give {PACKAGE}',
    ),
    ({"package_name": "2fast"}, f'package_name "2fast" is not accepted: give {PACKAGE}'),
    ({"package_name": "größe"}, f'package_name "größe" is not accepted: give {PACKAGE}'),
    ({"package_name": "p" * 41}, "package_name has 41 characters: at most 40 are accepted"),
    ({"project_name": "2 Fast"}, f'project_slug "2-fast" is not accepted: give {SLUG}'),
    ({"project_slug": "Churn"}, f'project_slug "Churn" is not accepted: give {SLUG}'),
    ({"project_slug": "a--b"}, f'project_slug "a--b" is not accepted: give {SLUG}'),
    ({"project_slug": "a-"}, f'project_slug "a-" is not accepted: give {SLUG}'),
    ({"project_slug": "a_b"}, f'project_slug "a_b" is not accepted: give {SLUG}'),
    ({"project_slug": "../a"}, f'project_slug "../a" is not accepted: give {SLUG}'),
    ({"project_slug": "s" * 41}, "project_slug has 41 characters: at most 40 are accepted"),
    ({"project_name": "N" * 61}, "project_name has 61 characters: at most 60 are accepted"),
    (
        {"project_name": 'The "Best"'},
        'project_name has " in it: every printable character but " \\ { } is accepted',
    ),
    (
        {"author_name": "back\\slash"},
        'author_name has \\ in it: every printable character but " \\ { } is accepted',
    ),
    (
        {"description": "a { brace"},
        'description has { in it: every printable character but " \\ { } is accepted',
    ),
    (
        {"description": "two\nlines"},
        "description has the unprintable character U+000A in it: only printable ones are accepted",
    ),
    (
        {"author_name": "\u202eright to left"},
        "author_name has the unprintable character U+202E in it: only printable ones are accepted",
    ),
    (
        {"author_name": " "},
        "author_name is empty or has spaces around it: give it without, at least one character",
    ),
    (
        {"author_email": "nobody"},
        'author_email "nobody" is not accepted: give an address like name@example.com',
    ),
    (
        {"author_email": "a b@example.com"},
        'author_email "a b@example.com" is not accepted: give an address like name@example.com',
    ),
    (
        {"aws_region": "Ireland"},
        'aws_region "Ireland" is not accepted: give a region like eu-west-1',
    ),
    (
        {"github_org": "-org"},
        'github_org "-org" is not accepted: give letters, digits and single hyphens',
    ),
    # What would run if the hooks were careless about what they put between quotes.
    (
        {"author_name": "'''\"\"\"\nraise SystemExit(0)\n"},
        "author_name is empty or has spaces around it: give it without, at least one character",
    ),
    (
        {"author_name": '"""); raise SystemExit(0) #'},
        'author_name has " in it: every printable character but " \\ { } is accepted',
    ),
]


@pytest.mark.parametrize(("answers", "sentence"), REFUSED)
def test_refused_in_one_sentence_with_nothing_left_behind(
    generate, template, tmp_path, capfd, answers, sentence
):
    output = tmp_path / "output"
    output.mkdir()
    with pytest.raises(FailedHookException):
        generate(template, output, **answers)
    assert capfd.readouterr().err == f"error: {sentence}\n"
    assert list(tmp_path.iterdir()) == [output]
    assert list(output.iterdir()) == []


@pytest.mark.parametrize("key", ["ci", "license", "profile", "python_versions"])
def test_choice_in_a_replay_is_refused_with_nothing_left_behind(
    template, resolve, cookiecutter_api, tmp_path, capfd, pre_gen, key
):
    """cookiecutter looks at what was chosen from a list only where it asks."""
    answers = {**resolve(template, {"project_name": "N"}), key: "other"}
    replay = tmp_path / "replay.json"
    replay.write_text(json.dumps({"cookiecutter": answers}))
    output = tmp_path / "output"
    output.mkdir()
    with pytest.raises(FailedHookException):
        cookiecutter_api(str(template), output_dir=str(output), replay=str(replay))
    accepted = json.loads((template / "cookiecutter.json").read_text())[key]
    sentence = f'error: {key} "other" is not accepted: give one of {", ".join(accepted)}\n'
    assert capfd.readouterr().err == sentence
    assert list(output.iterdir()) == []


def locked() -> set[str]:
    """The names in the project's lock, as the index writes them."""
    root = Path(__file__).parents[2]
    locks = [root / "requirements.txt", *(root / "requirements").glob("*.txt")]
    lines = [line for lock in locks for line in lock.read_text().splitlines()]
    return {re.split(r"==|\[", line)[0] for line in lines if re.match(r"[a-z0-9]", line)}


def top_level_names(distribution: importlib.metadata.Distribution) -> set[str]:
    files = [file for file in distribution.files or [] if file.suffix in (".py", ".so", ".pyd")]
    return {
        name for file in files if re.fullmatch(r"[A-Za-z]\w*", name := file.parts[0].split(".")[0])
    }


def test_every_installed_name_is_known(pre_gen):
    lock = locked()
    found = {
        name.lower()
        for distribution in importlib.metadata.distributions()
        if re.sub(r"[-_.]+", "-", distribution.metadata["Name"]).lower() in lock
        for name in top_level_names(distribution)
        if not name.endswith("__mypyc")
    }
    assert {"sklearn", "mlflow", "yaml", "pytest"} <= found
    assert found - pre_gen.INSTALLED - pre_gen.STANDARD_LIBRARY == set()
    assert {name.replace("-", "_") for name in lock} - pre_gen.INSTALLED == set()


def test_every_standard_library_name_is_known(pre_gen):
    names = sys.stdlib_module_names | isort.stdlibs.py3.stdlib
    known = pre_gen.STANDARD_LIBRARY | pre_gen.INSTALLED | pre_gen.RESERVED
    assert {name.lower() for name in names if name[0] != "_"} - known == set()


def test_keywords_and_builtins_are_refused_as_package_names(pre_gen, resolve, template):
    answers = resolve(template, {})
    for name in [*keyword.kwlist, *keyword.softkwlist, *dir(builtins)]:
        assert pre_gen.refusal({**answers, "package_name": name}), name


def test_every_question_is_asked_in_words(template):
    questions = json.loads((template / "cookiecutter.json").read_text())
    asked = {key: value for key, value in questions.items() if not key.startswith("_")}
    prompts = questions["__prompts__"]
    assert set(prompts) == set(asked)
    for key, value in asked.items():
        if isinstance(value, list):
            assert set(prompts[key]) == {"__prompt__", *value}


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Churn Radar", "churn-radar"),
        ("O'Neil's Größe", "oneils-grosse"),
        ("山田 Model", "shan-tian-model"),
        ("🚀", "my-project"),
        ("A Name That Goes On For Longer Than Forty", "a-name-that-goes-on-for-longer-than-fort"),
    ],
)
def test_the_other_names_follow_from_the_first(resolve, template, pre_gen, name, slug):
    answers = resolve(template, {"project_name": name})
    assert answers["project_slug"] == slug
    assert answers["package_name"] == slug.replace("-", "_")
    assert answers["author_name"] == f"{name} Authors"
    assert pre_gen.refusal(answers) is None


# Braces are left out: cookiecutter takes what is given on the command line for Jinja before any hook sees it.
ANY = st.characters(codec="utf-8", exclude_characters="{}")
ALLOWED = st.characters(categories=["L", "M", "N", "P", "S"], exclude_characters='{}"\\') | st.just(
    " "
)
TEXT = st.text(ANY, max_size=60) | st.text(ALLOWED, max_size=60).map(str.strip)
WORD = st.from_regex(r"[a-z][a-z0-9]{0,12}([-_][a-z0-9]{1,8}){0,3}", fullmatch=True)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(
    names=st.fixed_dictionaries(
        {"project_name": TEXT},
        optional={
            "project_slug": WORD,
            "package_name": WORD,
            "author_name": TEXT,
            "description": TEXT,
        },
    )
)
def test_any_names_give_a_sound_project_or_a_sentence(
    names, generate, template, resolve, pre_gen, assert_sound, mentions
):
    answers = resolve(template, names)
    sentence = pre_gen.refusal(answers)
    if sentence:
        assert re.fullmatch(r"\w+ .*: .+", sentence)
        assert sentence.isprintable()
        return
    with tempfile.TemporaryDirectory() as output:
        made = generate(template, Path(output), **names)
        assert_sound(made, answers)
        assert mentions(made) == []
