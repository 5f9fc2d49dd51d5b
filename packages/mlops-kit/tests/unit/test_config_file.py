"""Reading configs/train.yaml: overrides, and a message for every mistake."""

import contextlib
import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import BaseModel

from mlops_kit.ci.settings import CiPricesConfig
from mlops_kit.core.config import as_set, schema
from mlops_kit.core.errors import UserError
from mlops_kit.core.project import current
from mlops_kit.delivery.deploy.settings import DeployConfig, load_deploy
from mlops_kit.experiments.search.settings import SearchConfig
from mlops_kit.experiments.settings import (
    METRICS,
    ModelCardConfig,
    Thresholds,
    TrainConfig,
    load_train,
)
from mlops_kit.monitoring.settings import MonitorConfig
from mlops_kit.serving.settings import ServeConfig, load_serve

ROOT = Path(__file__).parents[4]
SHIPPED = ROOT / "configs" / "train.yaml"
SHIPPED_CONFIGS = {
    "train": TrainConfig,
    "serve": ServeConfig,
    "deploy/staging": DeployConfig,
    "ci-prices": CiPricesConfig,
    "model-card": ModelCardConfig,
    "monitor": MonitorConfig,
    "search": SearchConfig,
}

pytestmark = pytest.mark.usefixtures("checkout")


def written(text):
    Path("own.yaml").write_text(text, encoding="utf-8")
    return Path("own.yaml")


def refused(load, *arguments):
    with pytest.raises(UserError) as caught:
        load(*arguments)
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence


# --- the shipped file ---------------------------------------------------------------------------


def test_the_shipped_config_is_accepted():
    assert isinstance(load_train(SHIPPED), TrainConfig)


def keys(section, indent=0):
    """Every key that a config may have, with its depth."""
    for name, field in section.model_fields.items():
        if name == "own_thresholds":  # filled from `thresholds`, not written by users
            continue
        yield name, indent
        for kind in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from keys(kind, indent + 1)


@pytest.mark.parametrize(
    ("config", "name", "depth"),
    sorted({(config, *key) for config, kind in SHIPPED_CONFIGS.items() for key in keys(kind)}),
)
def test_every_key_is_explained_in_the_shipped_config(config, name, depth):
    lines = (ROOT / "configs" / f"{config}.yaml").read_text(encoding="utf-8").splitlines()
    at = [i for i, line in enumerate(lines) if re.match(rf"{'  ' * depth}{name}:( |$)", line)]
    if at and name not in Thresholds.model_fields:
        above = lines[at[0] - 1].strip()
        opens_a_section = lines[at[0]].endswith(":") and depth == 0
        assert above.startswith("#") or opens_a_section, f"no comment above {name!r}"
    else:  # the keys of a short section: the section's comment documents them
        comments = [line for line in lines if line.lstrip().startswith("#")]
        assert any(re.search(rf"\b{name}\b", line) for line in comments), f"{name!r} isn't shown"


@pytest.mark.parametrize("config", SHIPPED_CONFIGS)
def test_the_schema_for_editors_is_up_to_date(config):
    file = ROOT / "configs" / f"{config}.yaml"
    _, _, path = file.read_text(encoding="utf-8").splitlines()[0].partition("$schema=")
    stored = (file.parent / path).read_text(encoding="utf-8")
    assert stored == schema(SHIPPED_CONFIGS[config]), "out of date: make config-schema"
    assert json.loads(stored)["additionalProperties"] is False


def test_the_shipped_serve_config_says_the_defaults():
    Path("configs/serve.yaml").write_text((ROOT / "configs" / "serve.yaml").read_text("utf-8"))
    shipped = load_serve()
    Path("configs/serve.yaml").unlink()
    assert load_serve() == shipped


def test_serve_set_overrides_the_serve_config(monkeypatch):
    monkeypatch.setenv("SERVE_SET", "limits.rows=7")
    assert load_serve().limits.rows == 7
    monkeypatch.setenv("SERVE_SET", "limits.rows=0 limits.wating=3")
    sentence = refused(load_serve)
    assert "SERVE_SET: limits.rows is 0; accepted: a whole number of rows, 1 to 100000" in sentence
    assert "SERVE_SET: unknown key 'limits.wating' (did you mean 'waiting'?)" in sentence


