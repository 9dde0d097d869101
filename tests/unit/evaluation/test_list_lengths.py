"""Lengths of clips for pairing: from a prepared set's manifest, its folders, or raw videos."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from evaluation.filelists.lengths import candidates
from tests.unit.preprocess.clips import write_video
from w2l.audio.mel import log_mel
from w2l.audio.waveform import load_audio
from w2l.errors import UserError
from w2l.filelists import Candidate

ANY = "**/*.mp4"


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips of ann, one of ben without sound, one broken, one hidden, one with a blank."""
    root = tmp_path_factory.mktemp("videos")
    write_video(root / "ann/1.mp4", face_frames=[False] * 20, seconds_of_sound=0.8)
    # Half the rate: 24 frames of it are 48 of 25 a second. Sound and images differ.
    write_video(root / "ann/2.mp4", face_frames=[False] * 24, seconds_of_sound=1.2, fps=50)
    write_video(root / "ben/1.mp4", face_frames=[False] * 10, seconds_of_sound=None)
    (root / "ben/2.mp4").write_bytes(b"no video")
    shutil.copytree(root / "ann", root / ".rejected")
    shutil.copy(root / "ann/1.mp4", root / "ben/my clip.mp4")
    return root


def test_videos_are_measured_as_they_are(videos):
    found, notes = candidates(videos, None, "test", ANY)
    by_name = {clip.name: clip for clip in found}
    assert sorted(by_name) == ["ann/1", "ann/2", "ben/1"]
    assert [by_name[name].n_frames for name in sorted(by_name)] == [20, 12, 10]
    # 80 columns a second; a codec may round the length of the sound up to its blocks
    assert by_name["ann/1"].n_columns == pytest.approx(65, abs=6)
    assert by_name["ann/2"].n_columns == pytest.approx(97, abs=6)
    for name in ("ann/1", "ann/2"):  # exactly as many as the networks will be given
        mel = log_mel(load_audio(videos / f"{name}.mp4"))
        assert by_name[name].n_columns == mel.shape[1]
    assert by_name["ben/1"].n_columns == 0
    assert by_name["ben/1"].speaker == "ben"
    assert "no test.txt: all 5 clips below it are taken" in notes[0]
    assert re.search(
        r"2 of 5 clips cannot be used and are left out; .*ben/2 \(.*ben/2\.mp4", notes[1]
    )


def test_a_list_says_which_videos(videos, tmp_path):
    listed = tmp_path / "some.txt"
    listed.write_text("ben/1 NF\nann/1\nben/3\n")
    found, notes = candidates(videos, listed, "test", ANY)
    assert [clip.name for clip in found] == ["ben/1", "ann/1"]
    (note,) = notes
    assert "1 of 3 clips cannot be used" in note
    assert "ben/3.mp4 does not exist" in note


def test_a_pattern_chooses_a_part(videos, tmp_path):
    for name in ("ABOUT/train/ABOUT_00001", "ABOUT/test/ABOUT_00001"):
        (tmp_path / name).parent.mkdir(parents=True)
        shutil.copy(videos / "ann/1.mp4", tmp_path / f"{name}.mp4")
    (tmp_path / "top.mp4").write_bytes((videos / "ann/1.mp4").read_bytes())
    found, _ = candidates(tmp_path, None, "test", "*/test/*.mp4")
    assert [(clip.name, clip.speaker) for clip in found] == [("ABOUT/test/ABOUT_00001", "ABOUT")]
    found, _ = candidates(tmp_path, None, "test", "*.mp4")
    assert [(clip.name, clip.speaker) for clip in found] == [("top", None)]
    with pytest.raises(UserError, match="pattern=/abs is no pattern"):
        candidates(tmp_path, None, "test", "/abs")
    with pytest.raises(UserError, match=r"no clip to pair\. .* all 0 clips"):
        candidates(tmp_path, None, "test", "*.avi")


def test_the_published_layout(prepared, tmp_path):
    found, notes = candidates(prepared, None, "val", ANY)
    assert found == [Candidate(f"val{i}/00001", f"val{i}", 40, 129) for i in range(2)]
    assert notes == []
    shutil.copytree(prepared / "val0", tmp_path / "val0")
    (tmp_path / "val0/00001/39.jpg").unlink()  # no face in the last two frames, nor in the fourth
    (tmp_path / "val0/00001/38.jpg").unlink()
    (tmp_path / "val0/00001/3.jpg").unlink()
    shutil.copytree(prepared / "val1", tmp_path / "val1")
    (tmp_path / "val1/00001/audio.wav").write_bytes(b"")
    found, notes = candidates(tmp_path, None, "val", ANY)
    assert found == [Candidate("val0/00001", "val0", 38, 129)]
    assert "1 of 2 clips cannot be used" in notes[1]


class TestManifest:
    @pytest.fixture
    def root(self, tmp_path):
        lines = [
            {"speaker": who, "clip": "1", "n_frames": 50, "fps": fps, "n_mel": 161, "split": split}
            for who, fps, split in [("a", 25.0, "test"), ("b", 50.0, "test"), ("c", 25.0, "val")]
        ]
        (tmp_path / "manifest.jsonl").write_text("".join(json.dumps(x) + "\n" for x in lines))
        (tmp_path / "test.txt").write_text("c/1\n")  # the manifest knows
        return tmp_path

    def test_the_split(self, root):
        found, notes = candidates(root, None, "test", ANY)
        assert found == [Candidate("a/1", "a", 50, 161), Candidate("b/1", "b", 25, 161)]
        assert notes == []

    def test_a_list(self, root):
        (root / "mine.txt").write_text("c/1\na/1\nd/1\n")
        found, notes = candidates(root, root / "mine.txt", "test", ANY)
        assert [clip.name for clip in found] == ["a/1", "c/1"]
        assert notes == ["1 of 3 clips are not in the set and are left out; the first: d/1."]

    def test_an_empty_split(self, root):
        with pytest.raises(UserError, match="has no clip to pair"):
            candidates(root, None, "train", ANY)

    @pytest.mark.parametrize("line", ["{", "3", '{"speaker": "a"}'])
    def test_damaged(self, root, line):
        with (root / "manifest.jsonl").open("a") as file:
            file.write(line + "\n")
        with pytest.raises(UserError, match=r"manifest\.jsonl, line 4 is damaged"):
            candidates(root, None, "test", ANY)


def test_no_folder(tmp_path):
    with pytest.raises(UserError, match=r"data_root=.*gone is not a folder"):
        candidates(tmp_path / "gone", None, "test", ANY)
