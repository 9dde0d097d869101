"""docs/extending.md: its files are written, its commands run, in a folder outside the checkout."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest

from preprocess.demo.recordings import recordings
from preprocess.demo.render import render_clip
from tests.integration.command import ROOT, call
from tests.writing import save_network, write_wav
from w2l.models import Expert, Generator
from w2l.video import VideoReader

pytestmark = pytest.mark.long
SECTIONS = re.split(r"^## ", (ROOT / "docs" / "extending.md").read_text(), flags=re.MULTILINE)[1:]


@pytest.fixture
def place(tmp_path: Path, prepared: Path) -> Path:
    """A folder with a set, an expert, a face and speech."""
    shutil.copytree(prepared, tmp_path / "data" / "mine")
    save_network(Expert(1 / 16), "expert", tmp_path / "outputs/expert/checkpoints/last.ckpt")
    save_network(Generator(1 / 16), "generator", tmp_path / "generator.ckpt")
    render_clip(tmp_path / "face.mp4", recordings()[0])
    (tmp_path / "videos").mkdir()
    for name in ("ann_2019.mp4", "ben_2020.mp4", "ann_1999.mp4"):
        shutil.copy(tmp_path / "face.mp4", tmp_path / "videos" / name)
    (tmp_path / "videos" / "ann").mkdir()
    shutil.copy(tmp_path / "face.mp4", tmp_path / "videos" / "ann" / "1.mp4")
    (tmp_path / "pairs.txt").write_text("ann/1 ann/1\n")
    rng = np.random.default_rng(0)
    write_wav(tmp_path / "speech.wav", 0.1 * rng.standard_normal(16000))
    return tmp_path


@pytest.mark.parametrize("section", SECTIONS, ids=lambda text: text.splitlines()[0])
def test_a_part_of_ones_own(section: str, place: Path) -> None:
    for name, text in re.findall(r"^`([\w./]+)`:\n\n```\w+\n(.*?)```", section, re.M | re.DOTALL):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    # A command finds the part where the reader put it.
    path = os.pathsep.join([str(place), str(ROOT / "src"), str(ROOT)])
    for line in "".join(re.findall(r"```bash\n(.*?)```", section, re.DOTALL)).splitlines():
        _, *words = shlex.split(line)
        if words[0] == "-m":
            words[:2] = [f"-m {words[1]}"]
        if words[0] == "train.py":
            words += ["debug=fast", *([] if "logger=" in line else ["logger=csv"])]
        if "experiment=syncnet" in words:
            words.append("model.width=0.0625")
        done = call(*words, cwd=place, extra={"PYTHONPATH": path})
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    for video in place.glob("outputs/*.mp4"):
        assert VideoReader(video).count() == 25
