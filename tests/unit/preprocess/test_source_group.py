"""`source=`: a group of components, those of one's own among them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from preprocess import command
from preprocess.command import _job
from preprocess.keys import Preprocess
from preprocess.sources import Prepared
from tests.settings import settings_of
from w2l.building import Component, choices, named_group
from w2l.components import Announce, Clip, Listing
from w2l.errors import UserError


class Talks:
    """One clip for each of some years."""

    any_videos = True

    def __init__(self, data_root: Path, years: list[int]) -> None:
        self.root, self.years = data_root, years

    def listing(self, announce: Announce) -> Listing:
        announce(f"{len(self.years)} talks")
        return Listing([Clip(self.root, f"{year}.mp4", "ann", str(year)) for year in self.years])


def talks(**more: object) -> Component:
    return Component.of({"_target_": f"{__name__}.Talks", **more})


@pytest.mark.parametrize("name", sorted(choices("source")))
def test_the_choices_are_built_from_what_the_run_knows(name: str, tmp_path: Path) -> None:
    source = Component.of(named_group("source", name))
    made = settings_of(Preprocess, source=source, data_root=str(tmp_path))
    assert type(_job(made).source).__name__.lower() == name == source.name
    assert _job(made).out == Path("data") / name
    any_videos = name in {"folder", "csv"}
    assert source.says("any_videos", None) is any_videos
    assert (_job(made).cut is not None, _job(made).duplicates == "exact") == (any_videos,) * 2
    assert isinstance(_job(made).source, Prepared) == (name == "prepared")


def test_one_of_ones_own(tmp_path: Path) -> None:
    made = settings_of(Preprocess, source=talks(years=[2001, 2002]), data_root=str(tmp_path))
    said: list[str] = []
    assert [clip.key for clip in _job(made).source.listing(said.append).clips] == [
        "ann/2001",
        "ann/2002",
    ]
    assert said == ["2 talks"]
    assert _job(made).cut is not None


def test_what_is_refused_before_anything_is_read() -> None:
    grid = Component.of(named_group("source", "grid"))
    with pytest.raises(UserError, match="source=grid needs data_root=FOLDER"):
        _job(settings_of(Preprocess, source=grid))
    with pytest.raises(UserError, match=r"unexpected keyword argument 'yars'; its signature is"):
        _job(settings_of(Preprocess, source=talks(yars=[1]), data_root="."))
    with pytest.raises(UserError, match=r"missing a required argument: 'years'"):
        _job(settings_of(Preprocess, source=talks(), data_root="."))


@pytest.mark.parametrize(("pending", "name"), [(0, "folder"), (0, "demo"), (2, "folder")])
def test_what_comes_next_is_said_once_all_is_prepared(
    pending: int, name: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "prepare", lambda *_: SimpleNamespace(pending=pending))
    monkeypatch.setattr(command, "_pack", lambda *_: None)
    source = Component.of(named_group("source", name))
    command.preprocess(settings_of(Preprocess, source=source, data_root=".", out="my set"))
    experiment = {"folder": "syncnet_strong", "demo": "demo_syncnet"}[name]
    following = f"next: python train.py experiment={experiment} 'data.root=my set'\n"
    assert ("next" in (said := capsys.readouterr().out)) == (pending == 0)
    assert pending or said.endswith(following)
