"""What the generator makes of whole clips that say something else: videos, and their scores."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities import rank_zero_warn

from w2l.audio import SAMPLE_RATE
from w2l.audio.waveform import to_int16
from w2l.bounds import Count, Whole
from w2l.callbacks.expert_report import spread
from w2l.callbacks.first_process import log_of_first
from w2l.callbacks.loggers import Dashboard
from w2l.callbacks.sync_gate import updates
from w2l.checkpoints import load_syncnet
from w2l.data import clips_of
from w2l.data.clips import AnyClip, BadClipError
from w2l.errors import UserError
from w2l.files import atomic_path
from w2l.models import SyncNetV2, masked_and_reference
from w2l.scoring import SyncScorer
from w2l.video import AudioTrack, VideoWriter
from w2l.windows import FPS, last_fitting, mel_window

logger = logging.getLogger(__name__)
BATCH = 32  # frames that go through the generator at once
SAMPLES_PER_FRAME = 640


class LipReport(pl.Callback):
    """After validation, validation clip i says the words of clip i + 1, from the first frame on.

    Writes `<folder>/<update>_<i>.mp4`, the given face beside the dubbed one, with the new sound.
    Logs `val/dubbed_cosine` by the expert that is trained against (flattering: see
    docs/reproduce.md), `val/given_cosine` of the given face with the new sound, from which dubbing
    starts, and with SyncNet v2 `val/lse_d`, `val/lse_c`, `val/lse_offset`: of face crops, so
    comparable within a run only.

    Args:
        folder: where the videos go.
        clips: how many, from two on; 0: none. Those without sound in the set, or shorter than a
            second, are left out.
        syncnet: file or registry name of SyncNet v2; None: no LSE.
        every: validations from one report to the next.

    Raises:
        UserError: `clips` is 1.
    """

    def __init__(
        self, folder: str | Path, clips: Whole = 4, syncnet: str | None = None, every: Count = 1
    ) -> None:
        if clips == 1:
            raise UserError(
                "callbacks.lip_report.clips=1 dubs nobody, as each clip says another one's words: "
                "2 or more, or 0 for none."
            )
        self.folder, self.clips, self.every = Path(folder), clips, every
        self.syncnet: SyncNetV2 | None = None if syncnet is None else load_syncnet(syncnet)
        self._validations, self._said = 0, False

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.sanity_checking:
            return
        self._validations += 1
        if (self._validations - 1) % self.every:
            return
        found = self._report(trainer, pl_module) if trainer.is_global_zero else {}
        log_of_first(trainer, pl_module, found)

    def _report(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, float]:
        """Write the videos; the mean scores, or nothing where fewer than two clips can be used."""
        clips = clips_of(trainer.datamodule, "val")  # type: ignore[attr-defined]
        chosen = [clip for clip in spread(clips, self.clips) if usable(clip)]
        if len(chosen) < 2:
            if self.clips and not self._said:
                logger.warning(
                    "warning: nobody is dubbed after validations: of %d validation clips %d can "
                    "be, and it takes two.", len(clips), len(chosen),
                )  # fmt: skip
            self._said = True
            return {}
        update = updates(trainer, pl_module)
        dashboard = Dashboard(trainer, update)
        rows: list[dict[str, float]] = []
        for i, clip in enumerate(chosen):
            voice = chosen[(i + 1) % len(chosen)]
            given, dubbed, sound = dub(pl_module, clip, voice)
            path = self.folder / f"{update:07d}_{i}.mp4"
            write_video(path, [np.hstack(pair) for pair in zip(given, dubbed, strict=True)], sound)
            dashboard.video("validation/dubbed", path, f"{clip.name} says {voice.name}")
            rows.append(self._scores(pl_module, given, dubbed, sound))
        names = [name for name in rows[0] if all(name in row for row in rows)]
        return {f"val/{name}": fmean(row[name] for row in rows) for name in names}

    def _scores(
        self, system: pl.LightningModule, given: np.ndarray, dubbed: np.ndarray, sound: np.ndarray
    ) -> dict[str, float]:
        try:
            # It judges by its own statistics; Lightning puts its mode back after the validation.
            judge = SyncScorer(expert=system.expert, device=system.device)  # type: ignore[arg-type]
            scores = {
                "dubbed_cosine": judge.cosine(list(dubbed), sound).summary.mean,
                "given_cosine": judge.cosine(list(given), sound).summary.mean,
            }
            if self.syncnet is not None:
                scorer = SyncScorer(syncnet=self.syncnet, device=system.device)
                lse = scorer.lse(dubbed, sound).lse
                scores |= {"lse_d": lse.lse_d, "lse_c": lse.lse_c, "lse_offset": lse.offset}
        except UserError as error:
            rank_zero_warn(f"a validation clip could not be scored: {error}")
            return {}
        return scores


def usable(clip: AnyClip) -> bool:
    """Whether a clip has its sound and a second of faces without a gap from its first one on."""
    try:
        return clip.waveform is not None and len(unbroken(clip)) >= FPS
    except BadClipError:
        return False


def unbroken(clip: AnyClip) -> np.ndarray:
    """The frames from the first that shows a face to the next gap, or to the sound's end."""
    frames = clip.frames[clip.frames <= last_fitting(clip.mel.shape[1])]
    gaps = np.flatnonzero(np.diff(frames) != 1)
    return frames[: gaps[0] + 1] if len(gaps) else frames


