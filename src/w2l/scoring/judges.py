"""Scores by other networks than ours: `judge=` and `iqa=` of evaluate.py.

A network of one's own in an ONNX or TorchScript file scores windows of face and speech, or single
faces; what else a judge may be says `w2l.components.ClipJudge`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import fmean

import cv2
import numpy as np
import torch

from w2l.audio.audible import is_silent
from w2l.audio.waveform import load_audio
from w2l.components import ClipJudge, FaceDetector
from w2l.errors import UserError
from w2l.faces.search import all_faces, detect_video
from w2l.faces.track import link, select
from w2l.models.onnx_graph import open_graph
from w2l.scoring.crops import face_crop
from w2l.video import VideoReader, probe
from w2l.windows import FPS

SAMPLES = 640  # of speech at 16 kHz, a frame
BATCH = 16  # windows or faces in a network at once
Run = Callable[[Sequence[np.ndarray]], list[np.ndarray]]  # inputs → outputs, float32


class NetworkJudge:
    """How lips fit speech, by any network of both; its number for a clip is the mean over windows.

    The network takes `faces`, float32 (B, 3, T, S, S), RGB in [0, 1], and `speech`, float32
    (B, 640 T), 16 kHz in [-1, 1], of the same T frames. It gives a number for each window, (B,) or
    (B, 1), or two embeddings, (B, D) each, of which the cosine is taken.

    Args:
        path: ONNX file, or TorchScript file, whose code is run. An ONNX file that fixes T or S
            decides them.
        frames: T.
        size: S, pixels.
        hop: frames from one window to the next.
        device: "cpu", "cuda", …

    Raises:
        UserError: the file cannot be read, or takes something else.
    """

    def __init__(
        self, path: Path, frames: int = 5, size: int = 96, hop: int = 5, device: str = "cpu"
    ) -> None:
        self._path, self._hop = path, hop
        self._run, shapes = load_network(path, device, (5, 2))
        self.frames = shapes[0][2] or frames
        self.size = shapes[0][3] or size
        self.protocol = (
            f"windows of {self.frames} frames and their speech, every {hop} frames, faces of "
            f"{self.size} px; the mean over windows"
        )

    def score(self, faces: Iterator[np.ndarray], speech: np.ndarray | None) -> dict[str, float]:
        """See `w2l.components.ClipJudge`."""
        if speech is None:
            raise UserError("it has no audio to judge lips by.")
        if is_silent(speech):
            raise UserError("its audio is silent: there is nothing to judge lips by.")
        found, name, window, n = list[float](), "score", list[np.ndarray](), 0
        waiting = list[tuple[np.ndarray, np.ndarray]]()
        for face in faces:
            window, n = [*window, _rgb(face)][-self.frames :], n + 1
            start = n - self.frames
            heard = speech[max(0, start) * SAMPLES : n * SAMPLES]
            if start < 0 or start % self._hop or len(heard) < self.frames * SAMPLES:
                continue
            waiting.append((np.stack(window, axis=1), heard))
            if len(waiting) == BATCH:
                name = self._judge(waiting, found)
        if waiting:
            name = self._judge(waiting, found)
        if not found:
            raise UserError(f"it shows a face with speech for less than {self.frames} frames.")
        return {name: _mean(found)}

    def _judge(self, waiting: list[tuple[np.ndarray, np.ndarray]], found: list[float]) -> str:
        inputs = [np.stack(each).astype(np.float32) for each in zip(*waiting, strict=True)]
        waiting.clear()
        outputs = self._run(inputs)
        pair = [out for out in outputs if out.ndim == 2 and out.shape[1] > 1]
        if len(pair) == 2 and pair[0].shape == pair[1].shape:
            norms = np.linalg.norm(pair[0], axis=1) * np.linalg.norm(pair[1], axis=1)
            found += ((pair[0] * pair[1]).sum(axis=1) / np.maximum(norms, 1e-12)).tolist()
            return "cosine"
        found += _numbers(outputs, len(inputs[0]), self._path)
        return "score"


class NetworkQuality:
    """How good a face looks, by any network of single images; the mean over every fifth frame.

    The network takes float32 (B, 3, S, S), RGB in [0, 1], and gives a number for each, (B,) or
    (B, 1).

    Args:
        path: ONNX file, or TorchScript file, whose code is run. An ONNX file that fixes S decides.
        size: S, pixels.
        every: frames from one that counts to the next.
        device: "cpu", "cuda", …

    Raises:
        UserError: the file cannot be read, or takes something else.
    """

    def __init__(self, path: Path, size: int = 224, every: int = 5, device: str = "cpu") -> None:
        self._path, self._every = path, every
        self._run, shapes = load_network(path, device, (4,))
        self.size = shapes[0][2] or size
        self.protocol = f"faces of {self.size} px, every {every} frames; their mean"

    def score(self, faces: Iterator[np.ndarray], speech: np.ndarray | None) -> dict[str, float]:
        """See `w2l.components.ClipJudge`."""
        counted, found = islice(faces, 0, None, self._every), list[float]()
        while batch := [_rgb(face) for face in islice(counted, BATCH)]:
            found += _numbers(self._run([np.stack(batch)]), len(batch), self._path)
        return {"score": _mean(found)}


@dataclass(frozen=True)
class JudgeScorer:
    """Shows a judge the largest face of videos.

    Attributes:
        judge: that judges.
        detector: of faces.
        detect_every: frames between detections.
    """

    judge: ClipJudge
    detector: FaceDetector
    detect_every: int = 5

    def score(self, video: Path, audio: Path | None = None) -> dict[str, float]:
        """What the judge says of a video.

        Raises:
            UserError: it shows no face, or the judge cannot judge it, and why.
        """
        reader = VideoReader(video, fps=FPS)
        faces = all_faces(detect_video(reader, self.detector, self.detect_every))
        boxes = select(link(faces), "largest", len(faces), reader.size[0])
        known = np.flatnonzero(np.isfinite(boxes).all(axis=1))
        if not len(known):
            raise UserError(f"{video} shows no face.")
        first, last = known[0], known[-1] + 1
        # Between frames with a face it lies where it would if it moved evenly.
        filled = [np.interp(np.arange(first, last), known, side[known]) for side in boxes.T]
        speech = None
        if audio is not None or probe(video).has_audio:
            speech = load_audio(video, origin="video") if audio is None else load_audio(audio)
            speech = speech[first * SAMPLES : last * SAMPLES]
        shown = self._faces(reader.read(int(first), int(last)), np.stack(filled, axis=1))
        try:
            return dict(self.judge.score(shown, speech))
        except UserError as error:
            raise UserError(f"{video} cannot be judged: {error}") from error

    def _faces(self, frames: Iterator[np.ndarray], boxes: np.ndarray) -> Iterator[np.ndarray]:
        side = self.judge.size
        face: np.ndarray = np.zeros((side, side, 3), np.uint8)
        for frame, box in zip(frames, boxes, strict=False):
            crop = face_crop(frame, box)
            if crop is not None:  # else it is outside: the last one stays
                shrinks = min(crop.shape[:2]) > side
                method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
                face = cv2.resize(crop, (side, side), interpolation=method)
            yield face


def load_network(
    path: Path, device: str, axes: Sequence[int]
) -> tuple[Run, list[list[int | None]]]:
    """A network of an ONNX or TorchScript file, and the sides of its inputs that the file fixes.

    Args:
        path: the file; of TorchScript its code is run.
        device: for it.
        axes: of its inputs, in their order.

    Raises:
        UserError: the file cannot be read, or takes something else.
    """
    if not path.is_file():
        raise UserError(f"{path} does not exist: give an ONNX or TorchScript file.")
    if path.suffix.lower() != ".onnx":
        return _script(path, device), [[None] * n for n in axes]
    session = open_graph(path, device)
    # In the order of the convention, whatever the graph's: they differ in their axes.
    inputs = {len(each.shape): each for each in session.get_inputs()}
    if sorted(inputs) != sorted(axes) or len(inputs) != len(session.get_inputs()):
        raise UserError(
            f"{path} has inputs of {[each.shape for each in session.get_inputs()]}, where "
            f"{' and '.join(f'{n}' for n in axes)} axes are wanted (docs/metrics.md)."
        )
    shapes = [
        [side if isinstance(side, int) and side > 0 else None for side in inputs[n].shape]
        for n in axes
    ]
    names = [inputs[n].name for n in axes]

    def run(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        count = len(arrays[0])
        size = shapes[0][0] or count  # of a graph that fixes its batch
        parts = []
        for start in range(0, count, size):
            index = np.minimum(np.arange(start, start + size), count - 1)
            fed = {name: each[index] for name, each in zip(names, arrays, strict=True)}
            try:
                parts.append(session.run(None, fed))
            except Exception as error:  # onnxruntime's own exceptions have no common base but this
                raise _refused(path, error) from error
        return [np.concatenate(each)[:count] for each in zip(*parts, strict=True)]

    return run, shapes


def _script(path: Path, device: str) -> Run:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch means to drop TorchScript some day
            network = torch.jit.load(str(path), map_location=device).eval()
    except (RuntimeError, ValueError) as error:
        raise UserError(f"{path} cannot be read as TorchScript: give that, or .onnx.") from error

    @torch.inference_mode()
    def run(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        try:
            found = network(*(torch.from_numpy(each).to(device) for each in arrays))
        except RuntimeError as error:
            raise _refused(path, error) from error
        found = found if isinstance(found, list | tuple) else [found]
        return [each.float().cpu().numpy() for each in found]

    return run


def _refused(path: Path, error: Exception) -> UserError:
    reason = str(error).strip().splitlines()[-1][:200].rstrip(".")
    return UserError(f"{path.name} does not take what it is given ({reason}; docs/metrics.md).")


def _numbers(outputs: Sequence[np.ndarray], count: int, path: Path) -> list[float]:
    """One number for each of a batch."""
    if len(outputs) != 1 or outputs[0].size != count:
        shapes = " and ".join(str(each.shape) for each in outputs)
        raise UserError(f"{path.name} gives {shapes} for {count}, in place of a number for each.")
    values: list[float] = outputs[0].reshape(-1).astype(float).tolist()
    return values


def _mean(values: Sequence[float]) -> float:
    mean = fmean(values)
    if not np.isfinite(mean):
        raise UserError("the network gives no finite number.")
    return mean


def _rgb(face: np.ndarray) -> np.ndarray:
    """A face (S, S, 3) uint8 BGR as (3, S, S) float32 RGB in [0, 1]."""
    return np.ascontiguousarray(face[..., ::-1].transpose(2, 0, 1), np.float32) / 255
