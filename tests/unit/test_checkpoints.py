"""Every packing of every network, and every way in which a file can be wrong."""

from __future__ import annotations

import json
import os
import pickle
import random
import shutil
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import fill

from w2l import checkpoints
from w2l.checkpoints.__main__ import main
from w2l.errors import UserError
from w2l.models import Expert, Generator, QualityDiscriminator, SyncNetV2

State = dict[str, Tensor]

BUILD: dict[str, Callable[..., nn.Module]] = {
    "generator": Generator,
    "expert": Expert,
    "discriminator": QualityDiscriminator,
    "syncnet_v2": SyncNetV2,
}
LOAD: dict[str, Callable[..., nn.Module]] = {
    "generator": checkpoints.load_generator,
    "expert": checkpoints.load_expert,
    "discriminator": checkpoints.load_discriminator,
    "syncnet_v2": checkpoints.load_syncnet,
}
GOLDEN_NAME = {"discriminator": "quality_discriminator"}
INPUTS = {
    "generator": [(1, 1, 80, 16), (1, 6, 96, 96)],
    "expert": [(2, 1, 80, 16), (2, 15, 48, 96)],
    "discriminator": [(1, 3, 1, 96, 96)],
    "syncnet_v2": [(1, 1, 13, 20), (1, 3, 5, 224, 224)],
}
PUBLISHED = {
    "generator": {"width": 1.0, "image_size": 96},
    "expert": {"width": 1.0, "image_size": 96, "last_relu": True},
    "discriminator": {"width": 1.0, "image_size": 96},
    "syncnet_v2": {},
}


@pytest.fixture(scope="module")
def filled(golden: Path) -> dict[str, State]:
    """Published state dicts, filled as the golden files' networks were."""
    states = {}
    for network in BUILD:
        name = GOLDEN_NAME.get(network, network)
        shapes = json.loads((golden / "state_dicts" / f"{name}.json").read_text())
        states[network] = {
            entry: torch.from_numpy(np.asarray(fill.weight(f"{name}/{entry}", tuple(shape), 0)))
            for entry, shape in shapes.items()
        }
    return states


@pytest.fixture
def tmp(tmp_path: Path) -> Iterator[Path]:
    """A folder that is emptied at once: the full-size files are large."""
    yield tmp_path
    shutil.rmtree(tmp_path)


def narrow(network: str, width: float = 0.125) -> nn.Module:
    """A small network whose entries all differ from their initial values."""
    module = BUILD[network](**({} if network == "syncnet_v2" else {"width": width}))
    with torch.no_grad():
        for entry in module.state_dict().values():
            entry.copy_(torch.rand_like(entry.float()) * 9 + 1)
    return module.eval()


def trace(module: nn.Module, network: str, path: Path) -> None:
    inputs = tuple(torch.rand(shape) for shape in INPUTS[network])
    torch.jit.trace(module, inputs, check_trace=False).save(str(path))


def lightning(path: Path, state: State, network: str, optimizers: int = 1, **config: Any) -> Path:
    """A file as `w2l.systems` has Lightning write it."""
    content = {
        "state_dict": state,
        "w2l": {"network": network, "config": config, "version": "0.1.0"},
        "epoch": 3,
        "global_step": 1200,
        "pytorch-lightning_version": "2.6.6",
        "optimizer_states": [
            {"state": {0: {"exp_avg": torch.ones(500_000)}}, "param_groups": []}
            for _ in range(optimizers)
        ],
        "callbacks": {"SyncGate": {"open": True}},
        "loops": {},
    }
    torch.save(content, path)
    return path


def assert_same(actual: State, expected: State) -> None:
    assert actual.keys() == expected.keys()
    for name, value in expected.items():
        assert actual[name].dtype == value.dtype, name
        assert torch.equal(actual[name], value), name


def pack(state: State, packing: str, path: Path) -> None:
    """The ways in which published files wrap a state dict."""
    legacy = packing.endswith("legacy")
    if packing.startswith("module"):
        state = {f"module.{name}": value for name, value in state.items()}
    content: dict[str, Any] = state
    if "wrapper" in packing:
        moments = {
            i: {"step": 7, "exp_avg": t, "exp_avg_sq": t}
            for i, t in enumerate(list(state.values())[:3])
        }
        optimizer = {"state": moments, "param_groups": [{"lr": 1e-4, "params": [0, 1, 2]}]}
        content = {"state_dict": state, "optimizer": optimizer, "global_step": 7, "global_epoch": 2}
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)


# Published packings


