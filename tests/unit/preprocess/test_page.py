"""The page of a set tells what became of every file, and shows clips and rejections."""

from __future__ import annotations

import base64
import re
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from preprocess import page as page_module
from preprocess.page import histograms
from preprocess.settings import Job
from preprocess.sources import Folder
from tests.integration.test_preprocess import Runner
from tests.unit.preprocess.clips import good, write_video
from w2l.components import Clip


def images(page: str) -> list[np.ndarray]:
    found = re.findall(r'src="data:image/\w+;base64,([^"]+)"', page)
    return [
        cv2.imdecode(np.frombuffer(base64.b64decode(text), np.uint8), cv2.IMREAD_COLOR)
        for text in found
    ]


def test_every_file_is_accounted_for(tmp_path: Path) -> None:
    root = tmp_path / "in"
    good(root / "ann" / "1.mp4", frames=20)
    (root / "<b>").mkdir()
    shutil.copy(root / "ann" / "1.mp4", root / "<b>" / "2.mp4")
    write_video(root / "cy" / "grey.mp4", face_frames=[False] * 16)
    (root / "cy" / "text.mp4").write_text("no video")
    job = Job(Folder(root), tmp_path / "out", engine="serial", device="cpu", page=True)
    run = Runner()
    run(job)
    page = (job.out / "report.html").read_text()
    cells = re.findall(
        r"<tr><td>(.*?)</td><td>(.*?)</td><td class=\"number\">(.*?)</td></tr>", page
    )
    assert sorted(cells) == [
        ("", "found", "4"), ("", "in the set", "2"), ("faces", "no face", "-1"),
        ("probe", "broken file", "-1"),
    ]  # fmt: skip
    assert "<b>/2" not in page, "names are text"
    assert "&lt;b&gt;/2" in page
    assert "no face (1)" in page
    assert "broken file (1)" in page
    sizes = [image.shape for image in images(page)]
    assert sizes[1:] == [(144, 480, 3), (144, 480, 3), (200, 200, 3)]  # two clips, the grey video
    assert not re.search(r'(src|href)="(?!data:)', page), "it needs nothing beside it"
    run(replace(job, page=False))
    assert (job.out / "report.html").read_text() == page


def test_only_what_was_measured_has_a_histogram() -> None:
    records = [{"duration_s": s, "face_size": 100, "sync_offset": None} for s in (1.0, 2.0, 4.0)]
    width = cv2.imdecode(np.frombuffer(histograms(records), np.uint8), cv2.IMREAD_COLOR).shape[1]
    assert width == 600
    measured = [record | {"sync_offset": 0, "sync_confidence": 0.3} for record in records]
    image = cv2.imdecode(np.frombuffer(histograms(measured), np.uint8), cv2.IMREAD_COLOR)
    assert image.shape[1] == 1200


def test_a_image_that_cannot_be_made_costs_itself_only(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise AttributeError("'NoneType' object has no attribute 'thread_type'")

    monkeypatch.setattr(page_module, "VideoReader", broken)
    record = {"reason": "broken file", "detail": "it is bad", "speaker": "ann", "clip": "1"}
    (_, examples, _) = page_module.rejections([record], [Clip(Path(), "a.mp4", "ann", "1")])
    assert "it is bad" in examples
    assert page_module.wall([record | {"duration_s": "not a number"}], Path("nowhere")) == (
        '<div class="wall"></div>'
    )
