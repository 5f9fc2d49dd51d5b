"""Rows of a query: from SQLite, and from a real PostgreSQL where its server and psycopg are installed."""

import contextlib
import logging
import os
import pwd
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlops_kit import data
from mlops_kit.core.errors import UserError
from mlops_kit.data import sources, sql

SECRET = "hunter2"
SOURCE = "data.source=sql:queries/rows.sql data.target=y"


@pytest.fixture
def query(checkout):
    """A function that writes the query of the source."""
    Path("queries").mkdir()
    return Path("queries/rows.sql").write_text


def table(rows=300):
    draw = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "a": draw.normal(size=rows),
            "k": draw.choice(["red", "green"], rows),
            "n": draw.integers(0, 9, rows),
            "y": draw.integers(0, 2, rows),
        }
    )


@pytest.fixture
def sqlite(query, monkeypatch):
    """A connection to the database that DATABASE_URL names, with the table `rows`, and a query of all."""
    monkeypatch.setenv("DATABASE_URL", "sqlite:///rows.db")
    query("SELECT a, k, n, y FROM rows")
    with contextlib.closing(sqlite3.connect("rows.db")) as connection:
        table().to_sql("rows", connection, index=False)
        connection.commit()
        yield connection


def refused(settings, more=""):
    with pytest.raises(UserError) as caught:
        data.load(settings(f"{SOURCE} {more}"))
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_query_gives_the_rows_of_a_file(sqlite, settings, monkeypatch):
    table().to_parquet("data.parquet", index=False)
    monkeypatch.setattr(sql, "_ROWS_AT_ONCE", 70)
    found = data.load(settings(SOURCE))
    wanted = data.load(settings("data.source=data.parquet"))
    assert found.columns == wanted.columns
    pd.testing.assert_frame_equal(found.train_rows, wanted.train_rows)
    np.testing.assert_array_equal(found.test_target, wanted.test_target)


def test_the_digest_is_of_the_result_in_any_order_and_of_any_parts(
    sqlite, settings, query, monkeypatch
):
    first = data.load(settings(SOURCE)).digest
    monkeypatch.setattr(sql, "_ROWS_AT_ONCE", 7)
    query("SELECT a, k, n, y FROM rows ORDER BY a DESC -- 100 %, :all\n;")
    assert data.load(settings(SOURCE)).digest == first
    for other in ("a, n, k, y FROM rows", "a, k, n, y AS y FROM rows WHERE a < 2.5"):
        query(f"SELECT {other}")
        assert data.load(settings(SOURCE)).digest != first
    query("SELECT a, k, n, y FROM rows")
    sqlite.execute("UPDATE rows SET n = n + 1 WHERE a = (SELECT max(a) FROM rows)")
    sqlite.commit()
    assert data.load(settings(SOURCE)).digest != first


def test_gaps_in_some_parts_alone_change_no_type(sqlite, settings, monkeypatch):
    sqlite.executescript(
        "ALTER TABLE rows ADD COLUMN late; UPDATE rows SET late = rowid * 3 WHERE rowid > 200;"
        "ALTER TABLE rows ADD COLUMN never; UPDATE rows SET k = NULL WHERE rowid <= 100"
    )
    Path("queries/rows.sql").write_text("SELECT * FROM rows")
    monkeypatch.setattr(sql, "_ROWS_AT_ONCE", 50)
    config = settings(SOURCE).data
    frame, _ = sources.read(config)
    assert frame["y"].dtype == "int64"
    assert frame["late"].dtype == frame["never"].dtype == "float64"
    assert frame["k"].isna().sum() == 100
    assert frame["late"].iloc[-1] == 900


def test_long_numbers_of_categories_keep_their_digits(sqlite, settings, query):
    query("SELECT *, 1234567890123456780 + n AS long FROM rows UNION SELECT 9, NULL, NULL, 1, NULL")
    frame, _ = sources.read(settings(f"{SOURCE} data.categorical=[long]").data)
    assert set(frame["long"].dropna()) == {str(1234567890123456780 + n) for n in range(9)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SELECT z FROM rows", "cannot be read: no such column: z"),
        ("SELECT a, a, y FROM rows", "has more than one column named 'a'"),
        ("SELECT * FROM rows WHERE a > 99", "sql:queries/rows.sql has no rows"),
        ("DELETE FROM rows", "returns no rows; accepted: a query, like SELECT"),
        (" \n", "is empty; accepted: one query"),
    ],
)
def test_a_query_that_gives_no_table_is_refused(sqlite, settings, query, text, message):
    query(text)
    assert message in refused(settings)
    assert sqlite.execute("SELECT count(*) FROM rows").fetchone() == (300,)


def test_the_file_has_to_be_there(sqlite, settings):
    assert refused(settings, "data.source=sql:queries/none.sql").startswith(
        "data.source sql:queries/none.sql not"
    )
    assert "accepted: sql: and the path of a .sql file" in refused(
        settings, "data.source=sql:rows.db"
    )


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (
            "",
            "data.source sql:queries/rows.sql needs DATABASE_URL, which is not set: postgresql://",
        ),
        (f"u:{SECRET}@db/x", "DATABASE_URL is no URL of a database; accepted: postgresql://"),
        (f"postgresql://u:{SECRET}@db:x/x", "DATABASE_URL is no URL of a database; accepted"),
        (f"fancydb://u:{SECRET}@db/x", "DATABASE_URL needs the driver fancydb, which is not inst"),
        (f"sqlite:////no/such/{SECRET}/rows.db", "DATABASE_URL names a SQLite file that does not"),
        ("sqlite:///row.db", "DATABASE_URL names a SQLite file that does not exist"),
        ("sqlite:///queries", "cannot be read: unable to open database file"),
    ],
)
def test_variable_is_named_without_its_value(query, settings, monkeypatch, url, message):
    monkeypatch.setenv("DATABASE_URL", url)
    query("SELECT 1")
    assert message in refused(settings)
    assert not Path("row.db").exists()