@pytest.mark.parametrize("network", BUILD)
@pytest.mark.parametrize("packing", ["plain legacy", "module wrapper", "wrapper legacy"])
def test_published_packings_load_bit_equal(network, packing, filled, tmp) -> None:
    path = tmp / "weights.pth"
    pack(filled[network], packing, path)
    module = LOAD[network](path)
    assert type(module) is BUILD[network]
    assert not module.training
    assert_same(module.state_dict(), filled[network])
    assert module.config == PUBLISHED[network]


@pytest.mark.parametrize("network", BUILD)
def test_read_identifies_published_files(network, filled, tmp) -> None:
    path = tmp / "misleading_name.pth"
    pack(filled[network], "module wrapper", path)
    checkpoint = checkpoints.read(path)
    assert checkpoint.network == network
    assert checkpoint.config == PUBLISHED[network]
    assert (checkpoint.global_step, checkpoint.global_epoch) == (7, 2)
    assert_same(checkpoint.state_dict, filled[network])


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_torchscript_of_the_published_generator(filled, tmp) -> None:
    """As the authors' page serves it today."""
    module = Generator()
    module.load_state_dict(filled["generator"])
    trace(module.eval(), "generator", tmp / "wav2lip_gan.pth")
    assert_same(
        checkpoints.load_generator(tmp / "wav2lip_gan.pth").state_dict(), filled["generator"]
    )


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("network", BUILD)
def test_torchscript_equals_torch_s_own_reading(network, tmp) -> None:
    module = narrow(network)
    trace(module, network, tmp / "traced.pt")
    checkpoint = checkpoints.read(tmp / "traced.pt")
    assert checkpoint.network == network
    assert checkpoint.config == module.config
    assert_same(checkpoint.state_dict, torch.jit.load(tmp / "traced.pt").state_dict())
    assert_same(LOAD[network](tmp / "traced.pt").state_dict(), module.state_dict())


class Scripted(nn.Module):
    """Attributes of every kind, a shared submodule, views and several dtypes."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.layers = nn.ModuleList([self.first, nn.Linear(3, 4).half()])
        base = torch.arange(24.0)
        self.register_buffer("view", base[4:16].view(3, 4).t())
        self.register_buffer("same_storage", base[2:5])
        self.register_buffer("count", torch.tensor(5))
        self.register_buffer("none", None)
        self.register_buffer("nothing", torch.empty(0, 3))
        self.register_buffer("flags", torch.tensor([True, False]))
        self.register_buffer("wide", torch.rand(2, dtype=torch.float64))
        self.names = torch.jit.Attribute(["a", "b"], list[str])
        self.sizes = torch.jit.Attribute({"a": 1}, dict[str, int])
        self.pair = (1, 2.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.first(x) + self.view.sum() + self.sizes["a"] + len(self.names)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_scripted_module_with_views_and_attributes(tmp) -> None:
    scripted = torch.jit.script(Scripted())
    scripted.save(str(tmp / "s.pt"))
    checkpoint = checkpoints.read(tmp / "s.pt")
    assert checkpoint.network == "unknown"
    assert_same(checkpoint.state_dict, scripted.state_dict())
    assert checkpoint.state_dict["view"].stride() == (1, 4)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_frozen_torchscript_is_explained(tmp) -> None:
    frozen = torch.jit.freeze(torch.jit.script(nn.Sequential(nn.Linear(2, 2)).eval()))
    frozen.save(str(tmp / "f.pt"))
    with pytest.raises(UserError, match=r"f\.pt is a TorchScript archive without named param"):
        checkpoints.read(tmp / "f.pt")


def rewrite(source: Path, target: Path, entry: str, content: bytes) -> None:
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for info in old.infolist():
            same = not info.filename.endswith(entry)
            new.writestr(info.filename, old.read(info) if same else content)


class Mischief:
    """Touches a file when unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_torchscript_s_code_is_neither_needed_nor_run(tmp) -> None:
    module = narrow("generator")
    trace(module, "generator", tmp / "good.pt")
    rewrite(tmp / "good.pt", tmp / "broken_code.pt", ".py", b"this is no program (")
    assert_same(
        checkpoints.load_generator(tmp / "broken_code.pt").state_dict(), module.state_dict()
    )
    evil = pickle.dumps({"x": Mischief(tmp / "harm")}, protocol=2)
    rewrite(tmp / "good.pt", tmp / "evil.pt", "/data.pkl", evil)
    with pytest.raises(UserError, match=r"evil\.pt holds Python objects .*mkdir.* could run code"):
        checkpoints.read(tmp / "evil.pt")
    assert not (tmp / "harm").exists()


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


