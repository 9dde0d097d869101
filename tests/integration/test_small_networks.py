"""The networks that come with w2l, on its clips of people whom they never saw."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import w2l
from tests.integration.command import call
from tests.writing import write_wav
from w2l import examples
from w2l.audio.waveform import load_audio
from w2l.video import VideoReader, VideoWriter, write_png

FACE, VOICE = examples.path("grid_s3_sbia1a"), examples.path("grid_s4_lwbsza")


def scores(folder: Path, video: Path, *values: str) -> list[dict[str, Any]]:
    """The tracks that `evaluate.py` finds with nothing but what ships."""
    done = call(
        "evaluate.py", f"video={video}", "syncnet=none", "plots=false", "report=false",
        f"output={folder / 'scores.json'}", "device=cpu", *values, cwd=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    content = json.loads((folder / "scores.json").read_text())
    return [track for clip in content["clips"] for track in clip["tracks"]]


def test_the_judge_finds_where_the_sound_of_a_stranger_lies(tmp_path: Path) -> None:
    sound = load_audio(FACE, origin="video")
    # 5 frames later: what is heard at 0 s was said at -0.2 s
    moved = np.concatenate([np.zeros(5 * 640, np.float32), sound])[: len(sound)]
    write_wav(tmp_path / "late.wav", moved, 16_000)
    (own,) = scores(tmp_path, FACE)
    (late,) = scores(tmp_path, FACE, f"audio={tmp_path / 'late.wav'}")
    assert abs(own["cosine_offset"]) <= 1
    assert own["cosine_offset"] - late["cosine_offset"] == 5
    assert own["judged"] is True
    assert own["cosine_confidence"] > 0.4


def test_a_still_face_is_not_judged(tmp_path: Path) -> None:
    """An image that speaks to nobody: no sync is made up for it."""
    still = next(iter(VideoReader(FACE, fps=25)))
    with VideoWriter(tmp_path / "still.mkv", 25, still.shape[1::-1], codec="ffv1") as writer:
        for _ in range(75):
            writer.write(still)
    (found,) = scores(tmp_path, tmp_path / "still.mkv", f"audio={FACE}")
    assert found["judged"] is False


def test_a_stranger_says_anothers_words_and_the_result_is_judged(tmp_path: Path) -> None:
    outfile = tmp_path / "dub.mp4"
    done = call(
        "infer.py", f"face={FACE}", f"audio={VOICE}", f"outfile={outfile}", "device=cpu",
        "cache=false", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "generator: wav2lip_small, which comes with w2l" in done.stdout
    said = re.search(r"offset ([+-]\d+) frames, confidence (\d\.\d+), by judge_small", done.stdout)
    assert said, done.stdout
    assert abs(int(said[1])) <= 1
    assert float(said[2]) > 0.25


@pytest.mark.long
def test_a_photo_is_judged_and_a_video_as_far_as_it_goes(tmp_path: Path) -> None:
    """The sound is longer than the video, which then goes on backwards; an image is one frame."""
    still = next(iter(VideoReader(FACE, fps=25)))
    write_png(tmp_path / "still.png", still, {})
    sound = np.concatenate([load_audio(VOICE)] * 2)
    write_wav(tmp_path / "long.wav", sound, 16_000)
    for face in (FACE, tmp_path / "still.png"):
        done = call(
            "infer.py", f"face={face}", f"audio={tmp_path / 'long.wav'}", "device=cpu",
            f"outfile={tmp_path / face.stem}.mp4", cwd=tmp_path,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "149 of 149 frames synced" in done.stdout
        assert re.search(r"offset [+-][01] frames, confidence 0\.\d\d", done.stdout), done.stdout
    mask = call(
        "infer.py", f"face={FACE}", f"audio={VOICE}", "view=mask", "device=cpu", cwd=tmp_path
    )
    assert mask.returncode == 0, mask.stderr
    assert "confidence" not in mask.stdout  # what is drawn over the lips is not the lips


@pytest.mark.long
def test_a_page_shows_source_and_result(tmp_path: Path) -> None:
    done = call("-m evaluation", f"show=[{FACE},{VOICE}]", f"out={tmp_path / 'page'}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "source: in sync: offset +0 frames" in done.stdout
    assert re.search(r"result: .*offset \+0 frames, confidence 0\.\d\d", done.stdout)
    page = (tmp_path / "page" / "index.html").read_text()
    assert page.count("<video") == 2
    assert (tmp_path / "page" / "strip.webp").stat().st_size > 10_000
    assert " ms late" not in page
    again = [call("-m evaluation", f"show=[{FACE},{VOICE}]", cwd=tmp_path) for _ in range(2)]
    assert [each.returncode for each in again] == [0, 0]
    assert {path.parent.name for path in tmp_path.glob("outputs/*/index.html")} == {
        "show", "show_2"
    }  # fmt: skip
    still = tmp_path / "grey.mkv"
    with VideoWriter(still, 25, (96, 96), codec="ffv1") as writer:
        for _ in range(30):
            writer.write(np.full((96, 96, 3), 90, np.uint8))
    refused = call("-m evaluation", f"show=[{FACE},{still}]", cwd=tmp_path)
    assert refused.returncode == 1
    assert len(refused.stderr.strip().splitlines()) == 1, refused.stderr
    assert " ms early" not in page


@pytest.mark.long
def test_the_library_needs_no_name_and_no_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("W2L_WEIGHTS_DIR", str(tmp_path / "nothing"))
    monkeypatch.setenv("W2L_OFFLINE", "1")
    lipsync = w2l.LipSync.from_pretrained(device="cpu")
    result = lipsync.sync(FACE, VOICE, tmp_path / "dub.mp4")
    assert result.n_synced == result.n_frames == 75
