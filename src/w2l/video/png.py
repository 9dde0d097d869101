"""Images as PNG files: one, or a numbered folder of them with the sound beside."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from w2l.errors import UserError
from w2l.files import atomic_path
from w2l.video.audio_track import AudioTrack
from w2l.video.probe import exact_rate
from w2l.video.writer import FrameSink

SOUND, ABOUT = "sound.wav", "about.json"
_OURS = re.compile(rf"\d{{6,}}\.png|{re.escape(SOUND)}|{re.escape(ABOUT)}")
_COMPRESSION = 1  # of 9: a few per cent larger, several times quicker


def write_png(path: str | Path, pixels: np.ndarray, metadata: Mapping[str, str]) -> None:
    """Write one image, (H, W, 3) uint8 BGR, without loss, with text chunks."""
    info = PngInfo()
    for key, value in metadata.items():
        info.add_itxt(key.capitalize(), value)  # PNG's own keywords are capitalised
    image = Image.fromarray(np.ascontiguousarray(pixels[..., ::-1]))
    image.save(path, "png", pnginfo=info, compress_level=_COMPRESSION)


def check_folder(path: str | Path) -> None:
    """Refuse to replace a folder that holds anything but an earlier sequence of images.

    Raises:
        UserError: it does, or `path` is a file.
    """
    path = Path(path)
    if path.is_file():
        raise UserError(f"{path} is a file where a folder of images is to be: name another.")
    if path.is_dir():
        for found in path.iterdir():
            if not _OURS.fullmatch(found.name):
                raise UserError(
                    f"{path} holds {found.name}, so it is not replaced by a folder of images: "
                    "name a new folder."
                )


def read_about(folder: str | Path) -> dict[str, str]:
    """Of a folder that `PngWriter` wrote its "fps", "frames" and tags; of another nothing."""
    try:
        content = json.loads((Path(folder) / ABOUT).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return {k: str(v) for k, v in content.items()} if isinstance(content, dict) else {}


class PngWriter(FrameSink):
    """A folder of `000000.png`, `000001.png`, …, `sound.wav` and `about.json` (rate, tags).

    The folder appears whole or not at all; one of an earlier run is replaced. Sound has the
    source's samples, as PCM.

    Args:
        path: the folder.
        fps: frame rate.
        size: (width, height) of the images.
        audio: sound to put beside them; None for none.
        metadata: tags, in each image, in the sound and in `about.json`.

    Raises:
        UserError: a folder of other things is there, or it cannot be written.
    """

    def __init__(
        self,
        path: str | Path,
        fps: Fraction | float,
        size: tuple[int, int],
        audio: AudioTrack | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        check_folder(path)
        self.path = Path(path)
        self.fps = exact_rate(fps)
        self.size = size
        self._audio, self._metadata = audio, dict(metadata or {})

    def __enter__(self) -> PngWriter:
        with ExitStack() as stack:
            self._folder = stack.enter_context(atomic_path(self.path))
            self._folder.mkdir()
            if self._audio is not None:
                with av.open(f"file:{self._folder / SOUND}", "w") as container:
                    container.metadata.update(self._metadata)
                    for packet in self._audio.add_to(container):
                        container.mux(packet)
            self._stack = stack.pop_all()
        return self

    def _append(self, frame: np.ndarray) -> None:
        write_png(self._folder / f"{self._written:06d}.png", frame, self._metadata)

    def _finish(self) -> None:
        about = {"fps": str(self.fps), "frames": self._written, **self._metadata}
        text = json.dumps(about, indent=1, ensure_ascii=False) + "\n"
        (self._folder / ABOUT).write_text(text, "utf-8")