@pytest.mark.parametrize("environment", ["local", "staging", "production"])
def test_every_environment_has_a_config_of_its_own(environment):
    config = load_deploy(environment)
    assert config.contract == f"/{current().name}/{environment}/deploy"
    assert config.requires == ("staging" if environment == "production" else None)


def test_missing_environment_is_refused_with_the_existing_ones():
    for name in ("prod", "", "../train", "deploy/staging"):
        sentence = refused(load_deploy, name)
        assert sentence == (
            f"ENV is {name!r}; accepted, as configs/deploy has them: local, production, staging"
        )


def test_deploy_set_overrides_the_deploy_config(monkeypatch):
    monkeypatch.setenv("DEPLOY_SET", "strategy=CANARY steps.percent=5 tasks.cpu=512")
    config = load_deploy("staging")
    assert (config.strategy, config.steps.percent, config.tasks.cpu) == ("CANARY", 5, 512)
    monkeypatch.setenv("DEPLOY_SET", "strategy=ROLLING tasks.cpu=300 probe.latncy_ms=3")
    sentence = refused(load_deploy, "staging")
    assert "DEPLOY_SET: strategy is 'ROLLING'; accepted: BLUE_GREEN, CANARY or LINEAR" in sentence
    assert "DEPLOY_SET: tasks.cpu is 300; accepted: CPU units: 256, 512" in sentence
    assert "unknown key 'probe.latncy_ms' (did you mean 'latency_ms'?)" in sentence
    monkeypatch.setenv("DEPLOY_SET", "tasks.count=9 'autoscaling={min: 1, max: 4}'")
    sentence = refused(load_deploy, "staging")
    assert "tasks.count is 9; accepted: autoscaling.min to autoscaling.max, 1 to 4" in sentence


# --- the file itself ------------------------------------------------------------------------------


def test_a_missing_file_is_named_and_the_way_to_give_another():
    sentence = refused(load_train, Path("nope.yaml"))
    assert sentence == "configs file nope.yaml not found (give CONFIG=…)"


def test_a_folder_is_no_configs_file():
    assert "configs file configs not found" in refused(load_train, Path("configs"))


@pytest.mark.parametrize("text", ["", "# nothing but a comment\n", "- a\n- b\n", "text", "3", "~"])
def test_a_file_that_is_no_mapping_is_refused(text):
    assert "own.yaml holds no settings: a mapping" in refused(load_train, written(text))


@pytest.mark.parametrize(
    "text",
    [
        "a: [1",
        "a: b: c",
        "\tseed: 1",
        "seed: !!python/object/apply:os.getcwd []",
        "? [1]\n: 2",
        "seed: 2026-13-45",  # looks like a date, and is none
        "seed: 0x_",  # looks like a number, and is none
        pytest.param("[" * 5000, id="thousands of brackets"),
        "*unknown",
        "a: \x07",
    ],
)
def test_broken_yaml_is_reported_in_a_sentence(text):
    assert "own.yaml is not YAML: " in refused(load_train, written(text))


def test_a_file_that_is_not_utf_8_is_reported_in_a_sentence():
    Path("own.yaml").write_bytes("experiment: Müller".encode("cp1252"))
    assert "own.yaml is not YAML: 'utf-8'" in refused(load_train, Path("own.yaml"))


def test_a_byte_order_mark_is_no_part_of_the_first_key(settings):
    settings()
    Path("own.yaml").write_text(Path("settings.yaml").read_text(), encoding="utf-8-sig")
    assert load_train(Path("own.yaml")) == settings()


# --- keys -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("sead", "seed"),
        ("registered-model", "registered_model"),
        ("data.sorce", "source"),
        ("data.Target", "target"),
        ("split.testsize", "test_size"),
        ("model.kinds", "kind"),
        ("validation.treshold", "thresholds"),
        ("validation.thresholds.acuracy", "accuracy"),
        ("validation.thresholds.auc", "roc_auc"),
    ],
)
def test_an_unknown_key_is_reported_with_the_nearest_right_one(settings, key, nearest):
    sentence = refused(settings, f"{key}=1")
    assert sentence == f"SET: unknown key {key!r} (did you mean {nearest!r}?)"


def test_key_in_the_wrong_section_is_refused_with_the_right_one(settings):
    assert (
        refused(settings, "target=y") == "SET: unknown key 'target' (did you mean 'data.target'?)"
    )
    sentence = refused(settings, "data.test_size=0.3")
    assert sentence == "SET: unknown key 'data.test_size' (did you mean 'split.test_size'?)"


