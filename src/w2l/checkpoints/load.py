"""Checkpoints into networks, strictly, with a sentence that says what is wrong with a wrong one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from w2l import weights
from w2l.checkpoints import archive
from w2l.checkpoints.networks import (
    BUILDERS,
    KINDS,
    TRAINED,
    Pads,
    Shapes,
    build_own,
    identify,
    infer_config,
    label,
    outline,
    own_class,
    stated_config,
    stated_pads,
)
from w2l.errors import UserError
from w2l.models import (
    BiSeNet,
    Expert,
    FidInception,
    Generator,
    Lpips,
    QualityDiscriminator,
    SyncNetV2,
)
from w2l.paths import user_path
from w2l.weights.catalog import GENERATOR, shipped, suggestion

AUTO = "auto"
RELEASED = "wav2lip_gan"
WRAPPERS = re.compile(r"^(?:(?:module|_orig_mod)\.)+")  # DataParallel's and torch.compile's
# Where trainers put a network, the first choice first; an average of the weights before themselves.
PLACES = (
    "state_dict", "params_ema", "params", "ema", "ema_state_dict", "model_ema", "g_ema",
    "model_state_dict", "model", "generator", "netG", "net_g", "G", "net", "network", "weights",
    "module",
)  # fmt: skip
NO_PLACES = ("optim", "sched", "scaler")  # how the names of what is no network begin
COUNTERS = {"n_averaged"}  # of AveragedModel, which is a wrapper
ENOUGH_SPEAKERS = 50  # an expert that heard fewer may know persons in place of sync
OF_RUNS = ("checkpoints/best.ckpt", "checkpoints/last.ckpt")  # in the folder of a training
NAMED = 3  # how many entries of each kind an error names


def chosen_generator(name: str) -> str:
    """The name itself; for "auto" the released generator's where it was fetched before, else that
    of the small one, which is always there.
    """
    if name != AUTO:
        return name
    released = weights.registry()[RELEASED]
    return RELEASED if (weights.cache_folder() / released.file_name).is_file() else GENERATOR


def resolve(path_or_name: str | Path) -> Path:
    """An existing file as it is; a registry name, or `hf:owner/name[/file][@revision]`, as the
    fetched file; a small network of ours.

    Raises:
        UserError: neither (the sentence lists the names), or the download failed.
    """
    path = user_path(path_or_name)
    if path.is_file():
        return path
    if weights.is_hub(path_or_name):
        return weights.from_hub(str(path_or_name))
    if str(path_or_name) in (ours := shipped()):
        return ours[str(path_or_name)]
    names = weights.registry()
    if str(path_or_name) in names:
        return weights.fetch(str(path_or_name))
    if path.is_dir():
        there = [str(path / name) for name in OF_RUNS if (path / name).is_file()]
        named = f", {' or '.join(there)}" if there else ""
        raise UserError(f"{path} is a folder: name the checkpoint file in it{named}.")
    near = (
        beside(path)
        if len(Path(path_or_name).parts) > 1
        else suggestion(str(path_or_name), [*names, *ours])
    )
    raise UserError(f"{path_or_name} is neither a file nor the name of weights{near}.")


def beside(path: Path) -> str:
    """What lies where a file was looked for, as the end of a sentence."""
    if not path.parent.is_dir():
        return f": there is no folder {path.parent}"
    files = sorted(each.name for each in path.parent.iterdir() if each.is_file())
    shown = ", ".join(files[:NAMED]) + (", …" if len(files) > NAMED else "")
    why = " (it comes with the first validation)" if path.name == "best.ckpt" else ""
    return f"{why}: its folder has {shown or 'no file'}"


def not_finite(tensors: Mapping[str, Any]) -> list[str]:
    """Names of the floating-point entries that hold NaN or an infinite value.

    Args:
        tensors: by name, all on one device, which is waited for once; other entries are passed
            over.
    """
    floats = {
        name: entry.detach()
        for name, entry in tensors.items()
        if isinstance(entry, Tensor) and entry.is_floating_point() and entry.numel()
    }
    if not floats:
        return []
    # The largest magnitude, of which NaN is the largest: one pass, and no copy.
    largest = [torch.linalg.vector_norm(entry, torch.inf) for entry in floats.values()]
    finite = torch.stack([norm.isfinite() for norm in largest]).tolist()
    return [name for name, is_finite in zip(floats, finite, strict=True) if not is_finite]


def refuse_not_finite(path: str | Path, state: Mapping[str, Any]) -> None:
    """Refuse a file's weights where some are NaN or infinite.

    Raises:
        UserError: some are.
    """
    if names := not_finite(state):
        raise UserError(
            f"{path} holds weights that are NaN or infinite ({len(names)} of {len(state)} entries, "
            f"{names[0]} first): the training that wrote it had diverged, so use an earlier "
            "checkpoint."
        )


def load_lpips(vgg16: str | Path, heads: str | Path | None = None) -> Lpips:
    """LPIPS from torchvision's `vgg16-397923af.pth` and the `lpips` package's `vgg.pth`.

    Args:
        vgg16: its features are taken, its classifier is not.
        heads: without it each channel of a stage counts alike: a perceptual loss, but not LPIPS.

    Raises:
        UserError: a file is missing, damaged, or holds something else.
    """
    network = Lpips()
    content = archive.load(user_path(vgg16))
    state = {k: v for k, v in content.items() if k.startswith("features.")}
    own = {k: v.shape for k, v in network.state_dict().items() if k.startswith("features.")}
    if {k: v.shape for k, v in state.items()} != own:
        raise UserError(f"{vgg16} does not hold the features of VGG-16 as torchvision names them.")
    refuse_not_finite(vgg16, state)
    network.load_state_dict(state, strict=False)
    if heads is not None:
        found = archive.load(user_path(heads))
        refuse_not_finite(heads, found)
        for i, head in enumerate(network.heads):
            value = found.get(f"lin{i}.model.1.weight")
            if not isinstance(value, torch.Tensor) or value.shape != head.shape:
                raise UserError(f"{heads} does not hold the heads of LPIPS for VGG-16.")
            head.data = value.float()
    return network.eval().requires_grad_(False)


@dataclass(frozen=True)
class Checkpoint:
    """One network's parameters.

    Attributes:
        state_dict: entries under the published names, on the CPU, in the file's own dtype.
        network: "generator", "expert", "discriminator", "syncnet_v2", "s3fd", another name of
            `networks.KINDS`, or "unknown": told by names and shapes, never by the file's name.
        config: the network's constructor arguments, stated in the file or inferred from shapes.
        target: full name of its class where that is none of ours, as `mygen.TinyUNet`; None: ours.
        global_step, global_epoch: updates and epochs of the training, 0 where not stated.
        speakers: that an expert or a generator was trained on, ENOUGH_SPEAKERS for so many or more;
            None: not stated.
        pads: pixels (top, bottom, left, right) that a detected box had in the faces that a
            generator was trained on; None: not stated, as in published files.
    """

    state_dict: dict[str, Tensor] = field(repr=False)
    network: str
    config: dict[str, Any]
    target: str | None = None
    global_step: int = 0
    global_epoch: int = 0
    speakers: int | None = None
    pads: Pads | None = None


def read(path: str | Path, network: str | None = None) -> Checkpoint:
    """Read a checkpoint of any packing.

    Args:
        path: the file.
        network: which network to take from one of our files that holds several (the generator
            and its discriminator); by default the one that was trained for its own sake.

    Raises:
        UserError: the file cannot be read, or holds no tensors.
    """
    path = Path(path)
    content = archive.load(path)
    state = _find_state(path, content, network)
    ours = content.get("w2l")
    stated = dict(ours) if isinstance(ours, dict) else content
    archive.check_unfolded(path, sum(t.numel() * t.element_size() for t in state.values()))
    parts = _split(state)
    if parts:
        main = str(stated.get("network"))
        chosen = next(n for n in (network, main, *parts) if n in parts)
        state = parts[chosen]
        if chosen != main:
            beside = stated.get(chosen)
            stated = {"network": chosen, **(beside if isinstance(beside, dict) else {})}
    config, target = stated.get("config"), own_class(stated.get("target"))
    found = identify(state) if target is None else str(stated.get("network"))
    optimizers = content.get("optimizer_states")
    return Checkpoint(
        state_dict=state,
        network=found,
        config=stated_config(config) or infer_config(found, state)
        if target is None
        else stated_config(config, numbers_only=False),
        target=target,
        # Lightning counts every optimizer's step, and a GAN has two per update.
        global_step=_count(content.get("global_step"))
        // (len(optimizers) if isinstance(optimizers, list) and optimizers else 1),
        global_epoch=_count(content.get("global_epoch", content.get("epoch"))),
        speakers=_count(stated.get("speakers")) or None,
        pads=stated_pads(stated.get("pads")),
    )


def load_generator(
    path_or_name: str | Path, device: str | torch.device = "cpu", *, mapped: bool = False
) -> Generator:
    """A generator in evaluation mode, from a file or a registry name, strictly.

    Args:
        path_or_name, device: what, and where to.
        mapped: parameters may stay in the file until they are read: for who makes others of them.

    Raises:
        UserError: no such file or name, it holds something else, or weights that are NaN or
            infinite.
    """
    return cast(Generator, _load(path_or_name, "generator", device, mapped=mapped))


def load_expert(path_or_name: str | Path, device: str | torch.device = "cpu") -> Expert:
    """As `load_generator`, an expert."""
    return cast(Expert, _load(path_or_name, "expert", device))


def load_discriminator(
    path_or_name: str | Path, device: str | torch.device = "cpu"
) -> QualityDiscriminator:
    """As `load_generator`, a discriminator, also out of a GAN training's file."""
    return cast(QualityDiscriminator, _load(path_or_name, "discriminator", device))


