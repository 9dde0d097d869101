"""What a worker process does with one pair: make its video, score it, write both down.

torch and OpenCV are imported inside the functions, so that the parent does not wait for them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.pairs.failure import NOT_SCORED, PairError
from evaluation.pairs.records import Record, Records
from evaluation.pairs.settings import Recipe
from evaluation.pairs.tasks import Task
from w2l.errors import UserError
from w2l.jobs import Devices, Stop, check_shared

if TYPE_CHECKING:
    from evaluation.pairs.networks import Networks
    from w2l.scoring import ClipScore


@dataclass(frozen=True)
class PairWorker:
    """Callable on a pair, in any process.

    Attributes:
        root: the output folder.
        recipe: what decides the numbers.
        devices: of the networks.
        keep_videos: leave the videos where they are.
    """

    root: Path
    recipe: Recipe
    devices: Devices
    keep_videos: bool = True

    def start(self) -> None:
        """Load everything that the first pair would otherwise wait for.

        Raises:
            UserError: no such device, a network that cannot be loaded, or the output folder is not
                on this machine.
        """
        check_shared(self.root)
        self._networks()

    def __call__(self, task: Task) -> Record | Stop:
        """The pair's record, which has been written."""
        records = Records(self.root, self.recipe)
        try:
            return self._done(task, records)
        except UserError as error:  # of the output: those of the input are PairErrors
            return Stop(str(error))

    def _done(self, task: Task, records: Records) -> Record:
        from evaluation.pairs.making import make

        loaded, video = self._networks(), records.video(task)
        record = records.begin(task)
        try:
            old = records.made(task)
            if old is None:
                made = make(task, self.recipe, loaded.lipsync, loaded.detector, video)
                record |= {
                    "n_frames": made.n_frames,
                    "n_untouched": made.n_untouched,
                    "release_skips": made.release_skips,
                    "video_bytes": video.stat().st_size,
                }
            else:
                kept = ("n_frames", "n_untouched", "release_skips", "video_bytes")
                record |= {key: old[key] for key in kept}
            record |= score(video, loaded)
            if loaded.inception is not None:
                record |= self._images(task, record["n_frames"], loaded, records)
        except PairError as failure:
            return records.fail(task, failure.reason, failure.detail)
        finally:
            if not self.keep_videos:
                video.unlink(missing_ok=True)
        return records.write(task, record)

    def _images(
        self, task: Task, n_frames: int, loaded: Networks, records: Records
    ) -> dict[str, Any]:
        """Write the features of the pair's images, or say why there are none.

        The pair keeps its other scores in any case.

        Raises:
            UserError: nothing can be written.
        """
        from evaluation.pairs.images import pair_features, write_features
        from evaluation.pairs.making import frames_before
        from w2l.faces import FixedBox
        from w2l.scoring.images import NoFaceError

        assert loaded.inception is not None
        try:
            found = pair_features(
                records.video(task),
                frames_before(task, self.recipe, n_frames),
                n_frames,
                loaded.detector or FixedBox(self.recipe.box or ()),
                loaded.inception,
                self.recipe.batch_size,
            )
        except NoFaceError:
            return {"pictures_error": f"{task.video} shows no face to compare."}
        except PairError as failure:
            return {"pictures_error": failure.detail}
        except UserError as error:
            return {"pictures_error": str(error)}
        except Exception as error:  # of whatever kind
            return {"pictures_error": f"{type(error).__name__}: {error}"}
        return {"features_bytes": write_features(found, records.features(task))}

    def _networks(self) -> Networks:
        from evaluation.pairs.networks import networks
        from w2l.inference import pick_device

        return networks(self.recipe, str(pick_device(self.devices.mine())))


def score(video: Path, loaded: Networks) -> dict[str, Any]:
    """The scores of a video: an entry per face that was scored, and how many could not be.

    Raises:
        PairError: none could.
    """
    try:
        clip = loaded.evaluator.score(video)
    except UserError as error:
        raise PairError(NOT_SCORED, str(error)) from error
    return {"tracks": tracks_of(clip), "n_skipped_tracks": len(clip.skipped)}


def tracks_of(clip: ClipScore) -> list[dict[str, Any]]:
    """Of each track its plain values: what `scores.json` has of it, the curves left out."""
    tracks = []
    for track in clip.to_dict()["tracks"]:
        cosine = track.pop("cosine")
        plain = {
            key: value for key, value in track.items() if not isinstance(value, list | dict | str)
        }
        plain["cosine"] = cosine["mean"] if cosine else None
        tracks.append({key: _finite(value) for key, value in plain.items()})
    return tracks


def _finite(value: Any) -> Any:
    """None for NaN and infinity, which JSON lacks."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
