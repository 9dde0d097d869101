"""Runs a command under Hydra: quoted paths, typed values, one sentence instead of a traceback."""

from __future__ import annotations

import difflib
import io
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, InstantiationException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from w2l.cli.key_types import check_type, kinds_of
from w2l.cli.published import apply_published
from w2l.cli.quoting import quote_paths
from w2l.errors import UserError

_PACKAGED = Path(__file__).resolve().parents[1] / "configs"
_CHECKOUT = Path(__file__).resolve().parents[3] / "configs"
CONFIG_DIR = _PACKAGED if _PACKAGED.is_dir() else _CHECKOUT


def run(task: Callable[[DictConfig], float | None], config_name: str) -> None:
    """Compose `configs/<config_name>.yaml` with the command line and call `task`.

    Exits with code 1 and one sentence on bad input, 130 when interrupted. With `--multirun` each
    job's `run_dir` lies in the sweep's folder, and a job that fails says so at once and in the end.

    Args:
        task: gets the composed config, published values applied; what it returns is what a sweep
            optimises.
        config_name: name of the primary config, which is also the command's name.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # else somebody else's, who says what it takes
            stream.reconfigure(errors="backslashreplace")  # names may be any bytes
    defaults = _defaults(config_name)
    sys.argv[1:] = quote_paths(
        sys.argv[1:],
        lambda key: kinds_of(key, defaults.get(key)),
        lambda key: "${" in str(defaults.get(key)),
    )
    os.environ["HYDRA_FULL_ERROR"] = "1"  # raise, so that the sentence below is ours

    errors: list[UserError] = []
    started = False

    def checked(cfg: DictConfig) -> float | None:
        nonlocal started
        started = True
        try:
            return checked_task(cfg)
        except UserError as error:
            if HydraConfig.get().mode == RunMode.MULTIRUN:  # maybe in another process
                job = HydraConfig.get().job
                print(f"error: job {job.num} ({job.override_dirname}): {error}", file=sys.stderr)
                raise
            errors.append(error)  # raised through Hydra, it would come with a list of overrides
            return None

    def checked_task(cfg: DictConfig) -> float | None:
        overrides = list(HydraConfig.get().overrides.task)
        check_types(cfg, config_name, overrides)
        if cfg.published:
            apply_published(cfg, config_name, overrides)
        missing = sorted(OmegaConf.missing_keys(cfg))
        if missing:
            raise UserError(f"Missing: {', '.join(f'{key}=…' for key in missing)}.")
        if HydraConfig.get().mode == RunMode.MULTIRUN and "run_dir" in cfg:
            sweep = HydraConfig.get().sweep
            cfg.run_dir = str(Path(sweep.dir) / sweep.subdir)
        try:
            return task(cfg)
        except InstantiationException as error:
            raise refused(error) from error

    decorate = hydra.main(version_base="1.3", config_path=str(CONFIG_DIR), config_name=config_name)
    try:
        decorate(checked)()
    except UserError as error:
        fail(str(error))  # of a job of a sweep
    except MissingMandatoryValue as error:
        fail(f"Missing value: {_first_line(error)}.")
    except (HydraException, OmegaConfBaseException) as error:
        fail(config_sentence(error, config_name))
    except OSError as error:
        if started:
            raise
        fail(f"Cannot write {error.filename} ({error.strerror}): choose another run_dir.")
    except KeyboardInterrupt:
        print("interrupted; what was finished is kept", file=sys.stderr)
        sys.exit(130)
    if errors:
        fail(str(errors[0]))


def refused(error: InstantiationException) -> UserError:
    """What a constructor says against the values of its group of keys."""
    cause = error.__cause__
    if isinstance(cause, UserError):
        return cause
    group = re.search(r"full_key: (\S+)", str(error))
    return UserError(f"{group[1] if group else 'config'}: {_first_line(cause or error)}.")


def fail(sentence: str) -> None:
    """Print the sentence and leave with exit code 1."""
    print(f"error: {sentence}", file=sys.stderr)
    sys.exit(1)


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0].rstrip(".")


def config_sentence(error: Exception, config_name: str) -> str:
    """One sentence for an error of Hydra or OmegaConf."""
    text = str(error)
    unknown = re.search(r"(?:Could not override|Key) '([^']+)'", text)
    if unknown and ("not override" in text or "not in struct" in text):
        key = unknown[1]
        near = _nearest(key, _keys_of(config_name))
        hint = f"did you mean '{near}'?" if near else f"--cfg job prints all; +{key}=… adds one."
        return f"Unknown key '{key}': {hint}"
    # Hydra lists choices over several lines; folded, they make one readable sentence.
    text = text.partition("Config search path:")[0]
    folded = " ".join(line.strip() for line in text.splitlines() if line.strip())
    return re.sub(r"\s*(See https?://\S+|Set the environment variable HYDRA_FULL_ERROR.*)", "",
                  folded)  # fmt: skip


def _nearest(key: str, known: Sequence[str]) -> str | None:
    """The known key that was probably meant: a like name in the same group, or a like key."""
    group, _, name = key.rpartition(".")
    names = [k.rpartition(".")[2] for k in known if k.rpartition(".")[0] == group]
    if near := difflib.get_close_matches(name, names, 1, 0.6):
        return f"{group}.{near[0]}" if group else near[0]
    return next(iter(difflib.get_close_matches(key, known, 1, 0.8)), None)


def _keys_of(config_name: str) -> list[str]:
    return list(_defaults(config_name))


def _defaults(config_name: str) -> dict[str, Any]:
    """Values of the keys in a command's own file, by their names with dots between."""
    cfg = OmegaConf.load(CONFIG_DIR / f"{config_name}.yaml")
    return dict(_leaves(OmegaConf.to_container(cfg)))


def _leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _leaves(value, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, node


def check_types(cfg: DictConfig, config_name: str, overrides: Sequence[str]) -> None:
    """Each overridden value has the type of the value that it replaces.

    Raises:
        UserError: it has not, e.g. `smooth=maybe` or `fps=fast`.
    """
    loader = GlobalHydra.instance().config_loader()
    groups = [o for o in overrides if loader.get_group_options(o.partition("=")[0])]
    defaults = loader.load_configuration(
        config_name, groups, RunMode.RUN, validate_sweep_overrides=False
    )
    for override in overrides:
        key = override.partition("=")[0].lstrip("+~")
        default = OmegaConf.select(defaults, key, throw_on_missing=False)
        value = OmegaConf.select(cfg, key, throw_on_missing=False)
        if override not in groups:
            check_type(key, default, value)