def load_syncnet(path_or_name: str | Path, device: str | torch.device = "cpu") -> SyncNetV2:
    """As `load_generator`, SyncNet v2."""
    return cast(SyncNetV2, _load(path_or_name, "syncnet_v2", device))


def load_bisenet(path_or_name: str | Path, device: str | torch.device = "cpu") -> BiSeNet:
    """As `load_generator`, the face parser."""
    return cast(BiSeNet, _load(path_or_name, "bisenet", device))


def load_inception(path_or_name: str | Path, device: str | torch.device = "cpu") -> FidInception:
    """As `load_generator`, the Inception network of FID."""
    return cast(FidInception, _load(path_or_name, "fid_inception", device))


def _load(
    path_or_name: str | Path, network: str, device: str | torch.device, *, mapped: bool = False
) -> nn.Module:
    path = resolve(path_or_name)
    checkpoint = read(path, network)
    if checkpoint.target is not None and checkpoint.network == network:
        return _load_own(path, checkpoint, checkpoint.target).to(device).eval()
    config = checkpoint.config if checkpoint.network == network else {}
    try:
        shapes, config = outline(network, config)
    except (ArithmeticError, RuntimeError, TypeError, ValueError) as error:
        raise UserError(
            f"{path} states a configuration that {label(network)} does not have "
            f"({config}: {error}): it was written by another version of this program."
        ) from error
    state = _with_counters(checkpoint.state_dict, shapes)
    if differences := _differences(state, shapes):
        seems = (
            f"it is one, but of another make ({', '.join(f'{k} {v}' for k, v in config.items())})"
            if checkpoint.network == network
            else f"it holds {label(checkpoint.network)}"
        )
        raise UserError(f"{path} is not the wanted {_bare(network)}: {seems}; {differences}.")
    refuse_not_finite(path, state)
    with torch.device("meta"):  # no memory, and no random numbers, for what is replaced at once
        module = BUILDERS[network](**config)
    plain = torch.contiguous_format
    entries = {
        name: state[name].to(entry.dtype, copy=not mapped, memory_format=plain)
        for name, entry in module.state_dict().items()
    }
    module.load_state_dict(entries, assign=True)
    return module.to(device).eval()