@torch.inference_mode()
def dub(system: pl.LightningModule, clip: AnyClip, voice: AnyClip
        ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """One clip's face with another's sound, both from where they begin.

    Returns:
        Given and dubbed faces, uint8 (n, S, S, 3) BGR, and the sound, float32 at 16 kHz.
    """
    generator: Any = system.generator
    lead = int(generator.config["lead_frames"])
    first = int(unbroken(voice)[0])
    numbers = unbroken(clip)
    numbers = numbers[: last_fitting(voice.mel.shape[1]) - first + 1]
    given = clip.faces(numbers)
    sounding = [max(0, first + i - lead) for i in range(len(numbers))]
    mels = np.stack([mel_window(voice.mel, frame) for frame in sounding])
    dubbed = list(_generated(generator, given, mels))
    waveform = voice.waveform
    assert waveform is not None  # `usable`
    start = first * SAMPLES_PER_FRAME
    sound = waveform[start : start + len(numbers) * SAMPLES_PER_FRAME]
    return given, np.concatenate(dubbed), sound


def _generated(generator: Any, faces: np.ndarray, mels: np.ndarray) -> Iterator[np.ndarray]:
    # Its type: float64 in a run with trainer.precision=64-true.
    weight = next(generator.parameters(), torch.zeros(1))
    for i in range(0, len(faces), BATCH):
        face = torch.from_numpy(np.ascontiguousarray(faces[i : i + BATCH])).to(weight.device)
        mel = torch.from_numpy(mels[i : i + BATCH])[:, None].to(weight)
        out = generator(mel, masked_and_reference(face).to(weight)).float().clamp(0, 1)
        yield (out * 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()


def write_video(path: Path, frames: list[np.ndarray], sound: np.ndarray) -> None:
    """H.264 at 25 fps with sound at 16 kHz, whole or not at all."""
    from scipy.io import wavfile  # 0.1 s that the start does without

    height, width = frames[0].shape[:2]
    with TemporaryDirectory() as folder, atomic_path(path) as temporary:
        wavfile.write(Path(folder) / "sound.wav", SAMPLE_RATE, to_int16(sound))
        track = AudioTrack(Path(folder) / "sound.wav")
        with VideoWriter(temporary, FPS, (width, height), audio=track) as writer:
            for frame in frames:
                writer.write(frame)
