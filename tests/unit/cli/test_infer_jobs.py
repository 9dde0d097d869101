"""What the columns of a list of jobs mean."""

from __future__ import annotations

import pytest

from tests.settings import settings_of
from tests.unit.video.made import constant, numbered, write_video
from w2l.building import Component, named_group
from w2l.cli.infer_jobs import read_jobs
from w2l.cli.keys.infer import Infer


def settings(batch, **given) -> Infer:
    return settings_of(Infer, batch=str(batch), **given)


def network(path: str) -> Component:
    return Component.of(named_group("restorer", path))


@pytest.mark.parametrize(
    ("key", "cell", "means"),
    [
        ("person", "left", "left"),
        ("person", "track:2", "track:2"),
        ("person", "photo:me.png", "photo:{folder}/me.png"),
        ("label", "made with AI", "made with AI"),
        ("restorer", "gfpgan", network("gfpgan")),
        ("restorer", "there.onnx", network("{folder}/there.onnx")),
        ("restorer", "sharpen", Component("w2l.restoration.Sharpen")),
        ("restorer", "null", None),
        ("people", "people.yaml", "{folder}/people.yaml"),
        ("voice", "voice.wav", "{folder}/voice.wav"),
        ("box", '"[1,2,3,4]"', [1, 2, 3, 4]),
        ("quality", "fast", "fast"),
    ],
)
def test_a_cell_is_its_keys_value(tmp_path, key, cell, means) -> None:
    (tmp_path / "there.onnx").touch()
    (tmp_path / "jobs.csv").write_text(f"face,audio,{key}\na.mp4,b.wav,{cell}\n")
    (job,) = read_jobs(settings(tmp_path / "jobs.csv"), set())
    assert job.problem is None
    if isinstance(means, Component):
        path = dict(means.arguments).get("path")
        means = means.with_arguments(path=path.format(folder=tmp_path)) if path else means
    expected = means.format(folder=tmp_path) if isinstance(means, str) else means
    assert getattr(job.settings, key) == expected
    assert job.settings.face == str(tmp_path / "a.mp4")


@pytest.mark.parametrize(
    "silent", [{"mode": "restore"}, {"person": "tracks"}, {"people": "people.yaml"}], ids=str
)
def test_a_folder_needs_no_sounds_for_jobs_that_take_none(tmp_path, silent) -> None:
    write_video(tmp_path / "a.mp4", [numbered(0)] * 2, constant(2, 25))
    (job,) = read_jobs(settings(tmp_path, **silent), set())
    assert (job.problem, job.settings.audio) == (None, None)
    (job,) = read_jobs(settings(tmp_path), set())
    assert "needs one sound of its name" in str(job.problem)