def _load_own(path: Path, checkpoint: Checkpoint, target: str) -> nn.Module:
    """A network of a class that is not ours, strictly."""
    try:
        module = build_own(target, checkpoint.config)
    except UserError as error:
        raise UserError(f"{path} cannot be used: {error}") from error
    shapes = {name: tuple(entry.shape) for name, entry in module.state_dict().items()}
    if differences := _differences(checkpoint.state_dict, shapes):
        raise UserError(f"{path} does not fit {target} as it is now: {differences}.")
    refuse_not_finite(path, checkpoint.state_dict)
    module.load_state_dict(checkpoint.state_dict)
    return module


def _find_state(path: Path, content: Mapping[str, Any], network: str | None) -> dict[str, Tensor]:
    """The tensors by name, out of the usual wrappers, without the prefixes of wrapping modules.

    Of several that a file holds, those of the wanted network, else of the first that is known.
    """
    found = list(_states(content))
    if not found:
        kinds = ", ".join(f"{name}: {type(value).__name__}" for name, value in content.items())
        raise UserError(
            f"{path} holds no tensors by name ({kinds[:200] or 'it is empty'}): "
            "it is not a checkpoint of a network."
        )
    if isinstance(content.get("w2l"), Mapping) or any(map(_split, found[:1])):
        return found[0]  # ours
    wanted = (state for state in found if network in {None, identify(state)})
    known = (state for state in found if identify(state) != "unknown")
    return next((state for state in wanted if identify(state) != "unknown"), next(known, found[0]))