def test_without_psycopg_the_sentence_says_what_to_add(query, settings, monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    query("SELECT 1")
    for scheme in ("postgres", "postgresql", "postgresql+psycopg"):
        monkeypatch.setenv("DATABASE_URL", f"{scheme}://u:{SECRET}@db/x")
        assert refused(settings) == (
            "DATABASE_URL needs the driver postgresql+psycopg, which is not installed: add psycopg[binary] to"
            " dependencies in pyproject.toml, then make lock install"
        )


# --- PostgreSQL -----------------------------------------------------------------------------------

SERVER = shutil.which("pg_ctl"), shutil.which("initdb")


@pytest.fixture(scope="module")
def postgres():
    """The URL of a server of this test's own, on a socket in a short folder, with a password."""
    pytest.importorskip("psycopg", reason="NOT TRIED ON POSTGRESQL: pip install 'psycopg[binary]'")
    if not all(SERVER):
        pytest.skip("NOT TRIED ON POSTGRESQL: no pg_ctl and initdb on PATH")
    control, make = SERVER
    with tempfile.TemporaryDirectory(prefix="pg") as name:
        folder, password = Path(name), Path(name, "password")
        password.write_text(SECRET)
        own = {}
        if os.getuid() == 0:  # PostgreSQL refuses to run as root
            nobody = pwd.getpwnam("nobody")
            for path in (folder, password):
                shutil.chown(path, nobody.pw_uid)
            own = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        run = {"check": True, "stdout": subprocess.DEVNULL, "cwd": folder, **own}
        given = ["-U", "owner", "-A", "scram-sha-256", "--pwfile", password, "--no-sync"]
        subprocess.run([make, "-D", folder / "db", *given], **run)
        options = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off"
        pg = [control, "-D", folder / "db", "-w"]
        subprocess.run([*pg, "-l", folder / "log", "-o", options, "start"], **run)
        try:
            yield f"postgresql://owner:{SECRET}@/postgres?host={folder}"
        finally:
            subprocess.run([*pg, "-m", "immediate", "stop"], **run)


@pytest.mark.slow
def test_a_real_postgresql_gives_the_same_rows(
    postgres, query, settings, monkeypatch, caplog, capfd
):
    import psycopg

    rows = table().assign(
        at=pd.date_range("2026-01-01", periods=300, freq="h", tz="Europe/Berlin"),
        price=np.arange(300) / 4,
        long=np.arange(300) + 10**17,
        flag=np.arange(300) % 3 == 0,
    )
    rows.loc[::7, ["k", "price"]] = None
    with psycopg.connect(postgres) as connection, connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE rows (a float8, k text, n int, y int, at timestamptz, price numeric(9,2), long int8, flag bool,"
            " id uuid DEFAULT gen_random_uuid())"
        )
        with cursor.copy("COPY rows (a, k, n, y, at, price, long, flag) FROM STDIN") as copy:
            for row in rows.astype(object).where(rows.notna(), None).itertuples(index=False):
                copy.write_row(row)
    monkeypatch.setenv("DATABASE_URL", postgres)
    monkeypatch.setattr(sql, "_ROWS_AT_ONCE", 50)
    caplog.set_level(logging.DEBUG)
    query(
        "SELECT * FROM rows WHERE k LIKE '%e%' OR k IS NULL OR k <> 'a:b' -- % and :name are no parameters\n;\n"
    )
    own = f"{SOURCE} data.drop=[id] data.categorical=[long] data.keep=[long]"
    found = data.load(settings(own))
    rows.to_parquet("data.parquet", index=False)
    wanted = data.load(
        settings("data.source=data.parquet data.categorical=[long] data.keep=[long]")
    )
    assert found.columns == wanted.columns
    both = [
        pd.concat([each.train_rows, each.test_rows]).sort_values("a", ignore_index=True)
        for each in (found, wanted)
    ]
    pd.testing.assert_frame_equal(*both)
    for session in ("America/New_York", "UTC"):  # the same moments
        monkeypatch.setenv("PGTZ", session)
        assert data.load(settings(own)).digest == found.digest
    left_out = data.load(settings(f"{SOURCE} data.drop=[long]")).left_out
    assert left_out == ["1 column with a different text in nearly every row (id)"]
    for text, message in (
        ("UPDATE rows SET n = 0 RETURNING *", "cannot be read: "),
        ("SELECT nothing FROM rows", 'column "nothing" does not exist'),
        ("SELECT 'infinity'::timestamptz AS y", "cannot be read: "),
    ):
        query(text)
        assert message in refused(settings)
    monkeypatch.setenv("DATABASE_URL", postgres.replace(SECRET, f"{SECRET}x"))
    assert 'password authentication failed for user "owner"' in refused(settings)
    assert SECRET not in caplog.text + "".join(capfd.readouterr())