def test_safetensors(tmp) -> None:
    module = narrow("discriminator")
    safetensors.torch.save_file(module.state_dict(), tmp / "d.bin")
    assert_same(checkpoints.load_discriminator(tmp / "d.bin").state_dict(), module.state_dict())


def test_old_files_without_batch_counters(tmp) -> None:
    """SyncNet v2 dates from a torch whose batch norms had no counter."""
    module = narrow("syncnet_v2")
    state = {k: v for k, v in module.state_dict().items() if "num_batches" not in k}
    assert len(state) < len(module.state_dict())
    torch.save(state, tmp / "syncnet_v2.model")
    loaded = checkpoints.load_syncnet(tmp / "syncnet_v2.model").state_dict()
    assert_same({k: loaded[k] for k in state}, state)
    assert all(v == 0 for k, v in loaded.items() if "num_batches" in k)


# Which network, built how


@pytest.mark.parametrize("network", ["generator", "expert", "discriminator"])
@pytest.mark.parametrize(
    "config",
    [
        {"width": 0.125},
        {"width": 0.25, "image_size": 192},
        {"image_size": 256},
        {"width": 0.03125, "image_size": 384},
    ],
)
def test_config_is_inferred_from_shapes(network, config, tmp) -> None:
    with torch.device("meta"):
        module = BUILD[network](**config)
    state = {k: torch.empty(v.shape, dtype=v.dtype) for k, v in module.state_dict().items()}
    torch.save(state, tmp / "x.pth")
    checkpoint = checkpoints.read(tmp / "x.pth")
    assert checkpoint.network == network
    with torch.device("meta"):
        again = BUILD[network](**checkpoint.config)
    assert again.state_dict().keys() == state.keys()
    if network == "generator":
        assert checkpoint.config == module.config


def test_s3fd_files_are_told_apart(tmp) -> None:
    torch.save(
        {"conv1_1.weight": torch.ones(1), "conv3_3_norm_mbox_conf.weight": torch.ones(1)},
        tmp / "a.pth",
    )
    torch.save({"vgg.0.weight": torch.ones(1), "L2Norm3_3.weight": torch.ones(1)}, tmp / "b.pth")
    assert checkpoints.read(tmp / "a.pth").network == "s3fd"
    assert checkpoints.read(tmp / "b.pth").network == "sfd_face"


def test_params_ema_wrapper(tmp) -> None:
    ema = {"stylegan_decoder.constant_input.weight": torch.ones(2)}
    torch.save({"params": {"x": torch.ones(1)}, "params_ema": ema}, tmp / "gfpgan.pth")
    checkpoint = checkpoints.read(tmp / "gfpgan.pth")
    assert checkpoint.network == "gfpgan"
    assert_same(checkpoint.state_dict, ema)


# Our own files


def own_generator(path: Path) -> tuple[Path, nn.Module, nn.Module]:
    generator, discriminator = narrow("generator"), narrow("discriminator", 0.25)
    state = {f"generator.{k}": v for k, v in generator.state_dict().items()}
    state |= {f"discriminator._orig_mod.{k}": v for k, v in discriminator.state_dict().items()}
    path = lightning(path, state, "generator", optimizers=2, **generator.config)
    return path, generator, discriminator


def test_own_checkpoint_with_two_networks(tmp) -> None:
    path, generator, discriminator = own_generator(tmp / "last.ckpt")
    checkpoint = checkpoints.read(path)
    assert checkpoint.network == "generator"
    assert checkpoint.config == {"width": 0.125, "image_size": 96}
    assert (checkpoint.global_step, checkpoint.global_epoch) == (600, 3)  # updates, not steps
    assert_same(checkpoints.load_generator(path).state_dict(), generator.state_dict())
    assert_same(checkpoints.load_discriminator(path).state_dict(), discriminator.state_dict())
    with pytest.raises(UserError, match=r"not the wanted expert.*it holds a generator"):
        checkpoints.load_expert(path)


def test_own_expert_keeps_its_config(tmp) -> None:
    expert = Expert(width=0.125, last_relu=False)
    state = {f"expert.{k}": v for k, v in expert.state_dict().items()}
    loaded = checkpoints.load_expert(lightning(tmp / "e.ckpt", state, "expert", **expert.config))
    assert loaded.config == {"width": 0.125, "image_size": 96, "last_relu": False}
    assert_same(loaded.state_dict(), expert.state_dict())


