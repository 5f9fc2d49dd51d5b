"""Whose requests the challenger answers: a steady share of the units, and the champion's whatever goes wrong."""

import asyncio
import json
import socket
import threading

import pytest
from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import FlagResolutionDetails
from openfeature.provider.in_memory_provider import InMemoryFlag, InMemoryProvider

from mlops_kit.core.config import load
from mlops_kit.core.errors import UserError
from mlops_kit.serving import flags
from mlops_kit.serving.flags import Flags, Share
from mlops_kit.serving.settings import SERVE, ServeConfig, ShareConfig
from mlops_kit.serving.share_file import LocalFile, share_file

UNITS = [f"user {number}" for number in range(10_000)]


def chosen(**settings):
    share = Share(ShareConfig(header="X-User-Id", **settings))
    return {unit for unit in UNITS if share.has(unit)}


def test_a_share_is_of_its_size_and_grows_without_dealing_anew():
    tenth, fifth = chosen(percent=10), chosen(percent=20)
    assert 900 < len(tenth) < 1100
    assert tenth < fifth
    assert chosen(percent=0) == set()
    assert chosen(percent=100) == set(UNITS)


def test_another_salt_deals_anew():
    assert 50 < len(chosen(percent=10) & chosen(percent=10, salt="second")) < 150


def ask(config, *units, header="X-User-Id"):
    """Return for each unit whether the challenger answers its request."""

    async def every():
        asked = [which.is_challengers({header: unit}, {"age": [30]}) for unit in units]
        return [await one for one in asked]

    which = Flags(config)
    which.start()
    try:
        return asyncio.run(every())
    finally:
        which.close()


def test_a_unit_is_a_header_or_a_column_of_the_first_row():
    assert ask(ShareConfig(header="X-User-Id", percent=100), "u") == [True]
    assert ask(ShareConfig(header="X-Other", percent=100), "u") == [False]
    assert ask(ShareConfig(column="age", percent=100), "u") == [True]

    async def missing():
        return await Flags(ShareConfig(column="age", percent=100)).is_challengers(
            {}, {"age": [None]}
        )

    assert asyncio.run(missing()) is False


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", '{"salt": "x"}', '{"percent": 101}', '{"percent": "many"}', '{"percent": NaN}'),
        *('{"percent": 1%s}' % ("0" * 400), "[" * 60_000),
    ],
    ids=lambda text: text[:20],
)
def test_a_file_without_a_share_is_a_share_of_0(tmp_path, text):
    file = tmp_path / "share.json"
    share = Share(ShareConfig(header="X-User-Id", percent=100, file=str(file)))
    assert not share.has("u")  # it is not there yet
    file.write_text('{"percent": 100}')
    share.read()
    assert share.has("u")
    file.write_text(text)
    share.read()
    assert not share.has("u")


def test_the_switch_works_while_the_service_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(LocalFile, "seconds", 0.005)
    file = tmp_path / "share.json"
    share = Share(ShareConfig(header="X-User-Id", file=str(file)))
    ended = threading.Event()
    watcher = threading.Thread(target=share.watch, args=(ended,))
    watcher.start()
    for percent in (100, 0, 100):
        file.write_text(json.dumps({"percent": percent}))
        for _ in range(2000):
            if share.has("u") == bool(percent):
                break
            ended.wait(0.005)
        assert share.has("u") == bool(percent)
    ended.set()
    watcher.join()


def test_an_object_in_s3_is_the_switch_and_holds_while_s3_is_away(local_s3, monkeypatch, capfd):
    url = "s3://flags/a/share.json"
    share = Share(ShareConfig(header="X-User-Id", percent=100, file=url))

    def has_share(text=None):
        if text is not None:
            local_s3.put_object(Bucket="flags", Key="a/share.json", Body=text)
        share.read()
        return share.has("u")

    assert not has_share()  # there is no bucket yet
    local_s3.create_bucket(Bucket="flags")
    assert not has_share()
    assert has_share(b'{"percent": 100}')
    assert not has_share(b"{")
    assert has_share(b'{"percent": 100}')
    local_s3.delete_object(Bucket="flags", Key="a/share.json")
    assert not has_share()
    assert has_share(b'{"percent": 100}')
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setattr(share, "_file", share_file(url))
    capfd.readouterr()
    assert has_share()
    assert has_share()
    (line,) = map(json.loads, capfd.readouterr().out.splitlines())
    assert (line["event"], line["file"]) == ("share not read", url)
    assert not Share(ShareConfig(header="X-User-Id", percent=100, file=url)).has("u")


