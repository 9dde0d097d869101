"""The scores of three clips are those they were, by the command and by the library."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.frozen.made import kept, network_file, portrait, sound, swaying, write_video
from tests.integration.command import call
from tests.parity.published import filled, state_dict
from w2l.models import SyncNetV2
from w2l.scoring import SyncScorer

COUNT = 34  # frames of a clip
TOLERANCE = 1e-4  # of float32 networks on processors of several kinds
TOLD = (
    "lse_d", "lse_c", "offset", "lse_d_at_0", "lse_c_at_0", "n_windows", "start_frame", "cosine",
    "cosine_offset", "syncnet_cosine",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three clips: a person, the same the other way round, and two beside each other."""
    folder = tmp_path_factory.mktemp("scores")
    (folder / "clips").mkdir()
    one = portrait()
    other = one[:, ::-1] // 4 * 3
    for seed, (name, picture) in enumerate(
        {"one": one, "other": other, "two": np.hstack([one, other])}.items()
    ):
        path = folder / "clips" / f"{name}.mkv"
        write_video(path, swaying(picture, COUNT), sound(COUNT * 640, seed))
    network_file(folder / "expert.ckpt", "expert")
    torch.save(state_dict("syncnet_v2"), folder / "syncnet.model")
    return folder


def agree(ours: Any, stored: Any, name: str = "scores") -> None:
    """Equal, and numbers with a fraction to within the tolerance."""
    assert type(ours) is type(stored), name
    if isinstance(ours, dict):
        assert ours.keys() == stored.keys(), name
        for key in ours:
            agree(ours[key], stored[key], f"{name}.{key}")
    elif isinstance(ours, list):
        assert len(ours) == len(stored), name
        for i, pair in enumerate(zip(ours, stored, strict=True)):
            agree(*pair, f"{name}[{i}]")
    elif isinstance(ours, float):
        assert ours == pytest.approx(stored, rel=TOLERANCE, abs=TOLERANCE), name
    else:
        assert ours == stored, name


def told(scores: dict[str, Any]) -> dict[str, Any]:
    """What others' scripts read of `scores.json`."""
    clips = [
        {
            "path": Path(clip["path"]).name,
            "tracks": [{key: track[key] for key in TOLD} for track in clip["tracks"]],
        }
        for clip in scores["clips"]
    ]
    return {"clips": clips, **{key: scores[key] for key in ("mean", "n_scored", "n_failed")}}


@pytest.mark.long
@pytest.mark.parametrize("protocol", ["track", "lrs"])
def test_the_scores_are_those_they_were(protocol: str, folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "scores.json"
    done = call(
        "evaluate.py", "video=clips", f"protocol={protocol}", "syncnet=syncnet.model",
        "expert=expert.ckpt", f"output={output}", "device=cpu", "plots=false", "report=false",
        cwd=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = told(json.loads(output.read_text()))
    agree(found, kept(f"scores_{protocol}", found))


@pytest.mark.long
def test_the_library_scores_as_the_command_does(folder: Path) -> None:
    """LSE of the whole frames of the first clip: what `protocol=lrs` gives."""
    scorer = SyncScorer(filled(SyncNetV2(), "syncnet_v2"))
    result = scorer.lse(swaying(portrait(), COUNT), sound(COUNT * 640))
    stored = json.loads((Path(__file__).parent / "scores_lrs.json").read_text())
    (track,) = stored["clips"][0]["tracks"]
    assert result.lse.lse_d == pytest.approx(track["lse_d"], rel=TOLERANCE)
    assert result.lse.lse_c == pytest.approx(track["lse_c"], rel=TOLERANCE, abs=TOLERANCE)
    assert result.lse.offset == track["offset"]