def test_unknown_key_without_a_close_one_gets_no_suggestion(settings):
    assert refused(settings, "zzz=1") == "SET: unknown key 'zzz'"


def test_unknown_key_of_unknown_section_names_its_origin(settings):
    assert refused(settings, "data.zzz.more=1") == "SET: unknown key 'data.zzz'"


def test_a_key_that_is_no_text_is_unknown(settings):
    settings()
    text = Path("settings.yaml").read_text()
    assert refused(load_train, written(f"{text}\n1: 2\n")) == "own.yaml: unknown key '1'"


@pytest.mark.parametrize(
    ("lacking", "accepted"),
    [
        ("experiment", "letters, digits, spaces"),
        ("data.target", "the name of the column to predict"),
        ("data", "a mapping"),
    ],
)
def test_a_missing_key_is_reported_with_what_it_accepts(settings, lacking, accepted):
    settings()
    read = yaml.safe_load(Path("settings.yaml").read_text())
    *parents, last = lacking.split(".")
    section = read
    for parent in parents:
        section = section[parent]
    del section[last]
    sentence = refused(load_train, written(yaml.safe_dump(read)))
    assert sentence.startswith(f"own.yaml: {lacking!r} is missing; accepted: {accepted}")


def test_all_mistakes_are_reported_at_once(settings):
    sentence = refused(settings, "sead=1 split.test_size=2 task=clustering")
    assert "'sead'" in sentence
    assert "split.test_size is 2" in sentence
    assert "task is 'clustering'; accepted: auto, classification or regression" in sentence


# --- values -----------------------------------------------------------------------------------


def test_a_threshold_of_1_4_names_the_key_the_value_and_the_range(settings):
    sentence = refused(settings, "validation.thresholds.accuracy=1.4")
    assert sentence == "SET: validation.thresholds.accuracy is 1.4; accepted: 0 to 1"


def test_a_mistake_in_the_file_names_the_file(settings):
    settings()
    read = yaml.safe_load(Path("settings.yaml").read_text())
    read["validation"]["thresholds"] = {"accuracy": 1.4}
    sentence = refused(load_train, written(yaml.safe_dump(read)))
    assert sentence == "own.yaml: validation.thresholds.accuracy is 1.4; accepted: 0 to 1"


@pytest.mark.parametrize(
    ("given_as", "sentence"),
    [
        ("seed=-1", "seed is -1; accepted: a whole number, 0 to 4294967295"),
        ("seed=4294967296", "seed is 4294967296; accepted: a whole number"),
        ("seed=1.5", "seed is 1.5; accepted: a whole number"),
        ("seed=many", "seed is 'many'; accepted: a whole number"),
        ("seed=true", "seed is True; accepted: a whole number"),
        ("task=Regression", "task is 'Regression'; accepted: auto, classification or regression"),
        ("split.test_size=0", "split.test_size is 0; accepted: a share of the rows"),
        ("split.test_size=0.91", "split.test_size is 0.91; accepted: a share of the rows"),
        ("split.test_size=.nan", "split.test_size is nan; accepted: a share of the rows"),
        ("split=3", "split is 3; accepted: a mapping"),
        ("data.drop=age", "data.drop is 'age'; accepted: a list of column names"),
        ("data.drop=[1]", "data.drop.0 is 1; accepted: a list of column names"),
        ("data.dates=[a]", "data.dates is ['a']; accepted: a mapping of column names"),
        ("data.dates.a=1", "data.dates.a is 1; accepted: a mapping of column names"),
        ("data.target=5", "data.target is 5; accepted: the name of the column to predict"),
        ("data.delimiter=ab", "data.delimiter is 'ab'; accepted: one ASCII character"),
        ("data.delimiter=é", "data.delimiter is 'é'; accepted: one ASCII character"),
        (r"""'data.delimiter="\""'""", "accepted: one ASCII character"),
        ("data.encoding=../x", "data.encoding is '../x'; accepted: the name of a text encod"),
        ('data.encoding="a b"', "data.encoding is 'a b'; accepted: the name of a text encoding"),
        ("data.comment=ab", "data.comment is 'ab'; accepted: one ASCII character"),
        ("data.skip_rows=-1", "data.skip_rows is -1; accepted: a whole number of lines"),
        ("data.thousands=x", "data.thousands is 'x'; accepted: ',', '.', a blank"),
        ("data.thousands=.", "data.thousands is '.', as data.decimal is; accepted: another mark"),
        (
            "data.numbers.a=12",
            "data.numbers.a is 12; accepted: a mapping of column names to 1234.5",
        ),
        ("data.numbers.a=1.2", "data.numbers.a is 1.2; accepted: a mapping of column names to 12"),
        ("model.params=3", "model.params is 3; accepted: a mapping"),
        ("experiment=a/b", "experiment is 'a/b'; accepted: letters, digits"),
        (f"experiment={'a' * 101}", "accepted: letters, digits, spaces and . _ - (at most 100"),
        ("validation.prediction_ms=0", "validation.prediction_ms is 0; accepted: milliseconds"),
        ("validation.prediction_ms=.inf", "validation.prediction_ms is inf; accepted: milli"),
        ("validation.confidence=95", "validation.confidence is 95; accepted: a confidence level"),
        ("validation.thresholds.log_loss=-1", "log_loss is -1; accepted: a number, 0 or more"),
        ("validation.thresholds.accuracy=.nan", "accuracy is nan; accepted: 0 to 1"),
        ("validation.thresholds.accuracy=true", "accuracy is True; accepted: 0 to 1"),
        ("validation.slices={column: a}", "'validation.slices.metric' is missing"),
        ("validation.slices=a", "validation.slices is 'a'; accepted: a mapping, or nothing"),
    ],
)
def test_a_value_that_is_not_accepted_is_reported_with_what_is(settings, given_as, sentence):
    overrides = given_as if " " not in given_as else f"'{given_as}'"
    assert sentence in refused(settings, overrides)


