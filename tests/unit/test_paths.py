"""A file that is called `~talk` is that file, wherever a command asks for one."""

from __future__ import annotations

from pathlib import Path

import pytest

from evaluation.keys import Evaluation
from evaluation.report.compare_command import compare
from tests.conftest import ROOT, write_clip
from tests.settings import settings_of
from w2l.cli.run_dir import find_state
from w2l.data.clips import list_clips
from w2l.data.storage import Storage
from w2l.errors import UserError
from w2l.files import user_cache
from w2l.paths import shown_path, told_path, user_path
from w2l.scoring import find_videos


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path


def test_what_is_there_comes_before_anybodys_home(here: Path) -> None:
    assert user_path("~/a.mp4") == here / "home/a.mp4"
    assert user_path("~nobody at all") == Path("~nobody at all")
    (here / "~").mkdir()
    (here / "~/a.mp4").touch()
    assert user_path("~/a.mp4") == Path("~/a.mp4")
    assert user_path("~x", here / "sub") == here / "sub/~x"


def test_results_name_files_by_relative_paths(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "work").mkdir()
    monkeypatch.chdir(here / "work")
    assert shown_path(here / "work/a.mp4") == "a.mp4"
    assert shown_path(here / "home/a.mp4") == "~/a.mp4"
    assert shown_path(here / "data/a.mp4") == "../data/a.mp4"
    assert told_path(here / "data/a.mp4") == str(here / "data/a.mp4")
    assert told_path(here / "work/a.mp4") == "a.mp4"


def test_videos_to_score(here: Path) -> None:
    (here / "~x.mp4").touch()
    (here / "set").mkdir()
    (here / "set/~y.mp4").touch()
    (here / "set/~list.txt").write_text("~x.mp4\n~y.mp4\n~z.mp4\n")
    assert find_videos("~x.mp4") == [Path("~x.mp4")]
    found = find_videos("set/~list.txt")
    assert found == [Path("~x.mp4"), Path("set/~y.mp4"), Path("~z.mp4")]
    with pytest.raises(UserError, match="no such file"):
        find_videos("~z.mp4")


def test_a_set_to_train_on(here: Path) -> None:
    write_clip(here / "~set/a/1", frames=5, seed=1)
    (here / "~set/train.txt").write_text("a/1\n")
    (clip,) = list_clips("~set", "train")
    assert clip.folder == Path("~set/a/1")
    assert len(Storage("~set").clips("train")) == 1


def test_a_checkpoint_to_go_on_from(here: Path) -> None:
    with pytest.raises(UserError, match=r"resume=~run\.ckpt: there is no such file"):
        find_state("~run.ckpt", here, print)


def test_scores_to_compare() -> None:
    settings = settings_of(Evaluation, compare=["~a.json", "~b.json"])
    with pytest.raises(UserError, match=r"~a\.json"):
        compare(settings, None)  # type: ignore[arg-type]


def test_folders_that_the_environment_names(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OWN", "~mine")
    assert user_cache("faces", "OWN") == Path("~mine")
    monkeypatch.delenv("OWN")
    monkeypatch.setenv("XDG_CACHE_HOME", "~no-such-user")
    assert user_cache("faces", "OWN") == here / "home/.cache/w2l/faces"


@pytest.mark.parametrize("folder", ["src", "preprocess", "evaluation", "benchmarks"])
def test_nothing_else_looks_for_homes(folder: str) -> None:
    """`Path.expanduser` raises where there is no such user."""
    files = (ROOT / folder).rglob("*.py")
    found = [file.name for file in files if "expanduser(" in file.read_text("utf-8")]
    assert found == (["paths.py"] if folder == "src" else [])
