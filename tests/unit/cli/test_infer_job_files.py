"""Which jobs of a batch write the same file, and which read files that have changed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.integration.infer_job import settings
from w2l.cli.infer_batch import Outcome, is_there
from w2l.cli.infer_input import DOWNLOADS, name_of
from w2l.cli.infer_job_files import fingerprint, target

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
        ({}, {}, True),
        ({}, {"audio": "c.wav"}, False),
        ({"face": "a_b.mp4", "audio": "c.wav"}, {"audio": "b_c.wav"}, True),
        ({}, {"outfile": "outputs/infer/a_b.mp4"}, True),
        ({"outfile": "x.mp4"}, {"outfile": "y/../link/x.mp4"}, True),
        ({"outfile": "x.mp4", "codec": "ffv1"}, {"outfile": "x.mkv"}, True),
        ({"outfile": "x.v1", "codec": "ffv1"}, {"outfile": "x.v2", "codec": "ffv1"}, False),
        ({"codec": "h264"}, {"codec": "vp9"}, False),
        ({"people": "people.yaml", "audio": None}, {}, True),  # both are named after b.wav
        ({"people": "people.yaml", "audio": None}, {"people": "others.yaml", "audio": None}, False),
        ({"mode": "restore", "audio": None}, {"outfile": "outputs/infer/a_restored.mp4"}, True),
        ({"person": "tracks"}, {"person": "tracks", "audio": None}, True),
        ({"person": "tracks"}, {}, False),
        ({"preview": 1}, {"preview": 2}, True),
        ({"preview": 1}, {}, False),
        ({"face": URL}, {"face": str(DOWNLOADS / name_of(URL))}, True),
        ({"face": URL}, {"face": URL.replace("a.mp4", "c.mp4")}, False),
    ],
)
def test_jobs_that_write_the_same_file(one, other, same) -> None:
    first, second = target(settings(**JOB | one)), target(settings(**JOB | other))
    assert None not in (first, second)
    assert (first == second) is same


@pytest.mark.parametrize(
    "wrong", [{"audio": None}, {"people": "nowhere.yaml"}, {"outfile": "."}], ids=str
)
def test_a_job_that_cannot_begin_writes_nothing(wrong) -> None:
    assert target(settings(**JOB | wrong)) is None


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
