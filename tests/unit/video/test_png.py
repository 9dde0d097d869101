"""A folder of images: exact, with its sound and tags, whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from tests.unit.video.made import decoded_sound, numbered, sweep
from tests.writing import write_wav
from w2l.errors import UserError
from w2l.video import AudioTrack, PngWriter, read_image, write_png

SIZE = (53, 35)
IMAGES = np.random.default_rng(0).integers(0, 256, (3, 35, 53, 3), dtype=np.uint8)


def write(path: Path, images=IMAGES, **options) -> Path:
    with PngWriter(path, 29.97, SIZE, **options) as writer:
        for image in images:
            writer.write(image)
    return path


def test_images_and_sound_are_exact(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", sweep(15_923, 22_050), 22_050)
    track = AudioTrack(tmp_path / "a.wav", start_s=0.1)
    folder = write(tmp_path / "out", audio=track, metadata={"comment": "ü"})
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["000000.png", "000001.png", "000002.png", "about.json", "sound.wav"]
    for i, image in enumerate(IMAGES):
        np.testing.assert_array_equal(read_image(folder / f"{i:06d}.png"), image)
    sound = decoded_sound(tmp_path / "a.wav")[:, 2205:]
    np.testing.assert_array_equal(decoded_sound(folder / "sound.wav"), sound)


def test_tags_are_in_every_file(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", sweep(1000, 16_000))
    tags = {"comment": "synthetic", "description": '{"a": "ü"}'}
    folder = write(tmp_path / "out", audio=AudioTrack(tmp_path / "a.wav"), metadata=tags)
    assert json.loads((folder / "about.json").read_text("utf-8")) == {
        "fps": "30000/1001", "frames": 3, **tags,
    }  # fmt: skip
    for path in folder.glob("*.png"):
        assert Image.open(path).text == {"Comment": "synthetic", "Description": '{"a": "ü"}'}
    with av.open(str(folder / "sound.wav")) as container:
        assert container.metadata["comment"] == "synthetic"


def test_nothing_is_visible_before_the_end_or_after_an_error(tmp_path: Path) -> None:
    earlier = write(tmp_path / "out", IMAGES[:1])

    def interrupted() -> None:
        with PngWriter(earlier, 25, SIZE) as writer:
            writer.write(IMAGES[1])
            shown = [path for path in tmp_path.iterdir() if not path.name.startswith(".")]
            assert shown == [earlier]
            assert sorted(p.name for p in earlier.iterdir()) == ["000000.png", "about.json"]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    np.testing.assert_array_equal(read_image(earlier / "000000.png"), IMAGES[0])
    assert list(tmp_path.iterdir()) == [earlier]
    with pytest.raises(ValueError, match="no image"), PngWriter(tmp_path / "new", 25, SIZE):
        pass
    assert list(tmp_path.iterdir()) == [earlier]


def test_an_earlier_sequence_is_replaced_whole(tmp_path: Path) -> None:
    folder = write(tmp_path / "out")
    write(folder, IMAGES[:1])
    assert sorted(path.name for path in folder.iterdir()) == ["000000.png", "about.json"]


def test_no_other_folder_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "000000.png").write_bytes(b"mine too")
    (tmp_path / "holiday.png").write_bytes(b"mine")
    with pytest.raises(UserError, match=r"holds holiday\.png"):
        PngWriter(tmp_path, 25, SIZE)
    with pytest.raises(UserError, match="is a file"):
        PngWriter(tmp_path / "holiday.png", 25, SIZE)
    with (
        pytest.raises(ValueError, match="expected uint8"),
        PngWriter(tmp_path / "new", 25, SIZE) as writer,
    ):
        writer.write(numbered(0))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000000.png", "holiday.png"]


def test_one_image(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", IMAGES[0], {"comment": "c"})
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), IMAGES[0])
