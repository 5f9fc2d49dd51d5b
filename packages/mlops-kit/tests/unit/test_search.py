"""The candidates that are drawn, the rounds they are tried in, and settings refused before anything is fitted."""

import math
import socket

import numpy as np
import pandas as pd
import pytest
from distributed import Client
from hypothesis import given
from hypothesis import strategies as st

from mlops_kit import data
from mlops_kit.core.errors import UserError
from mlops_kit.data import Columns, Dataset
from mlops_kit.experiments import cluster
from mlops_kit.experiments.search import candidates, rounds
from mlops_kit.experiments.search.candidates import Candidate
from mlops_kit.experiments.search.settings import SearchConfig, load_search

NAN = float("nan")

pytestmark = pytest.mark.usefixtures("checkout")


def wanted(**settings):
    return SearchConfig.model_validate({"params": {"C": [1.0]}, **settings})


def dataset(target, rows=None):
    rows = pd.DataFrame({"a": np.arange(float(len(target)))}) if rows is None else rows
    columns = Columns(dict.fromkeys(rows, "numeric"))
    return Dataset(
        columns,
        rows,
        np.array(target),
        rows,
        np.array(target),
        "",
        np.array([], np.uint64),
        0,
        "classification",
        [],
        [],
    )


# --- candidates ---------------------------------------------------------------------------------


def test_config_parameters_come_first_and_candidates_are_distinct():
    found = candidates.draw(wanted(candidates=50, params={"a": {"low": 1, "high": 9}, "b": [0, 1]}))
    assert found[0] == Candidate(0, {})
    drawn = {tuple(each.params.items()) for each in found[1:]}
    assert len(drawn) == len(found) - 1
    assert [each.number for each in found] == list(range(len(found)))


def test_small_search_space_is_tried_whole():
    found = candidates.draw(wanted(candidates=50, params={"a": {"low": 1, "high": 3}, "b": [0, 1]}))
    drawn = sorted(tuple(each.params.values()) for each in found[1:])
    assert drawn == [(a, b) for a in (1, 2, 3) for b in (0, 1)]


@given(st.integers(0, 2**32 - 1))
def test_ranges_are_kept_and_the_seed_decides(seed):
    params = {
        "whole": {"low": 3, "high": 30, "log": True},
        "number": {"low": 0.001, "high": 0.5, "log": True},
        "even": {"low": -1, "high": 1.5},
    }
    found = candidates.draw(wanted(candidates=5, seed=seed, params=params))
    assert found == candidates.draw(wanted(candidates=5, seed=seed, params=params))
    for each in found[1:]:
        assert type(each.params["whole"]) is int
        assert 3 <= each.params["whole"] <= 30
        assert 0.001 <= each.params["number"] <= 0.5
        assert -1 <= each.params["even"] <= 1.5


def test_log_draws_as_many_of_each_power_of_ten():
    many = wanted(candidates=3000, params={"a": {"low": 0.001, "high": 1.0, "log": True}})
    powers = [math.floor(math.log10(each.params["a"])) for each in candidates.draw(many)[1:]]
    counts = [powers.count(power) for power in (-3, -2, -1)]
    assert min(counts) > 0.8 * max(counts)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ("[]", "params.C is []"),
        ("3", "params.C is 3"),
        ("{low: 2, high: 1}", "params.C is {'low': 2, 'high': 1}"),
        ("{low: 0, high: 1, log: true}", "params.C is {'low': 0, 'high': 1, 'log': True}"),
        ("{low: 0, high: 1, step: 2}", "params.C is {'low': 0, 'high': 1, 'step': 2}"),
    ],
)
def test_what_cannot_be_drawn_is_refused(checkout, monkeypatch, choice, message):
    monkeypatch.setenv("SEARCH_SET", f"'params.C={choice}'")
    with pytest.raises(UserError) as caught:
        load_search()
    assert str(caught.value).startswith(
        f"SEARCH_SET: {message}; accepted: a list of values, or a range"
    )


@pytest.mark.parametrize(
    ("choice", "found"),
    [
        ("[2020-01-01, 1]", "[datetime.date(2020, 1, 1), 1]"),
        ("[{2020-01-01: 1}]", "[{datetime.date(2020, 1, 1): 1}]"),
        ("[1, [.nan]]", "[1, [nan]]"),
        ("{low: 1, high: .inf}", "{'low': 1, 'high': inf}"),
    ],
)
def test_what_json_does_not_have_is_refused(checkout, monkeypatch, choice, found):
    monkeypatch.setenv("SEARCH_SET", f"'params.C={choice}'")
    with pytest.raises(UserError) as caught:
        load_search()
    sentence = f"SEARCH_SET: params.C is {found}; accepted are texts (quote a date), finite numbers"
    assert str(caught.value).startswith(sentence)


# --- rounds -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "count", "planned"),
    [
        (10_000, 28, [(28, 1 / 9), (10, 1 / 3), (4, 1)]),  # 1/27 would be fewer than 500 rows
        (100_000, 28, [(28, 1 / 27), (10, 1 / 9), (4, 1 / 3), (2, 1)]),
        (1_499, 28, [(28, 1)]),
        (1_500, 28, [(28, 1 / 3), (10, 1)]),
        (100_000, 2, [(2, 1)]),
    ],
)
def test_rounds_end_on_all_rows_and_begin_on_enough(rows, count, planned):
    assert rounds.rounds(rows, count, wanted()) == planned


