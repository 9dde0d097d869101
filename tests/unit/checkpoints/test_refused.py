"""Every way in which a file can be wrong is one sentence."""

from __future__ import annotations

import os
import pickle
import random
import zipfile

import pytest
import safetensors.torch
import torch
from torch import nn

from tests.unit.checkpoints.packing import (
    Mischief,
    narrow,
)
from w2l import checkpoints
from w2l.checkpoints.states import check_whole, newest_state
from w2l.errors import UserError


@pytest.mark.parametrize("legacy", [False, True])
def test_pickle_with_code_is_refused(legacy, tmp) -> None:
    content = {"state_dict": narrow("expert").state_dict(), "args": Mischief(tmp / "harm")}
    torch.save(content, tmp / "evil.pth", _use_new_zipfile_serialization=not legacy)
    with pytest.raises(UserError, match=r"evil\.pth holds Python objects \(\w+\.mkdir\)"):
        checkpoints.load_expert(tmp / "evil.pth")
    assert not (tmp / "harm").exists()


def test_whole_pickled_module_is_refused(tmp) -> None:
    torch.save(narrow("expert"), tmp / "module.pth")
    with pytest.raises(UserError, match=r"w2l\.models\.expert\.Expert.*state_dict alone"):
        checkpoints.read(tmp / "module.pth")


def test_wrong_network_says_which_and_what_is_missing(tmp) -> None:
    torch.save(narrow("expert").state_dict(), tmp / "e.pth")
    with pytest.raises(UserError) as caught:
        checkpoints.load_generator(tmp / "e.pth")
    message = str(caught.value)
    for part in (
        "e.pth",
        "not the wanted generator",
        "it holds an expert",
        "entries are missing",
        "face_encoder_blocks.0.0.conv_block.0.weight",
        "are not known",
        "another shape",
    ):
        assert part in message
    assert "\n" not in message


def test_missing_unknown_and_reshaped_entries_are_counted(tmp) -> None:
    state = narrow("generator").state_dict()
    del state["output_block.1.bias"]
    state["extra.weight"] = torch.ones(1)
    state["output_block.1.weight"] = torch.ones(3, 5, 1, 1)
    torch.save(state, tmp / "g.pth")
    with pytest.raises(UserError) as caught:
        checkpoints.load_generator(tmp / "g.pth")
    message = str(caught.value)
    for part in (
        "it is one, but of another make (width 0.125, image_size 96, lead_frames 0)",
        "1 of 352 entries are missing (output_block.1.bias)",
        "1 are not known (extra.weight)",
        "output_block.1.weight: (3, 5, 1, 1) where (3, 4, 1, 1) is wanted",
    ):
        assert part in message


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html></html>", "is an HTML page"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "is a Git LFS pointer"),
        (b"RIFF....AVI LIST", "is not a checkpoint"),
        (b"PK\x03\x04 cut off", "damaged or cut off"),
        (b"\x80\x02}q\x00(X\x01", "damaged or cut off"),
        (pickle.dumps({"a": 1}, protocol=2), "damaged or cut off"),
    ],
)
def test_files_that_are_no_checkpoints(content, reason, tmp) -> None:
    path = tmp / "x.pth"
    path.write_bytes(content)
    with pytest.raises(UserError, match=rf"x\.pth.*({reason})"):
        checkpoints.load_generator(path)


def test_other_zip_tensor_alone_and_dict_without_tensors(tmp) -> None:
    with zipfile.ZipFile(tmp / "letter.docx", "w") as archive:
        archive.writestr("word/document.xml", "text")
    torch.save(torch.ones(3), tmp / "tensor.pth")
    torch.save({"epoch": 3}, tmp / "numbers.pth")
    for name, reason in (
        ("letter.docx", "is not a checkpoint"),
        ("tensor.pth", "holds a Tensor"),
        ("numbers.pth", "holds no tensors"),
    ):
        with pytest.raises(UserError, match=rf"{name}.*{reason}"):
            checkpoints.read(tmp / name)


@pytest.mark.filterwarnings("ignore")  # torch says about some damaged bytes what it thinks
@pytest.mark.parametrize("packing", ["zip", "legacy", "torchscript", "safetensors"])
def test_damaged_files_give_one_sentence(packing, tmp) -> None:
    """Cut anywhere, or with flipped bytes: a UserError, or tensors, but no other exception."""
    whole = tmp / "whole"
    module = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    if packing == "torchscript":
        torch.jit.script(module).save(str(whole))
    elif packing == "safetensors":
        safetensors.torch.save_file(module.state_dict(), whole)
    else:
        torch.save(
            {"state_dict": module.state_dict()},
            whole,
            _use_new_zipfile_serialization=packing == "zip",
        )
    content = whole.read_bytes()
    assert len(checkpoints.read(whole).state_dict) == 7
    rng = random.Random(0)
    path = tmp / "damaged.pth"
    refused = []
    for _ in range(80):
        if rng.random() < 0.3:
            damaged = content[: rng.randrange(len(content))]
        else:
            flipped = bytearray(content)
            for _ in range(rng.randrange(1, 5)):
                flipped[rng.randrange(len(flipped))] = rng.randrange(256)
            damaged = bytes(flipped)
        path.write_bytes(damaged)
        try:
            checkpoints.read(path)
        except UserError as error:
            refused.append(str(error))
    assert len(refused) > 20
    assert all(str(path) in message for message in refused)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("kind", ["generator", "expert", "discriminator"])
def test_weights_that_are_no_numbers_are_refused(kind, value, tmp) -> None:
    state = narrow(kind).state_dict()
    name = next(key for key in reversed(state) if key.endswith("running_var") or "bias" in key)
    state[name].view(-1)[-1] = value
    torch.save({"state_dict": state}, tmp / "diverged.pth")
    sentence = rf"diverged\.pth holds weights that are NaN or infinite \(1 of \d+ entries, {name}"
    with pytest.raises(UserError, match=sentence):
        getattr(checkpoints, f"load_{kind}")(tmp / "diverged.pth")
    with pytest.raises(UserError, match=sentence):
        checkpoints.export(tmp / "diverged.pth", tmp / "published.pth")
    assert not (tmp / "published.pth").exists()


def test_a_run_goes_on_from_before_it_diverged(tmp) -> None:
    for update, value in ((1, 0.0), (2, float("nan"))):
        state = {"state_dict": {"expert.weight": torch.tensor([value])}}
        torch.save(state, tmp / f"update-{update:07d}.ckpt")
        os.utime(tmp / f"update-{update:07d}.ckpt", (update, update))
    said: list[str] = []
    assert newest_state(tmp, said.append) == tmp / "update-0000001.ckpt"
    (sentence,) = said
    assert "update-0000002.ckpt holds weights that are NaN" in sentence
    assert sentence.endswith("going on from the one before.")
    with pytest.raises(UserError, match="NaN or infinite"):
        check_whole(tmp / "update-0000002.ckpt")