@pytest.mark.parametrize(
    ("overrides", "key"),
    [
        ("validation.metric=rmse", "validation.metric is 'rmse'"),
        ("validation.metric=acuracy", "validation.metric is 'acuracy'"),
        ("validation.thresholds.mae=3", "validation.thresholds names 'mae'"),
        (
            "'validation.slices={column: a, metric: r2, worst: 0}'",
            "validation.slices.metric is 'r2'",
        ),
    ],
)
def test_metric_of_another_task_is_refused_with_the_accepted_ones(settings, overrides, key):
    sentence = refused(settings, overrides)
    accepted = ", ".join(METRICS["classification"])
    assert sentence == f"SET: {key}; accepted for classification: {accepted}"


def test_changed_task_with_an_unfit_metric_is_refused(settings):
    sentence = refused(settings, "task=regression")
    assert "validation.metric is 'accuracy'; accepted for regression: r2, mae, rmse" in sentence
    assert settings("task=regression validation.metric=mae").task == "regression"


def test_a_first_command_needs_source_and_target_only():
    path = written("experiment: e\nregistered_model: m\n")
    found = load_train(path, "data.source=a.csv data.target=y")
    assert (found.task, found.data.policy, found.validation.worst()) == ("auto", "fix", {})


def test_the_task_of_the_target_brings_its_metric_and_thresholds(settings):
    thresholds = "'validation.thresholds={accuracy: 0.9, r2: 0.5}'"
    path = written("experiment: e\nregistered_model: m\ndata: {source: a.csv, target: y}\n")
    found = load_train(path, thresholds)
    classes, numbers = found.for_task("classification"), found.for_task("regression")
    assert (classes.validation.metric, classes.validation.worst()) == ("roc_auc", {"accuracy": 0.9})
    assert (numbers.validation.metric, numbers.validation.worst()) == ("r2", {"r2": 0.5})
    assert (found.not_for("classification"), found.not_for("regression")) == (["r2"], ["accuracy"])


def test_metric_that_does_not_fit_the_target_is_refused():
    path = written("experiment: e\nregistered_model: m\ndata: {source: a.csv, target: y}\n")
    found = load_train(path, "validation.metric=mae")
    with pytest.raises(
        UserError, match=r"validation\.metric is 'mae'; accepted for classification: acc"
    ):
        found.for_task("classification")


# --- SET --------------------------------------------------------------------------------------


def test_several_overrides_apply_with_the_types_of_yaml(settings):
    config = settings("seed=7 model.params.max_iter=300 model.params.loss=x data.drop=[a,b]")
    assert config.seed == 7
    assert config.model.params == {"max_iter": 300, "loss": "x"}
    assert config.data.drop == ["a", "b"]


def test_a_power_of_ten_is_a_number(settings):
    assert settings("model.params.learning_rate=1e-3").model.params == {"learning_rate": 0.001}


