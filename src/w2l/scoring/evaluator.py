"""Scores video files by one of two protocols, which must not be compared with each other."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from w2l.audio.audible import SILENT, is_silent
from w2l.audio.passes import joined_audio
from w2l.audio.waveform import load_audio
from w2l.components import FaceDetector, Faces, Progress, no_progress
from w2l.errors import UserError
from w2l.faces.protocol_track import ProtocolTrack, crop_track, detections_of, track_detections
from w2l.faces.search import all_faces, detect_video
from w2l.faces.track import link, select
from w2l.paths import shown_path
from w2l.scoring.chain import Chain, Shots, Source
from w2l.scoring.crops import Thumbnails, face_crop, track_faces
from w2l.scoring.embeddings import SAMPLES_PER_FRAME
from w2l.scoring.precision import arithmetic
from w2l.scoring.results import ClipScore, SkippedTrack, TrackScore
from w2l.scoring.scorer import SyncScorer
from w2l.scoring.voices import SpeakerSearch
from w2l.video import VideoReader, jpeg_frames, jpeg_roundtrip, probe
from w2l.video.passes import bgr_through
from w2l.video.shots import shots_of
from w2l.windows import FPS

logger = logging.getLogger(__name__)

Stream = Callable[[], Iterable[np.ndarray]]
Crops = Callable[[], Iterable[np.ndarray | None]]


@dataclass(frozen=True)
class Protocol:
    """What decides the scores beside the networks.

    Attributes:
        name: "lrs" squeezes the whole frame into SyncNet's image, as for LRS clips, which are
            centred on a face; "track" finds faces, follows them and crops each one.
        convert_rate: lrs: resample to 25 fps by time. The published script keeps the file's own
            rate, so at another one sound and image drift apart. (track always converts.)
        keep_offset: keep a sound stream that starts before or after the images where it is;
            the published scripts let both begin at 0.
        jpeg: pass images through FFmpeg's default JPEG, as the published scripts dump them.
        shots: a track ends where the scene changes (track).
        detect_every: frames between detections; faces are interpolated between.
        min_face_score: least score of a face (published: 0.9, of S3FD).
        min_track_frames: a track counts with more detections than this (published: 100).
        min_face_size: px; a track counts if the larger of its mean width and mean height is over
            this (published: 100).
    """

    name: Literal["lrs", "track"] = "track"
    convert_rate: bool = True
    keep_offset: bool = True
    jpeg: bool = False
    shots: bool = True
    detect_every: int = 5
    min_face_score: float = 0.5
    min_track_frames: int = 24
    min_face_size: float = 50.0


class Evaluator:
    """Scores one video file after the other.

    Args:
        scorer: with SyncNet, an expert, or both; with none nothing is scored.
        protocol: how images get to the networks.
        detector: needed for "track" and for the expert.
        lse_reason: why the scorer has no SyncNet, for the record.
        cosine_reason: why it has no expert, for the record.
        speaker: looks who speaks in each video (track); None: nobody asks.
        believes: whether the confidence of the expert's best offset, over so many windows, is high
            enough; None: not known.
        chain: codecs that images and sound go through (track).

    Attributes:
        progress: is shown the frames of each stage.
    """

    def __init__(
        self,
        scorer: SyncScorer,
        protocol: Protocol,
        detector: FaceDetector | None = None,
        *,
        lse_reason: str | None = None,
        cosine_reason: str | None = None,
        speaker: SpeakerSearch | None = None,
        believes: Callable[[float, int], bool] | None = None,
        chain: Chain | None = None,
    ) -> None:
        self.chain = chain or Chain()
        if protocol.name == "lrs" and not self.chain.is_empty:
            raise ValueError("a chain of codecs is of the track protocol")
        if detector is None and (protocol.name == "track" or scorer.expert is not None):
            raise ValueError("the track protocol and the expert need a detector")
        self.scorer = scorer
        self.protocol = protocol
        self.detector = detector
        self.lse_reason = lse_reason
        self.cosine_reason = cosine_reason
        self.speaker = speaker
        self.believes = believes
        self.progress: Progress = no_progress

    @property
    def has_network(self) -> bool:
        """Whether it has anything to score lip sync with."""
        return self.scorer.syncnet is not None or self.scorer.expert is not None

    def score(self, video: Path, audio: Path | None = None) -> ClipScore:
        """Score a video against its own sound, or against that of `audio`.

        Without a network the video is only named: it has no face and no number.

        Raises:
            UserError: it cannot be scored; the sentence says why.
        """
        if probe(video).is_image:
            raise UserError(f"{video} is a still image: lip sync needs a video.")
        clip = ClipScore(shown_path(video))
        if not self.has_network:
            return clip
        with arithmetic(self.scorer.precision), self.chain.source(video) as source:
            try:
                waveform = self._sound(source, video, audio)
                if self.protocol.name == "lrs":
                    clip.tracks.append(self._whole_frame(source.reader, waveform))
                else:
                    self._score_tracks(source, waveform, clip)
            except UserError as error:  # may name a file that was written for the chain
                read = str(source.reader.info.path)
                raise UserError(str(error).replace(read, str(video))) from error
        return clip

    def _sound(self, source: Source, video: Path, audio: Path | None) -> np.ndarray:
        """What is scored: of the video, or of `audio`."""
        if source.sound is None:
            return self.sound_of(video) if audio is None else load_audio(audio)
        waveform = joined_audio(source.sound if audio is None else audio)
        if is_silent(waveform):
            raise UserError(SILENT)
        return waveform

    def sound_of(self, video: Path) -> np.ndarray:
        """A video's own sound, from where the protocol lets it begin.

        Raises:
            UserError: it has none, or nothing is heard in it.
        """
        waveform = load_audio(video, origin="video" if self.protocol.keep_offset else "audio")
        if is_silent(waveform):
            raise UserError(SILENT)
        return waveform

    def _whole_frame(self, reader: VideoReader, waveform: np.ndarray) -> TrackScore:
        """The lrs protocol: SyncNet sees whole frames; the expert still needs the face."""
        path, own_rate = reader.info.path, reader.info.fps
        frames = reader if self.protocol.convert_rate else VideoReader(path, fps=own_rate)

        def images() -> Iterable[np.ndarray]:
            return jpeg_frames(path, frames.fps) if self.protocol.jpeg else frames

        def faces() -> Iterator[np.ndarray | None]:
            tracks = link(self._detect(reader))
            boxes = select(tracks, "largest", reader.count(), reader.size[0])
            return map(face_crop, reader, boxes)

        return self._score(0, frames.count(), images, faces, waveform)

    def _score_tracks(self, source: Source, waveform: np.ndarray, clip: ClipScore) -> None:
        """The track protocol: SyncNet sees each followed face's crop. Adds to `clip`."""
        reader = source.reader
        tracks = self.find_tracks(reader, source.shots)
        for track in tracks:
            start, n = int(track.frames[0]), len(track.frames)
            try:
                clip.tracks.append(self._score_track(reader, track, waveform))
            except UserError as error:
                if len(tracks) == 1:
                    raise
                clip.skipped.append(SkippedTrack(start, n, str(error)))
        if not clip.tracks:
            raise UserError(f"None of {len(tracks)} faces could be scored: {clip.skipped[0].error}")
        if self.speaker is not None:
            clip.speakers = self.speaker.search(reader, tracks, waveform)

    def find_tracks(self, reader: VideoReader, shots: Shots | None = None) -> list[ProtocolTrack]:
        """The faces that the track protocol scores.

        Args:
            reader: of the video's images.
            shots: looks for its cuts; None: by the images' times.

        Raises:
            UserError: there is none.
        """
        protocol = self.protocol
        detections = detections_of(self._detect(reader), protocol.min_face_score)
        look = shots or partial(shots_of, reader.info.path, reader.info.width)
        tracks = track_detections(
            detections,
            shots=look() if protocol.shots else None,
            min_detections=protocol.min_track_frames,
            min_size=protocol.min_face_size,
        )
        if not len(detections):
            raise UserError(
                f"{reader.info.path} shows no face in any frame: protocol=lrs scores whole frames."
            )
        if not tracks:
            raise UserError(
                f"{reader.info.path} shows no face for more than {protocol.min_track_frames} "
                f"frames at over {protocol.min_face_size:g} px: lower min_track_frames or "
                "min_face_size, or take protocol=lrs."
            )
        return tracks

    def _score_track(
        self, reader: VideoReader, track: ProtocolTrack, waveform: np.ndarray
    ) -> TrackScore:
        start, n = int(track.frames[0]), len(track.frames)

        def images() -> Iterable[np.ndarray]:
            crops = crop_track(reader.read(start, start + n), track, start)
            crops = bgr_through(self.chain.crops, crops) if self.chain.crops else crops
            return jpeg_roundtrip(crops, FPS) if self.protocol.jpeg else crops

        def faces() -> Iterator[np.ndarray | None]:
            return track_faces(reader, track)

        heard = waveform[start * SAMPLES_PER_FRAME :]
        if self.chain.sound:  # as published scripts cut it out
            heard = self.chain.heard(heard[: n * SAMPLES_PER_FRAME])
        return self._score(start, n, images, faces, heard)

    def _detect(self, reader: VideoReader) -> list[Faces]:
        assert self.detector is not None
        frames = self.progress(reader, "finding faces", reader.count())
        return all_faces(detect_video(frames, self.detector, self.protocol.detect_every))

    def _score(
        self, start: int, n: int, images: Stream, faces: Crops, waveform: np.ndarray
    ) -> TrackScore:
        """Both networks on one stretch of frames, whose sound is `waveform`.

        Raises:
            UserError: it cannot be scored, as where nothing is heard: any offset is as good then.
        """
        if is_silent(waveform[: n * SAMPLES_PER_FRAME]):
            raise UserError(SILENT)
        sync = cosine = None
        cosine_reason = self.cosine_reason
        seen = Thumbnails(n)
        if self.scorer.syncnet is not None:
            sync = self.scorer.lse(seen.watch(self.progress(images(), "SyncNet", n)), waveform)
        if self.scorer.expert is not None:
            try:
                shown_faces = self.progress(faces(), "judging", n)
                watched = shown_faces if sync is not None else seen.watch(shown_faces)
                cosine = self.scorer.cosine(watched, waveform)
            except UserError as error:
                if sync is None:
                    raise
                cosine_reason = str(error)
        judged = None
        if cosine is not None and self.believes is not None:
            judged = self.believes(cosine.confidence, cosine.summary.count)
        return TrackScore(
            start, n, sync, self.lse_reason, cosine, cosine_reason, seen.images, judged
        )


def evaluate(
    evaluator: Evaluator, videos: Sequence[Path], audio: Path | None = None
) -> Iterator[ClipScore]:
    """Score videos one by one; what cannot be scored comes back with its `error`.

    Args:
        evaluator: what scores a single video.
        videos: files.
        audio: sound to score all of them against, instead of their own.
    """
    for video in videos:
        try:
            yield evaluator.score(video, audio)
        except UserError as error:
            shown = shown_path(video)
            yield ClipScore(shown, error=str(error).replace(str(video), shown))
        except Exception as error:  # of whatever kind: one bad file must not end a set
            logger.exception("%s could not be scored", video)
            yield ClipScore(shown_path(video), error=f"{type(error).__name__}: {error}")
