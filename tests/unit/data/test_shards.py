"""Clips in shards give the samples of clips in folders, and touch nothing else."""

from __future__ import annotations

import pickle
import shutil
from contextlib import suppress
from io import StringIO
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from rich.console import Console

from preprocess.packing import pack
from preprocess.report import Report
from preprocess.settings import Job, Packing
from preprocess.sources import Prepared
from w2l.data import Augment, ClipDataset, ContrastiveSamples, LipSamples, SyncSamples
from w2l.data.clips import BAD_FRAME, BAD_SHARD, AnyClip, BadClipError
from w2l.data.shard_clips import CompressedClip, JpegClip, RawClip
from w2l.data.shards import RAW, Shard
from w2l.data.storage import Storage
from w2l.errors import UserError


@pytest.fixture(scope="session")
def packed(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small set of folders in all storages, two clips to a shard."""
    root = tmp_path_factory.mktemp("packed")
    shutil.copytree(prepared, root, dirs_exist_ok=True)
    for path in root.glob("*/*/*.jpg"):  # crops differ in size, and shards must not mind
        height = 90 + int(path.stem) % 20
        cv2.imwrite(str(path), cv2.resize(cv2.imread(str(path)), (height - 7, height)))
    for number in (7, 20):
        (root / "train1" / "00001" / f"{number}.jpg").unlink()
    job = Job(Prepared(root), root, engine="serial")
    report = Report(Console(file=StringIO()))
    pack(root, job, Packing("jpeg", shard_bytes=120_000), report)
    pack(root, job, Packing("compressed", shard_bytes=1_200_000), report)
    pack(root, job, Packing("raw", shard_bytes=2_500_000), report)
    return root


@pytest.fixture
def mine(packed: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return shutil.copytree(packed, tmp_path / "set")


def draw(root: Path, kind: str, samples: object, indices: range) -> list[tuple[torch.Tensor, ...]]:
    dataset = ClipDataset(Storage(str(root), kind).clips("train"), samples, seed=3)  # type: ignore[arg-type]
    return [tuple(dataset[i]) for i in indices]


@pytest.mark.parametrize(
    "samples",
    [
        SyncSamples(),
        SyncSamples(augment=Augment(share=0.5, noise=0.5)),
        LipSamples(),
        LipSamples(lead_frames=0),
        ContrastiveSamples(3),
    ],
)
@pytest.mark.parametrize("kind", ["jpeg", "compressed", "raw"])
def test_shards_give_the_samples_of_the_folders(packed: Path, kind: str, samples: object) -> None:
    assert len(list(packed.glob(f"shards/{kind}*/train-*.arrow"))) == 2
    expected = draw(packed, "folder", samples, range(24))
    found = draw(packed, kind, samples, range(24))
    for want, got in zip(expected, found, strict=True):
        for x, y in zip(want, got, strict=True):
            assert x.dtype == y.dtype
            assert torch.equal(x, y)


def first(root: Path, kind: str) -> AnyClip:
    return Storage(str(root), kind).clips("train")[0]


def wipe(path: Path, array: np.ndarray, kept: np.ndarray) -> None:
    """Fill `array`, a view of the mapped file, with zeros on the disk, but not its part `kept`."""
    content = bytearray(path.read_bytes())
    start = content.index(array.tobytes())
    address = [view.__array_interface__["data"][0] for view in (array, kept)]
    first = start + address[1] - address[0]
    content[start:first] = bytes(first - start)
    last = first + kept.nbytes
    content[last : start + array.nbytes] = bytes(start + array.nbytes - last)
    path.write_bytes(content)


def test_a_raw_sample_touches_only_its_windows(mine: Path) -> None:
    clip = first(mine, "raw")
    assert isinstance(clip, RawClip)
    numbers = np.arange(11, 16)
    faces, mel = clip.faces(numbers).copy(), clip.mel[:, 32:48].copy()
    path = mine / "shards" / "raw-96" / "train-00000.arrow"
    wipe(path, clip.pixels, clip.pixels[11:16])
    wipe(path, clip.mel.T, clip.mel.T[32:48])
    again = first(mine, "raw")
    assert np.array_equal(again.faces(numbers), faces)
    assert np.array_equal(again.mel[:, 32:48], mel)
    assert not again.faces(np.arange(20, 25)).any(), "nothing was wiped"
    assert not again.mel[:, :32].any()


@pytest.mark.parametrize(("kind", "files"), [("jpeg", 1), ("compressed", 2)])
def test_a_compressed_sample_touches_only_its_windows(mine: Path, kind: str, files: int) -> None:
    clip = first(mine, kind)
    assert isinstance(clip, JpegClip | CompressedClip)
    faces = clip.faces(np.arange(11, 16))
    (path,) = mine.glob(f"shards/{kind}*/train-00000.arrow")
    wipe(path, clip.files, clip.files[clip.offsets[files * 11] : clip.offsets[files * 16]])
    again = first(mine, kind)
    assert np.array_equal(again.faces(np.arange(11, 16)), faces)
    with pytest.raises(BadClipError) as bad:
        again.faces(np.arange(12, 17))
    assert bad.value.reason == BAD_FRAME


def test_an_experts_compressed_sample_touches_only_lower_halves(mine: Path) -> None:
    clip = first(mine, "compressed")
    assert isinstance(clip, CompressedClip)
    whole = clip.faces(np.arange(6))
    (path,) = mine.glob("shards/compressed*/train-00000.arrow")
    wipe(path, clip.files, clip.files[clip.offsets[7] : clip.offsets[8]])  # frame 3, lower
    again = first(mine, "compressed")
    assert np.array_equal(again.faces(np.array([3]), lower_half=True), whole[3:4, 48:])
    with pytest.raises(BadClipError) as bad:
        again.faces(np.array([3]))
    assert bad.value.reason == BAD_FRAME


def test_views_not_copies(packed: Path) -> None:
    clip = first(packed, "raw")
    assert isinstance(clip, RawClip)
    assert np.shares_memory(clip.faces(np.arange(3, 8)), clip.pixels)
    assert clip.mel.base is not None
    with pytest.raises(BadClipError, match="lacks"):
        Storage(str(packed), "raw").clips("train")[1].faces(np.arange(5, 10))


def test_clips_travel_to_workers_without_their_maps(packed: Path) -> None:
    clips = Storage(str(packed), "raw").clips("train")
    name = clips[3].name
    content = pickle.dumps(clips)
    assert len(content) < 2000
    assert pickle.loads(content)[3].name == name


@pytest.mark.parametrize("cut", [-1, 100_000, 7, 0])
def test_a_truncated_shard_is_a_reason(mine: Path, cut: int) -> None:
    path = mine / "shards" / "raw-96" / "train-00000.arrow"
    path.write_bytes(path.read_bytes()[:cut])
    for size in (None, len(path.read_bytes())):  # noticed with and without an index
        with pytest.raises(BadClipError) as bad:
            Shard(path, image_size=96, size=size)
        assert bad.value.reason == BAD_SHARD
    dataset = ClipDataset(Storage(str(mine), RAW).clips("train"), SyncSamples())
    for i in range(8):
        dataset[i]
    assert dataset.rejections.by_reason[BAD_SHARD] == dataset.rejections.total >= 4


@pytest.mark.parametrize("kind", ["jpeg", "compressed"])
def test_damaged_bytes_never_hurt_the_process(mine: Path, kind: str) -> None:
    (path,) = mine.glob(f"shards/{kind}*/train-00000.arrow")
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(60):
        broken = np.frombuffer(content, np.uint8).copy()
        ends = [*range(4000), *range(len(broken) - 4000, len(broken))]
        broken[rng.choice(ends, 40)] = rng.integers(0, 256, 40)
        path.write_bytes(broken)
        with suppress(BadClipError):
            for clip in Shard(path, image_size=96):
                if len(clip.starts):
                    clip.faces(clip.starts[0] + np.arange(5))
                clip.mel[:, :16].copy()


def test_auto_takes_the_quickest(mine: Path) -> None:
    def kind(size: int = 96) -> str:
        return type(Storage(str(mine), image_size=size).clips("train")[0]).__name__

    assert kind() == "RawClip"
    assert kind(64) == "JpegClip"
    assert Storage(str(mine), image_size=64).clips("train")[0].faces(np.arange(5)).shape[1] == 64
    shutil.rmtree(mine / "shards" / "raw-96")
    assert kind() == "CompressedClip"
    shutil.rmtree(mine / "shards" / "jpeg")
    with pytest.warns(UserWarning, match=r"compressed-96\) are not of 64 pixels.*image_size=64"):
        assert kind(64) == "Clip"
    shutil.rmtree(mine / "shards")
    assert kind() == "Clip"


@pytest.mark.parametrize("storage", ["raw", "compressed"])
def test_shards_of_another_size_are_refused_with_the_command(packed: Path, storage: str) -> None:
    with pytest.raises(UserError) as refused:
        Storage(str(packed), storage, image_size=128).clips("train")
    sentence = str(refused.value)
    assert f"there are {storage}-96" in sentence
    assert f"data_root={packed} out={packed} storage={storage} image_size=128" in sentence


def test_shards_of_another_list_are_not_used(mine: Path) -> None:
    names = (mine / "train.txt").read_text().splitlines()
    (mine / "train.txt").write_text("\n".join(names[:2]))
    with pytest.raises(UserError, match="has changed since"):
        Storage(str(mine), "raw").clips("train")
    with pytest.warns(UserWarning, match="has changed since"):
        assert len(Storage(str(mine)).clips("train")) == 2


def test_a_damaged_or_newer_index_is_one_sentence(mine: Path) -> None:
    index = mine / "shards" / "raw-96" / "index.json"
    for text, part in (("{", "is damaged"), ('{"format": 99}', "has format 99")):
        index.write_text(text)
        with pytest.raises(UserError, match=part):
            Storage(str(mine)).clips("train")
    with pytest.raises(UserError, match="is unknown"):
        Storage(str(mine), "zip").clips("train")


def test_another_shard_in_its_place_is_noticed(mine: Path) -> None:
    folder = mine / "shards" / "raw-96"
    shutil.copy(folder / "train-00000.arrow", folder / "train-00001.arrow")  # whole, but wrong
    clips = Storage(str(mine), RAW).clips("train")
    assert clips[0].name == "train0/00001"
    with pytest.raises(BadClipError) as bad:
        clips[2]
    assert bad.value.reason == BAD_SHARD
