"""What differs between the releases of PyAV is the same above `w2l.media`."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from fractions import Fraction
from pathlib import Path

import pytest

from tests.unit.video.made import numbered
from w2l.media import exact, readable
from w2l.video import VideoReader, VideoWriter, probe


@dataclass
class Ratio:
    """As PyAV 19 gives rates and units of time: no Fraction, and 0/1 where there is none."""

    numerator: int
    denominator: int

    def __bool__(self) -> bool:
        return all(astuple(self))


@pytest.mark.parametrize("given", [Fraction(30_000, 1001), Ratio(30_000, 1001)])
def test_a_stated_ratio_is_exact(given):
    assert exact(given) / 3 == Fraction(10_000, 1001)


@pytest.mark.parametrize("given", [None, Ratio(0, 1), Ratio(0, 0), Ratio(1, 0)])
def test_a_ratio_that_is_not_stated(given):
    assert exact(given) is None


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "in.mkv"
    with VideoWriter(path, 25, (64, 48), metadata={"comment": "Gruesse"}) as writer:
        for i in range(5):
            writer.write(numbered(i))
    return path


def test_all_that_is_known_of_a_video_is_a_fraction(video):
    info = probe(video)
    assert {type(each) for each in (info.fps, info.start, info.tick)} == {Fraction}
    assert type(info.look.pixel_aspect) is Fraction


def test_tags_in_another_encoding_are_no_reason_to_refuse_a_video(video):
    video.write_bytes(video.read_bytes().replace(b"Gruesse", b"Gr\xfcsse!"))
    assert len(list(VideoReader(video))) == 5
    assert probe(video).tags["comment"] == "Gr�sse!"


def test_a_tag_as_pyav_19_reads_it_can_be_written():
    assert readable("Gr\udcfc\udcdfe ü") == "Gr��e ü"
