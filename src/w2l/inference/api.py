"""`LipSync`: the whole of it for other programs, loaded once and used as often as needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import numpy as np

from w2l.building import Component, named_group
from w2l.checkpoints import AUTO, chosen_generator, resolve
from w2l.components import FaceDetector
from w2l.errors import UserError
from w2l.inference.avatar import Avatar, live_options
from w2l.inference.finding import batch_size, begun_plan
from w2l.inference.inputs import Audio, Face, opened, opened_face
from w2l.inference.layout import Layout
from w2l.inference.lips import Role, synced
from w2l.inference.lipsync import FaceGenerator, Precision, pick_device
from w2l.inference.mouths import Mouths
from w2l.inference.options import ProgressCallback, SyncOptions, calling
from w2l.inference.provenance import CheckpointId
from w2l.inference.report import Stretch, SyncReport
from w2l.inference.runtimes import Auto, Runtime, build_generator
from w2l.inference.source import images
from w2l.inference.sync import sync_video
from w2l.inference.voice import mel_windows
from w2l.trust import trust as allow
from w2l.video import exact_rate

DEFAULTS = SyncOptions()


@dataclass(frozen=True)
class SyncResult:
    """What was written.

    Attributes:
        outfile: the video, or the folder of images.
        fps: its frames a second.
        n_frames: how many it has.
        untouched: stretches of them that were passed on as they came, each with the reason.
        notes: what is to be known of the sound and of the mouths, a sentence each.
    """

    outfile: Path
    fps: Fraction
    n_frames: int
    untouched: tuple[Stretch, ...]
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, report: SyncReport) -> SyncResult:
        """What a report says."""
        return cls(
            report.outfile, report.fps, report.n_frames, tuple(report.untouched), report.notes
        )

    @property
    def n_passed(self) -> int:
        """Frames that were passed on as they came."""
        return sum(stretch.stop - stretch.start for stretch in self.untouched)

    @property
    def n_synced(self) -> int:
        """Frames whose lips say the new sound."""
        return self.n_frames - self.n_passed


class LipSync:
    """A generator and a face detector, ready; any number of threads may use one at once.

    Example:
        >>> lipsync = LipSync.from_pretrained()  # doctest: +SKIP
        >>> lipsync.sync("person.mp4", "speech.wav", "out.mp4").n_synced  # doctest: +SKIP
        250

    Args:
        generator: makes the faces.
        detector: finds them; None: each call has a fixed box in its options.
        checkpoint: which generator it is, for the files' tags.
    """

    def __init__(
        self,
        generator: FaceGenerator,
        detector: FaceDetector | None = None,
        checkpoint: CheckpointId | None = None,
    ) -> None:
        self.generator = generator
        self.detector = detector
        self.checkpoint = checkpoint
        self._lower_half = generator.lower_half()

    @classmethod
    def from_pretrained(
        cls,
        name_or_file: str | Path = AUTO,
        *,
        device: str = "auto",
        runtime: Runtime | Auto = "auto",
        precision: Precision | Auto = "auto",
        detector: str | FaceDetector | None = "centerface",
        trust: str | Iterable[str] = (),
    ) -> LipSync:
        """Load a checkpoint, and a detector.

        Args:
            name_or_file: registry name (fetched once), checkpoint of any packing, or ONNX file;
                "auto": "wav2lip_gan" if it was fetched before, else the small one of ours.
            device, runtime, precision: as for `build_generator`.
            detector: one of configs/detector ("centerface", "s3fd", …), or one that was built, as
                `w2l.faces.S3FD("weights.pth")`; None where every call has a fixed box.
            trust: packages outside w2l whose networks a checkpoint may name; their code runs.

        Raises:
            UserError: no such name, file, device, runtime or detector.
        """
        allow(trust)
        path = resolve(chosen_generator(str(name_or_file)))
        generator = build_generator(path, runtime=runtime, device=device, precision=precision)
        if isinstance(detector, str):
            place = str(pick_device(device)) if runtime == "torch" else "cpu"
            component = Component.of(named_group("detector", detector))
            detector = cast(FaceDetector, component.build(device=place))
        return cls(generator, detector, CheckpointId.of(path))

    def sync(
        self,
        face: Face,
        audio: Audio,
        outfile: str | Path,
        *,
        options: SyncOptions = DEFAULTS,
        fps: float | Fraction = 25,
        sample_rate: int | None = None,
        progress: ProgressCallback | None = None,
    ) -> SyncResult:
        """Write `face` saying `audio` to `outfile`, which appears whole or not at all.

        Args:
            face: file of a video or a photo; a photo, uint8 (H, W, 3) BGR; frames, (N, H, W, 3)
                or any iterable of images; or an opened `Source`.
            audio: any file with sound; samples, float32 in [-1, 1] or int16, (n,) or
                (n, channels); or a loaded `Voice`.
            outfile: video file, or with `codec="png"` a folder.
            options: how.
            fps: frames a second of photos and arrays; files of videos have their own.
            sample_rate: of an array of samples, Hz.
            progress: is called with a stage ("finding faces", where there is no fixed box, then
                "syncing"), how many of its frames are done, and how many are expected: an estimate
                until the stage's last call. It is called in the thread that called `sync`, frame
                by frame, so it should be quick; what it raises ends the call, and no file appears.

        Raises:
            UserError: bad input, no face, an unwritable output, …
        """
        generator, detector = self._generator(options), self._detector(options)
        with opened(face, audio, exact_rate(fps), sample_rate, options) as (source, voice):
            report = sync_video(
                source, voice, outfile, generator, detector, options,
                checkpoint=self.checkpoint, progress=calling(progress),
            )  # fmt: skip
        return SyncResult.of(report)

    def frames(
        self,
        face: Face,
        audio: Audio,
        *,
        options: SyncOptions = DEFAULTS,
        fps: float | Fraction = 25,
        sample_rate: int | None = None,
        progress: ProgressCallback | None = None,
    ) -> Iterator[np.ndarray]:
        """The images that `sync` would write, one after another, as soon as they are there.

        `options.batch_size` of them at most are made and held at once. Faces are looked for in the
        first second before the first one, and in the whole video where there are several or
        `options.faces` needs it. Nothing is opened before the first image is asked for; closing the
        iterator, or dropping it, cleans up.

        Args, Raises: as for `sync`. `progress` is called in the thread that asks for the image,
            and of an image before it is given.

        Yields:
            uint8 (H, W, 3) BGR.
        """
        generator, detector = self._generator(options), self._detector(options)
        with opened(face, audio, exact_rate(fps), sample_rate, options) as (source, voice):
            options = options.with_pads(generator.pads)
            layout = Layout((source.width, source.height), options.output)
            windows = mel_windows(source, voice, options, generator.lead_frames)
            tell = calling(progress)
            size = batch_size(source, options, generator)
            shown = images(source, len(windows), options.extend)
            with begun_plan(source, len(windows), detector, options, tell) as plan:
                made = synced(shown, Role(plan, windows, Mouths()), generator, options, size)
                with closing(made):  # its thread asks the plan
                    for image in tell(made, "syncing", len(windows)):
                        yield layout(image)

    def avatar(
        self,
        face: Face,
        *,
        options: SyncOptions | None = None,
        fps: float | Fraction = 25,
        progress: ProgressCallback | None = None,
    ) -> Avatar:
        """`face`, ready to say what comes bit by bit: looked for, cut out and masked once.

        Args:
            face, fps: as for `sync`. A video goes on by `options.extend`, forwards and backwards.
            options: how; None: the defaults, but two faces at once (`batch_size=2`), since each
                waits for the last of its batch.
            progress: as for `sync`, of "finding faces".

        Raises:
            UserError: bad input, no face, or an option that needs the end of the speech.
        """
        options = live_options(options)
        generator, detector = self._generator(options), self._detector(options)
        with opened_face(face, exact_rate(fps)) as source:
            return Avatar.prepare(source, generator, detector, options, calling(progress))

    def _generator(self, options: SyncOptions) -> FaceGenerator:
        if options.quality == "enhanced" and options.restoration is None:
            raise UserError(
                "quality=enhanced restores what is generated: give options a restoration "
                "(w2l.inference.FaceRestoration), or take quality=improved."
            )
        return self.generator if options.quality == "fast" else self._lower_half

    def _detector(self, options: SyncOptions) -> FaceDetector | None:
        if options.box is None and self.detector is None:
            raise UserError("There is no detector: give options a box, or choose a detector.")
        return self.detector
