"""The new sound: what the generator hears of it, and what goes into the file."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from w2l.audio import SAMPLE_RATE
from w2l.audio.audible import SILENT_DB, is_silent
from w2l.audio.mel import N_FFT, log_mel
from w2l.audio.published import load_published
from w2l.audio.speech import find_speech
from w2l.audio.waveform import load_audio
from w2l.errors import UserError
from w2l.inference.silence import find_activity
from w2l.inference.source import Source, StillSource, count
from w2l.inference.timeline import Duration, MelWindows, frame_count
from w2l.video import AudioTrack, is_image

if TYPE_CHECKING:
    from w2l.inference.options import SyncOptions

Origin = Literal["audio", "video"]


@dataclass(frozen=True)
class Voice:
    """The new sound.

    Attributes:
        waveform: what drives the lips, float32 (n,), 16 kHz mono, as long as the track.
        mel: of the waveform, float32 (80, 1 + n // 200).
        track: what goes into the file.
        speech: where a voice is active, (k, 2) seconds; None where nobody asked.
        exact_s: length of the track, where the waveform's is rounded.
        notes: what is to be known of the waveform, a sentence each.
    """

    waveform: np.ndarray
    mel: np.ndarray
    track: AudioTrack
    speech: np.ndarray | None = None
    exact_s: Fraction | None = None
    notes: tuple[str, ...] = ()

    @property
    def seconds(self) -> Fraction:
        """Length of the sound."""
        return self.exact_s or Fraction(len(self.waveform), SAMPLE_RATE)

    def frames(self, fps: Fraction) -> int:
        """How many images cover all of it."""
        return frame_count(self.seconds.numerator, self.seconds.denominator, fps)


def load_voice(
    path: str | Path,
    start_s: float = 0.0,
    end_s: float | None = None,
    *,
    driving: str | Path | None = None,
    origin: Origin = "audio",
    speech: bool = False,
    track: int | None = None,
    published: bool = False,
) -> Voice:
    """Decode the sound of any media file, from `start_s` to `end_s` seconds.

    Args:
        path: what goes into the file.
        start_s, end_s: seconds of it.
        driving: what the lips follow instead, e.g. the voice alone where `path` is the mix. It
            begins with the sound of `path`; beyond the end of `path` it is cut, and where it
            ends before, silence follows.
        origin: what second 0 of `path` is, and of `driving` where that is the same file: its
            first sample, or its first image.
        speech: look for where a voice is active.
        track: number of the sound track of `path`, from 1 on; None: the one that players take.
        published: the networks hear it as the published script reads it (`load_published`).

    Raises:
        UserError: missing, no such sound in it, too short, or a package is missing for `speech`.
    """
    notes: list[str] = []
    if published:
        waveform = load_published(path, start_s=start_s, end_s=end_s, track=track, say=notes.append)
    else:
        waveform = load_audio(
            path, start_s=start_s, end_s=end_s, origin=origin, track=track, say=notes.append
        )
    if len(waveform) <= N_FFT // 2:
        raise UserError(
            f"{path}: {len(waveform) / SAMPLE_RATE:.3f} s of sound are too short to sync: "
            "it takes more than 0.025 s."
        )
    if driving is not None and Path(driving) != Path(path):
        notes.clear()  # of a sound that nobody's lips follow
        load = load_published if published else load_audio
        alone = load(driving, start_s=start_s, end_s=end_s, say=notes.append)
        alone = alone[: len(waveform)]
        waveform = np.pad(alone, (0, len(waveform) - len(alone)))
    written = AudioTrack(path, start_s, end_s, origin, track)
    return Voice(
        waveform,
        log_mel(waveform),
        written,
        find_speech(waveform) if speech else None,
        None if written.sample_rate == SAMPLE_RATE else written.seconds(),
        (*notes, *notes_on(waveform, driving or path)),
    )


def notes_on(waveform: np.ndarray, name: object) -> tuple[str, ...]:
    """What is to be known of a sound, called `name`, before lips follow it."""
    if not is_silent(waveform):
        return ()
    return (f"{name} is silent (nowhere over {SILENT_DB} dB): the mouth will not move.",)


def origin_of(audio: Path, face: Path) -> Origin:
    """The `origin` of a sound for a face.

    A video's own sound stays where it was, so its second 0 is the first image.
    """
    own = face.is_file() and audio.is_file() and audio.samefile(face)
    return "video" if own and not is_image(face) else "audio"


def count_frames(source: Source, voice: Voice, duration: Duration) -> int:
    """Frames of the result: as the sound, the video, or the shorter of them lasts.

    Raises:
        UserError: `duration` is "video", and a still image has none.
    """
    heard = voice.frames(source.fps)
    if isinstance(source, StillSource):
        if duration == "video":
            raise UserError(
                f"duration=video needs a video, and {source.path} is one image, which lasts as "
                "long as the audio: take duration=audio."
            )
        return heard
    if duration == "audio":
        return heard
    shown = count(source)
    return shown if duration == "video" else min(shown, heard)


def fitted_track(voice: Voice, n_frames: int, source: Source, duration: Duration) -> AudioTrack:
    """The sound beside `n_frames` images.

    With "audio" all of it; with "video" it ends with the images, cut or followed by silence;
    with "shortest" it is cut where the video is the shorter one.
    """
    if duration == "audio" or (duration == "shortest" and n_frames >= voice.frames(source.fps)):
        return voice.track
    return voice.track.lasting(n_frames / source.fps)


def mel_windows(
    source: Source, voice: Voice, options: SyncOptions, lead_frames: int = 0
) -> MelWindows:
    """One mel window per output frame, `lead_frames` early where the generator learned that.

    Raises:
        UserError: nobody looked for speech in the voice, or the video has no length to last.
    """
    if options.silence != "sync" and voice.speech is None:
        raise UserError(f"silence={options.silence} needs load_voice(…, speech=True).")
    n_frames = None
    if not options.published:
        n_frames = count_frames(source, voice, options.duration)
    windows = MelWindows(voice.mel, source.fps, n_frames, lead_frames)
    windows.activity = find_activity(
        len(windows), source.fps, voice.seconds, voice.speech, options.silence
    )
    return windows
