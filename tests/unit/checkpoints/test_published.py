"""Published packings load to the bit, and tell which network they hold."""

from __future__ import annotations

import pytest
import safetensors.torch
import torch

from tests.unit.checkpoints.packing import (
    BUILD,
    LOAD,
    PUBLISHED,
    assert_same,
    narrow,
    pack,
)
from w2l import checkpoints


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


def test_a_file_of_half_precision_becomes_float32(tmp) -> None:
    module = narrow("generator")
    halves = {k: v.half() if v.is_floating_point() else v for k, v in module.state_dict().items()}
    torch.save({"state_dict": halves}, tmp / "half.pth")
    loaded = checkpoints.load_generator(tmp / "half.pth").state_dict()
    assert_same(
        loaded, {k: v.float() if v.dtype == torch.float16 else v for k, v in halves.items()}
    )


def test_loading_draws_no_random_numbers_and_leaves_what_can_learn(tmp) -> None:
    torch.save({"state_dict": narrow("expert").state_dict()}, tmp / "e.pth")
    before = torch.get_rng_state()
    module = checkpoints.load_expert(tmp / "e.pth")
    assert torch.equal(torch.get_rng_state(), before)
    assert all(parameter.requires_grad for parameter in module.parameters())


def test_what_was_loaded_needs_the_file_no_more(tmp) -> None:
    """Runs write their checkpoint anew; a map of the old one would show that, or crash."""
    path = tmp / "g.pth"
    state = narrow("generator").state_dict()
    torch.save({"state_dict": state}, path)
    module = checkpoints.load_generator(path)
    with path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))
    assert_same(module.state_dict(), state)