def test_folds_and_shares_are_stratified_and_copies_stay_together(settings):
    target = np.repeat(["a", "b", "c"], [600, 60, 6])
    rows = pd.DataFrame({"a": np.r_[np.repeat(np.arange(300.0), 2), np.arange(300.0, 366.0)]})
    part = rounds.part(dataset(target, rows), settings(), 3)
    for share, size in ((1.0, 366), (1 / 3, 122), (0.01, 11)):
        within = part.shares <= share
        for fold in range(3):
            assert set(target[within & (part.folds == fold)]) == {"a", "b", "c"}
        assert abs(rows["a"][within].nunique() - size) <= 2
    of_content = pd.DataFrame({"fold": part.folds, "share": part.shares}).groupby(rows["a"])
    assert (of_content.nunique() == 1).all(axis=None)


def test_a_column_whose_few_values_lie_in_one_fold_does_no_harm(settings):
    rows = pd.DataFrame({"a": np.arange(90.0), "b": np.nan})
    rows.loc[3, "b"] = 1.0
    part = rounds.part(dataset(np.resize(["x", "y", "y"], 90), rows), settings(), 3)
    for fold in range(3):
        assert isinstance(rounds.fold_score(part, settings(), fold, 1.0), float)


def test_a_class_too_rare_for_the_folds_is_refused(settings):
    with pytest.raises(UserError, match=r"folds is 3; accepted: at most 2, .* class b$"):
        rounds.part(dataset(np.repeat(["a", "b"], [50, 2])), settings(), 3)


def test_the_best_saw_most_rows_and_what_failed_comes_last():
    few, best, worse, failed, undefined = (Candidate(number, {}) for number in range(5))
    few.score(10, [0.9, 0.99])
    for each, score in ((best, 0.8), (worse, 0.7), (undefined, NAN)):
        each.score(10, [0.5, 0.5])
        each.score(30, [score, score])
    failed.score(10, [0.9, "no such solver"])
    everyone = [failed, undefined, few, worse, best]
    assert candidates.best_first(everyone, "roc_auc")[:3] == [best, worse, few]
    assert candidates.best_first(everyone, "log_loss")[:3] == [worse, best, few]
    assert failed.failure == "no such solver"


@pytest.fixture
def fits(settings, monkeypatch):
    """A function from a table to the fits of a search: weights by row, of the rows fitted on and of those scored."""
    found = []
    fit, predict = rounds.model.fit, rounds.predict

    def fit_and_note(pipeline, columns, rows, target, weights):
        found.append([dict(zip(rows["row"], weights))])
        return fit(pipeline, columns, rows, target, weights)

    def predict_and_note(pipeline, rows, target, task, weights):
        found[-1].append(dict(zip(rows["row"], weights)))
        return predict(pipeline, rows, target, task, weights)

    monkeypatch.setattr(rounds.model, "fit", fit_and_note)
    monkeypatch.setattr(rounds, "predict", predict_and_note)

    def search(table, split):
        table.to_csv("data.csv", index=False)
        config = settings(f"data.weight=w data.keep=[row] model.kind=linear {split}")
        how = wanted(candidates=1, folds=3, factor=2, min_rows=40)
        whole = rounds.part(data.load(config), config, how.folds)
        # In this process, one fit after another.
        here = {"processes": False, "n_workers": 1, "threads_per_worker": 1}
        with Client(**here, dashboard_address=None) as client:
            list(rounds.run(client, whole, config, how, candidates.draw(how), lambda _: None))
        return found

    return search


WEIGHED = pd.DataFrame(
    {
        "row": range(120),
        "y": np.resize([0, 1, 1], 120),
        "day": np.arange(120) // 2,
        "who": np.arange(120) % 13,
        "w": np.resize([1, 5, 2, 7, 3], 120),
    }
)


@pytest.mark.parametrize("by", ["time split.column=day", "group split.column=who"])
def test_every_fit_of_a_search_respects_the_split_and_weighs_its_rows(fits, by):
    found = fits(WEIGHED, f"split.by={by}")
    sizes = [len(fitted) for fitted, _ in found]
    assert sum(sizes[-3:]) > 1.5 * sum(sizes[:3])  # the first round is on half of the rows
    for parts in found:
        fitted, scored = (WEIGHED.iloc[list(map(int, part))] for part in parts)
        if "time" in by:
            assert fitted["day"].max() < scored["day"].min()
        else:
            assert not set(fitted["who"]) & set(scored["who"])
        for part, rows in zip(parts, (fitted, scored)):
            assert list(part.values()) == rows["w"].tolist()


def test_a_fold_without_weight_is_refused_before_any_fit(fits):
    early = WEIGHED.assign(w=np.repeat([0, 1], [40, 80]))
    with pytest.raises(
        UserError, match=r"^data.weight 'w' is 0 in .* class . of the training rows of fold 1"
    ):
        fits(early, "split.by=time split.column=day")


# --- the cluster --------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:{port}", "nonsense://127.0.0.1:{port}"])
def test_unreachable_scheduler_is_reported_with_its_address(monkeypatch, address):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = address.format(port=probe.getsockname()[1])
    monkeypatch.setenv("DASK_SCHEDULER", address)
    monkeypatch.setattr(cluster, "_ANSWER_SECONDS", 0.5)
    with (
        pytest.raises(UserError, match=f"^DASK_SCHEDULER {address} did not answer"),
        cluster.connect(),
    ):
        pytest.fail("this cannot be a cluster")