@pytest.mark.parametrize("url", ["s3://", "s3://bucket", "s3://bucket/", "s3://bucket/folder/"])
def test_a_url_that_names_no_object_is_a_sentence(checkout, url):
    message = f"challenger.share.file is '{url}'; accepted: a path, s3://BUCKET/KEY, or nothing"
    with pytest.raises(UserError, match=message):
        load(ServeConfig, SERVE, f"challenger.share.file={url}", "SERVE_SET")


class Theirs(InMemoryProvider):
    """A third-party provider, which returns true, but may be slow or broken."""

    slow, broken = threading.Event(), False

    def __init__(self):
        super().__init__({"challenger": InMemoryFlag("on", {"on": True, "off": False})})

    def resolve_boolean_details(self, *given, **named):
        if self.broken:
            raise RuntimeError("down")
        self.slow.wait(10)
        return super().resolve_boolean_details(*given, **named)


THEIRS = ShareConfig(header="X-User-Id", provider=f"{__name__}:Theirs")


def test_a_provider_of_others_is_asked(monkeypatch):
    monkeypatch.setattr(flags, "_TIMEOUT_SECONDS", 10)
    Theirs.slow.set()
    assert ask(THEIRS, "u", "v") == [True, True]


def test_a_provider_that_is_slow_or_down_means_the_champion(monkeypatch, capfd):
    Theirs.slow.clear()
    units = [str(number) for number in range(150)]  # more than may wait
    assert ask(THEIRS, *units) == [False] * 150
    Theirs.slow.set()
    monkeypatch.setattr(Theirs, "broken", True)
    monkeypatch.setattr(flags, "_TIMEOUT_SECONDS", 10)
    assert ask(THEIRS, "u", "v") == [False, False]
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [line["error"] for line in lines if line["event"] == "no flag"] == ["down"]


def test_a_share_is_settled_when_its_file_was_read_or_after_a_bounded_time(
    tmp_path, monkeypatch, capfd
):
    reads = threading.Event()
    monkeypatch.setattr(LocalFile, "read", lambda self: reads.wait(10) and b'{"percent": 5}')
    config = ShareConfig(header="X-User-Id", file=str(tmp_path / "share.json"))
    known, late = Flags(config), Flags(config)
    late._settles_by = 0
    known.start()
    try:
        assert (known.is_settled(), late.is_settled(), late.is_settled()) == (False, True, True)
        reads.set()
        known._share.was_read.wait(10)
        known._settles_by = float("inf")
        while not known.is_settled():  # OpenFeature starts the provider in a thread
            pass
    finally:
        known.close()
    events = [json.loads(line)["event"] for line in capfd.readouterr().out.splitlines()]
    assert sorted(events) == ["share", "share not known"]


@pytest.mark.parametrize("name", ["nowhere:Class", "json:Nothing", "os:abort_not"])
def test_a_provider_that_is_not_there_is_a_sentence(name):
    with pytest.raises(UserError, match=f"challenger.share.provider '{name}' cannot be made: "):
        Flags(ShareConfig(header="X-User-Id", provider=name))


def test_openfeature_gives_the_variant_and_the_reason():
    share = Share(ShareConfig(header="X-User-Id", percent=100))
    details = share.provider().resolve_boolean_details("challenger", False, EvaluationContext("u"))
    assert isinstance(details, FlagResolutionDetails)
    assert (details.value, details.variant, details.reason) == (True, "challenger", "SPLIT")