def _states(content: Mapping[Any, Any], depth: int = 2) -> Iterator[dict[str, Tensor]]:
    """All dicts of tensors in a file, those at the usual places first."""
    inner = [name for name in content if isinstance(content[name], Mapping)]
    rank = {name: place for place, name in enumerate(PLACES)}
    for name in sorted(inner, key=lambda name: rank.get(name, len(rank))):
        if depth and not str(name).lower().startswith(NO_PLACES):
            yield from _states(content[name], depth - 1)
    state = {
        WRAPPERS.sub("", name): value
        for name, value in content.items()
        if isinstance(name, str) and isinstance(value, Tensor) and name not in COUNTERS
    }
    if state:
        yield from _inner(state)


def _inner(state: dict[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """The networks in a state dict whose entries have a prefix, as `model.`; else itself."""
    if identify(state) == "unknown" and not _split(state):
        entries = {kind.entry for kind in KINDS.values()}
        prefixes = {
            name.removesuffix(entry)
            for name in state
            for entry in entries
            if name.endswith(f".{entry}")
        }
        for prefix in sorted(prefixes, key=lambda prefix: (prefix.count("."), prefix)):
            yield {
                name.removeprefix(prefix): value
                for name, value in state.items()
                if name.startswith(prefix)
            }
    yield state


def _split(state: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """The networks of one of our training files, whose entries start with the network's name."""
    parts: dict[str, dict[str, Tensor]] = {}
    for name, value in state.items():
        network, _, entry = name.partition(".")
        if network in TRAINED:
            parts.setdefault(network, {})[WRAPPERS.sub("", entry)] = value
    return parts


def _with_counters(state: dict[str, Tensor], shapes: Shapes) -> dict[str, Tensor]:
    """Add the batch norms' counters, which files from before torch 0.4.1 lack.

    They count training batches and play no part in evaluation.
    """
    counters = {
        name: torch.zeros((), dtype=torch.int64)
        for name in shapes
        if name.endswith(".num_batches_tracked") and f"{name[:-20]}.running_mean" in state
    }
    return counters | state


def _differences(state: Mapping[str, Tensor], shapes: Shapes) -> str:
    """What keeps a state dict from loading strictly, as a clause, or ""."""
    missing = [name for name in shapes if name not in state]
    unknown = [name for name in state if name not in shapes]
    reshaped = [n for n in shapes if n in state and tuple(state[n].shape) != shapes[n]]
    clauses = []
    if missing:
        clauses.append(f"{len(missing)} of {len(shapes)} entries are missing ({_few(missing)})")
    if unknown:
        clauses.append(f"{len(unknown)} are not known ({_few(unknown)})")
    if reshaped:
        first = reshaped[0]
        clauses.append(
            f"{len(reshaped)} have another shape ({first}: {tuple(state[first].shape)} "
            f"where {shapes[first]} is wanted)"
        )
    return ", ".join(clauses)


def _few(names: list[str]) -> str:
    return ", ".join(names[:NAMED]) + (", …" if len(names) > NAMED else "")


def _bare(network: str) -> str:
    """The network's label without its article."""
    return re.sub(r"^(?:an?|the) ", "", label(network))


def _count(value: Any) -> int:
    return value if isinstance(value, int) else 0