def test_config_of_another_version(tmp) -> None:
    path = lightning(tmp / "e.ckpt", narrow("expert").state_dict(), "expert", depth=3)
    with pytest.raises(UserError, match=r"depth.*another version"):
        checkpoints.load_expert(path)


@pytest.mark.parametrize("network", ["generator", "expert"])
def test_export_of_a_narrow_network(network, tmp) -> None:
    module = BUILD[network](width=0.125)
    state = {f"{network}.{k}": v for k, v in module.state_dict().items()}
    path = lightning(tmp / "in.ckpt", state, network, **module.config)
    checkpoints.export(path, tmp / "new" / "out.pth")
    published = torch.load(tmp / "new" / "out.pth", weights_only=True)
    assert published.pop("config") == module.config
    assert_same(published.pop("state_dict"), module.state_dict())
    assert published == {"optimizer": None, "global_step": 1200, "global_epoch": 3}
    assert_same(LOAD[network](tmp / "new" / "out.pth").state_dict(), module.state_dict())
    assert (tmp / "new" / "out.pth").stat().st_size < path.stat().st_size - 1e6
    checkpoints.export(path, tmp / "again.pth")
    assert (tmp / "again.pth").read_bytes() == (tmp / "new" / "out.pth").read_bytes()


def test_export_of_the_published_size_has_the_published_keys_only(filled, tmp) -> None:
    torch.save(filled["expert"], tmp / "in.pth")
    checkpoints.export(tmp / "in.pth", tmp / "out.pth")
    content = torch.load(tmp / "out.pth", weights_only=True, mmap=True)
    assert list(content) == ["state_dict", "optimizer", "global_step", "global_epoch"]
    assert_same(content["state_dict"], filled["expert"])


def test_export_by_command(tmp, capsys) -> None:
    path, _, discriminator = own_generator(tmp / "last.ckpt")
    assert main([str(path), str(tmp / "d.pth"), "--network", "discriminator"]) == 0
    assert_same(
        checkpoints.load_discriminator(tmp / "d.pth").state_dict(), discriminator.state_dict()
    )
    assert main([str(tmp / "none.ckpt"), str(tmp / "x.pth")]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "none.ckpt" in err
    assert not (tmp / "x.pth").exists()


def test_export_refuses_what_has_no_published_format(tmp) -> None:
    torch.save({"netcnnlip.0.weight": torch.ones(2, 3)}, tmp / "s.pth")
    with pytest.raises(UserError, match=r"s\.pth holds SyncNet v2.*not a generator"):
        checkpoints.export(tmp / "s.pth", tmp / "out.pth")


def test_newest_expert(tmp) -> None:
    assert checkpoints.newest_expert(tmp / "nothing here") is None
    state = {"expert.x": torch.ones(1)}
    (tmp / "run 1" / "checkpoints").mkdir(parents=True)
    old = lightning(tmp / "run 1" / "checkpoints" / "old.ckpt", state, "expert")
    new = lightning(tmp / "run 1" / "new.ckpt", state, "expert")
    newer_generator = lightning(tmp / "generator.ckpt", state, "generator")
    half_written = tmp / "half.ckpt"
    half_written.write_bytes(new.read_bytes()[:500])
    torch.save({"state_dict": state}, tmp / "foreign.ckpt")
    for age, path in enumerate([half_written, tmp / "foreign.ckpt", newer_generator, new, old]):
        os.utime(path, (1e9 - age, 1e9 - age))
    assert checkpoints.newest_expert(tmp) == new
    new.unlink()
    assert checkpoints.newest_expert(tmp) == old


# Wrong files


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
        "it is one, but of another make (width 0.125, image_size 96)",
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


def test_resolve(tmp, monkeypatch) -> None:
    (tmp / "wav2lip_gan").write_bytes(b"x")
    monkeypatch.chdir(tmp)
    assert checkpoints.resolve("wav2lip_gan") == Path("wav2lip_gan")  # a file comes first
    asked = []
    monkeypatch.setattr("w2l.weights.fetch", lambda name: asked.append(name) or tmp / "cached")
    assert checkpoints.resolve("wav2lip") == tmp / "cached"
    assert asked == ["wav2lip"]
    with pytest.raises(UserError, match=r"wav2lipgan is neither .* did you mean .*wav2lip_gan"):
        checkpoints.resolve("wav2lipgan")
    with pytest.raises(UserError, match=r"no/such\.ckpt is neither a file.*names are .*syncnet_v2"):
        checkpoints.resolve("no/such.ckpt")
    with pytest.raises(UserError, match="is a folder"):
        checkpoints.resolve(tmp)
