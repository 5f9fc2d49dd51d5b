"""The tags of a run's origin."""

import hashlib

import git
import pytest

from mlops_kit.core import provenance
from mlops_kit.core.errors import UserError


@pytest.fixture
def repository(checkout):
    repository = git.Repo.init(checkout)
    with repository.config_writer() as settings:
        settings.set_value("user", "name", "A Person")
        settings.set_value("user", "email", "person@example.com")
        settings.set_value("commit", "gpgsign", "false")
    repository.git.add(".")
    repository.git.commit("-m", "Begin")
    return repository


def test_a_clean_tree_gives_its_commit(repository):
    tags = provenance.tags()
    assert tags["git.commit"] == repository.head.commit.hexsha
    assert tags["git.dirty"] == "false"


def test_a_changed_or_new_file_makes_it_dirty(repository, checkout):
    (checkout / "new.py").write_text("")
    assert provenance.tags()["git.dirty"] == "true"
    (checkout / "new.py").unlink()
    (checkout / "requirements.txt").write_text("changed")
    assert provenance.tags()["git.dirty"] == "true"


def test_no_repository_and_no_commit_have_no_commit(checkout, capsys):
    assert provenance.tags()["git.commit"] == "none"
    assert capsys.readouterr().out == ""
    git.Repo.init(checkout)
    assert provenance.tags()["git.commit"] == "none"
    assert "note: no commit is recorded: " in capsys.readouterr().out


def test_a_repository_whose_git_fails_is_reported(repository, monkeypatch, capsys):
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # as of another user
    assert provenance.tags()["git.commit"] == "none"
    assert "fatal: detected dubious ownership in" in capsys.readouterr().out
    monkeypatch.setenv("PATH", "")
    assert provenance.tags()["git.commit"] == "none"
    assert capsys.readouterr().out == "note: no commit is recorded: git is missing\n"
    monkeypatch.setenv("IMAGE_REVISION", "0123abc")
    assert provenance.tags()["git.commit"] == "0123abc"
    assert capsys.readouterr().out == ""


def test_the_lock_digest_is_the_sha256_of_the_file(checkout):
    content = (checkout / "requirements.txt").read_bytes()
    assert provenance.tags()["lock.digest"] == hashlib.sha256(content).hexdigest()


def test_a_folder_without_the_lock_is_refused(checkout):
    (checkout / "requirements.txt").unlink()
    with pytest.raises(UserError, match=r"requirements\.txt not found: run this in the repository"):
        provenance.tags()
