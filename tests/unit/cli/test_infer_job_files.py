"""Which jobs of a batch write the same file, and which read files that have changed."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.integration.infer_job import settings
from w2l.cli.infer_batch import Outcome, is_there
from w2l.cli.infer_jobs import fingerprint, target, writing_to
from w2l.cli.infer_output import OUTPUTS, name_outfile

PEOPLE = "- {person: left, audio: b.wav}\n- {person: 'photo:me.png', audio: c.wav}\n"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("a.mp4", "b.wav", "c.wav", "me.png", "~talk.mp4"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "people.yaml").write_text(PEOPLE)
    (tmp_path / "others.yaml").write_text(PEOPLE.replace("b.wav", "c.wav"))
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    return tmp_path


JOB = {"face": "a.mp4", "audio": "b.wav"}
URL = "https://example.org/a.mp4"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"outfile": "x.mp4"}, {"outfile": "x.mp4"}, True),
        ({"outfile": "x.mp4"}, {"outfile": "y/../link/x.mp4"}, True),
        ({"outfile": "x.mp4", "codec": "ffv1"}, {"outfile": "x.mkv"}, True),
        ({"outfile": "x.v1", "codec": "ffv1"}, {"outfile": "x.v2", "codec": "ffv1"}, False),
        ({"outfile": "x", "person": "tracks"}, {"outfile": "x", "person": "tracks"}, True),
        ({"outfile": "x", "person": "tracks"}, {"outfile": "x"}, False),
        ({"outfile": "x.mp4", "preview": 1}, {"outfile": "x.mkv", "preview": 2}, True),
        ({"outfile": "x.mp4", "preview": 1}, {"outfile": "x.mp4"}, False),
    ],
)
def test_jobs_that_write_the_same_file(one, other, same) -> None:
    first, second = target(settings(**JOB | one)), target(settings(**JOB | other))
    assert None not in (first, second)
    assert (first == second) is same


@pytest.mark.parametrize(
    "wrong",
    [{"audio": None, "outfile": "x.mp4"}, {"people": "nowhere.yaml", "outfile": "x.mp4"},
     {"outfile": "."}],
    ids=str,
)  # fmt: skip
def test_a_job_that_cannot_begin_shares_no_file(wrong) -> None:
    assert target(settings(**JOB | wrong)) is None


def test_a_job_without_a_name_takes_one_that_nobody_has() -> None:
    first = target(settings(**JOB))
    second = target(settings(**JOB), {first})
    assert (first.name, second.name) == ("a_b.mp4", "a_b_2.mp4")
    assert target(settings(**JOB), {first, second}).name == "a_b_3.mp4"


@pytest.mark.parametrize(
    ("keys", "first", "second"),
    [
        ({}, "a_b.mp4", "a_b_2.mp4"),
        ({"codec": "vp9"}, "a_b.webm", "a_b_2.webm"),
        ({"codec": "png"}, "a_b", "a_b_2"),
        ({"preview": 1}, "a_b_preview.png", "a_b_2_preview.png"),
        ({"person": "tracks"}, "a.mp4.tracks.png", "a.mp4_2.tracks.png"),
    ],
)
def test_a_name_that_is_not_given_is_a_new_one(keys, first, second) -> None:
    given = settings(**JOB | keys)
    path = name_outfile(given, Path("a.mp4"), Path("b.wav"))
    assert path == OUTPUTS / first
    path.parent.mkdir(parents=True)
    path.touch()
    assert name_outfile(given, Path("a.mp4"), Path("b.wav")) == OUTPUTS / second
    assert name_outfile(replace(given, outfile="x.mp4"), Path("a.mp4")).name.startswith("x.")


@pytest.mark.parametrize(
    ("keys", "file"),
    [
        ({}, "a.mp4"),
        ({"face": "~talk.mp4"}, "~talk.mp4"),
        ({"person": "photo:me.png"}, "me.png"),
        ({"people": "people.yaml", "audio": None}, "people.yaml"),
        ({"people": "people.yaml", "audio": None}, "c.wav"),
        ({"people": "people.yaml", "audio": None}, "me.png"),
    ],
)
def test_a_file_that_changed_is_read_again(folder, keys, file) -> None:
    given = settings(**JOB | keys)
    before = fingerprint(given)
    assert fingerprint(given) == before
    os.utime(folder / file, ns=(0, 0))
    assert fingerprint(given) != before


def test_names_that_are_too_long_are_the_jobs_own_trouble() -> None:
    given = settings(**JOB | {"face": "x" * 300 + ".mp4", "outfile": "y" * 300 + ".mp4"})
    assert target(given) is not None
    assert fingerprint(given)


def test_what_leaves_no_result_is_done_anew(folder) -> None:
    """A preview and a list of tracks; the path of nothing is the folder one is in."""
    assert not is_there(Outcome(1, "a.mp4", "b.wav", "", "done"))
    assert is_there(Outcome(1, "a.mp4", "b.wav", str(folder / "a.mp4"), "done", size=1))


@pytest.mark.parametrize(
    "values", [{}, {"person": "tracks"}, {"preview": 0.5}, {"codec": "png"}, {"codec": "ffv1"}]
)
def test_a_name_that_is_given_out_is_the_name_of_the_result(values) -> None:
    job = settings(**JOB | values)
    path = target(job)
    assert target(writing_to(job, path)) == path
