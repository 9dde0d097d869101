"""Score clips with the package syncnet-python, to compare `preset=mochabench` with it.

The package wants PySceneDetect 0.6 and the command `ffmpeg`, so it has an environment of its own,
in which w2l's folder `src` is on PYTHONPATH. Its faces are found by CenterFace here, so that none
but the chain is compared:

    python scripts/beside_syncnet_python.py theirs.json syncnet_v2.model clips/*.mp4

then, in w2l's environment, with as many slices as ffmpeg cuts here (processors + 1),

    python evaluate.py video=clips preset=mochabench detector=centerface syncnet=syncnet_v2.model \
        chain.file.threads=3 output=ours.json
    python scripts/beside_syncnet_python.py theirs.json ours.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np


class Detector:
    """CenterFace in place of the package's S3FD."""

    def __init__(self) -> None:
        from w2l.faces import CenterFace

        self._detector = CenterFace()

    def detect_faces(self, rgb: np.ndarray, conf_th: float, scales: list[float]) -> np.ndarray:
        """Rows of a box and its score."""
        (faces,) = self._detector.detect([np.ascontiguousarray(rgb[:, :, ::-1])])
        return np.column_stack([faces.boxes, faces.scores])[faces.scores > 0.5]


def score(output: Path, weights: str, clips: list[str]) -> None:
    """Run the package on the clips, and write what it gives for each."""
    from syncnet_python.syncnet_pipeline import SyncNetPipeline

    class Pipeline(SyncNetPipeline):  # type: ignore[misc]
        def _load_s3fd(self, path: str) -> Detector:
            return Detector()

    found = {}
    for clip in clips:
        pipeline = Pipeline({"syncnet_weights": weights}, device="cpu")
        offsets, _, _, confidence, distance, *_ = pipeline.inference(clip)
        found[Path(clip).name] = {"lse_d": distance, "lse_c": confidence, "offsets": offsets}
        output.write_text(json.dumps(found, indent=1))


def compare(theirs: Path, ours: Path) -> None:
    """Print both beside each other."""
    given: dict[str, Any] = json.loads(theirs.read_text())
    for clip in json.loads(ours.read_text())["clips"]:
        name = Path(clip["path"]).name
        if name not in given or "video" not in clip:
            print(f"{name}: scored by one alone")
            continue
        a, b = given[name], clip["video"]
        offsets = [track["offset"] for track in clip["tracks"]]
        print(
            f"{name}: LSE-D {a['lse_d']:.4f} {b['lse_d']:.4f} "
            f"({100 * (b['lse_d'] / a['lse_d'] - 1):+.5f} %), LSE-C {a['lse_c']:.4f} "
            f"{b['lse_c']:.4f} ({b['lse_c'] - a['lse_c']:+.5f}), offsets {a['offsets']} {offsets}"
        )


if __name__ == "__main__":
    if len(sys.argv) == 3:
        compare(Path(sys.argv[1]), Path(sys.argv[2]))
    else:
        score(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