def test_blanks_are_kept_by_quotes(settings):
    config = settings("""'data.drop=[customer id, name]' experiment="my runs" """)
    assert config.data.drop == ["customer id", "name"]
    assert config.experiment == "my runs"


def test_a_value_may_hold_an_equals_sign(settings):
    assert settings("data.source=a=b.csv").data.source == "a=b.csv"


def test_the_last_of_two_overrides_holds(settings):
    assert settings("seed=1 seed=2").seed == 2


def test_an_empty_value_unsets_what_may_be_unset(settings):
    slices = "'validation.slices={column: a, metric: accuracy, worst: 0.5}'"
    assert settings(slices).validation.slices.column == "a"
    assert settings(f"{slices} validation.slices=").validation.slices is None


def test_no_override_changes_nothing(settings):
    assert settings("") == settings("   ")


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ("seed", "SET has 'seed'; accepted: key=value, like model.params.max_iter=300"),
        ("=3", "SET has '=3'; accepted: key=value"),
        ("seed.more=3", "SET has 'seed.more=3', but 'seed' is a value and has no keys"),
        ("data.source.x=3", "but 'source' is a value and has no keys"),
        ("seed=[1", "SET has 'seed=[1', whose value is not YAML"),
        ("seed=2026-13-45", "SET has 'seed=2026-13-45', whose value is not YAML"),
        ("seed=0x_", "whose value is not YAML"),
        ("'experiment=it''s", "SET='experiment=it''s cannot be read: No closing quotation"),
        (".=1", "unknown key"),
        ("data..source=1", "unknown key"),
    ],
)
def test_an_override_that_cannot_be_read_is_reported(settings, overrides, sentence):
    settings("seed=1")
    base = Path("settings.yaml").read_text()
    path = written(f"{base}seed: 1\n")
    assert sentence in refused(load_train, path, overrides)


# --- anything ---------------------------------------------------------------------------------

_names = st.sampled_from(
    [name for name, _ in keys(TrainConfig)]
    + ["", "a", "data.drop", "é", "0", "__class__", "model_fields"]
)
_leaves = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), _names, st.dates()
)
_junk = st.recursive(
    _leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(_names, st.integers(), st.booleans()), inner, max_size=5),
    ),
    max_leaves=12,
)
_quick = hypothesis_settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@_quick
@given(st.dictionaries(_names, _junk, max_size=6), st.dictionaries(_names, _junk, max_size=4))
def test_any_mapping_is_a_config_or_a_sentence(junk, more):
    base = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    for settings in (junk, {**base, **junk}, {**base, "data": {**base["data"], **more}}):
        path = written(yaml.safe_dump(settings, allow_unicode=True))
        load_or_refuse(path, "")


@_quick
@given(st.one_of(st.text(max_size=30), st.from_regex(r"[a-z.]{1,12}=[^ ]{0,12}", fullmatch=True)))
def test_any_set_is_a_config_or_a_sentence(overrides):
    load_or_refuse(SHIPPED, overrides)


def load_or_refuse(path, overrides):
    with contextlib.suppress(UserError):  # any other exception fails the test
        assert isinstance(load_train(path, overrides), TrainConfig)


@pytest.mark.parametrize(
    "wanted",
    [
        {"data.decimal": ","},
        {"data.comment": "#"},
        {"data.thousands": " "},
        {"data.dates.since": "%d/%m/%Y"},
        {"data.numbers.income": "1,234.5"},
        {"data.numbers.income": "1'234.5"},
        {"data.numbers": {"a.b [%]": "$1 234,5", 'c "d"': "1234.5 %"}},
        {"data.missing_values": ["NA", "#N/A", "-999", "?", "a b", "it's", "null", ", "]},
        {"data.categorical": ["plz", "größe [m²]", "1"], "data.decimal": ","},
    ],
)
def test_a_line_to_paste_gives_the_value_through_shell_and_make(settings, tmp_path, wanted):
    (tmp_path / "Makefile").write_text("export SET\nall:\n\t@printenv SET\n")
    line = as_set(wanted)
    command = f"make --no-print-directory {line}"
    done = subprocess.run(command, shell=True, text=True, capture_output=True, cwd=tmp_path)
    data = settings(done.stdout.rstrip("\n")).data
    for key, value in wanted.items():
        section, _, name = key.partition("data.")[2].partition(".")
        found = getattr(data, section)
        assert (found[name] if name else found) == value
