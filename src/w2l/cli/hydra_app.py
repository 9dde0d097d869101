"""Runs a command under Hydra: quoted paths, typed values, one sentence instead of a traceback."""

from __future__ import annotations

import difflib
import inspect
import io
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import Any, cast

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, InstantiationException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from w2l.building import CONFIG_DIR, NETWORK, choices, named_group
from w2l.cli.help import answer, defaults, groups, without_choice
from w2l.cli.presets import apply_preset, full_name, given_keys, preset_in
from w2l.cli.quoting import is_literal, quote, quote_paths, type_of
from w2l.cli.signals import Ended
from w2l.errors import UserError, either
from w2l.files import is_full_disk
from w2l.schema import all_keys, built_groups, choice_keys, components, read
from w2l.schema import defaults as key_defaults
from w2l.trials import distrust_amx
from w2l.trust import trust

# Keys of earlier versions, and what they are called now.
RENAMED = {
    "system.optimizer.learning_rate": "system.optimizer.lr",
    "system.optimizer.warmup_updates": "system.scheduler.warmup_updates",
    "system.optimizer.cosine": "system.scheduler.cosine",
    "system.optimizer.clip_norm": "system.clip_norm",
    "detector_weights": "detector.weights=… (of detector=file: detector.path=…)",
    "detect_scale": "detector.scale=…, of detector=s3fd",
    "detector/boxes": "detector=file detector.path=FILE",
    "restorer_kind": "restorer.kind",
    "fidelity": "restorer.fidelity",
    "filelists": "source.filelists, of source=lrs2",
    "pretrain": "source.pretrain, of source=lrs3",
    "trainer.max_steps": "max_updates, which counts no optimizer's steps",
    "system.perceptual": "loss=[lpips] system.losses.lpips.network.vgg16=FILE",
    "system.perceptual_weight": "system.losses.lpips.weight",
}


def run(task: Callable[[Any], float | None], command: type[Any]) -> None:
    """Compose `configs/<name>.yaml` with the command line and call `task`.

    Exits with code 1 and one sentence on bad input, with 128 + signal when ended by one. With
    `--multirun` each job's `run_dir` lies in the sweep's folder, and a job that fails says so at
    once and in the end.

    Args:
        task: gets the settings, published values applied, an object of the command's dataclass;
            what it returns is what a sweep optimises.
        command: the dataclass of its keys.
    """
    distrust_amx()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # else somebody else's, who says what it takes
            stream.reconfigure(errors="backslashreplace")  # names may be any bytes
    folders = own_configs(sys.argv[1:])
    sys.path += [str(folder) for folder in (Path.cwd(), *folders)]  # one's own components lie there
    try:
        told = answer(sys.argv[1:], CONFIG_DIR, command, folders)
    except UserError as error:
        fail(str(error))
    with quiet_pipe():
        if told is not None:
            print(told)
        else:
            run_hydra(task, command)
        sys.stdout.flush()


@contextmanager
def quiet_pipe() -> Iterator[None]:
    """End without a word, as other programs do, where nobody reads on (`… | head`)."""
    try:
        yield
    except BrokenPipeError:
        # Or Python would fail once more when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)


def run_hydra(task: Callable[[Any], float | None], command: type[Any]) -> None:
    """See `run`."""
    config_name = command.NAME
    register(command)
    folders = own_configs(sys.argv[1:])
    for number, argument in enumerate(sys.argv[1:], 1):
        sign, key, rest = re.match(r"([+~]*)(\w*)(.*)", argument, re.DOTALL).groups()  # type: ignore[union-attr]
        sys.argv[number] = sign + full_name(config_name, key) + rest
    added = without_choice(sys.argv[1:], CONFIG_DIR / f"{config_name}.yaml")
    for choice in added:
        group = choice.lstrip("~")
        print(
            f"{group}= is not given: these are the keys of all of them; {group}=NAME shows its "
            "own, too, and --help lists the names.",
            file=sys.stderr,
        )  # fmt: skip
    is_default = bool(_defaults(command).get("published"))
    try:
        preset = preset_in(config_name, sys.argv[1:], is_default, folders)
    except UserError as error:
        fail(str(error))
    by_preset = {} if preset is None else preset.choices(given_keys(sys.argv[1:]))
    chosen = [f"{group}={name}" for group, name in by_preset.items()]
    sys.argv[1:] = with_overrides(sys.argv[1:], [*added, *chosen])
    try:
        sys.argv[1:] = without_nulls(sys.argv[1:], command, folders)
    except UserError as error:
        fail(str(error))
    sys.argv[1:] = quoted(with_networks(sys.argv[1:], command, folders), command)
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
        # Unresolved: what refers to a missing key is no other one.
        values = _leaves(OmegaConf.to_container(cfg, resolve=False))
        missing = sorted(key for key, value in values if value == "???")
        if missing:
            raise UserError(f"Missing: {', '.join(f'{key}=…' for key in missing)}.")
        refuse_renamed(overrides)
        refuse_unread(overrides, cfg, command)
        forget_other_arguments(cfg, overrides, built_groups(command))
        settings_of(cfg, command)
        if preset is not None:
            apply_preset(cfg, preset, overrides)
        if HydraConfig.get().mode == RunMode.MULTIRUN and "run_dir" in cfg:
            sweep = HydraConfig.get().sweep
            cfg.run_dir = str(Path(sweep.dir) / sweep.subdir)
        trust(cfg.get("trust") or ())
        try:
            return task(settings_of(cfg, command))
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
        fail(config_sentence(error, command))
    except BrokenPipeError:
        raise
    except OSError as error:
        if is_full_disk(error):
            fail(f"No space is left for {error.filename or 'what is written'}: free some and run "
                 "again; what was finished is kept.")  # fmt: skip
        if started:
            raise
        fail(f"Cannot write {error.filename} ({error.strerror}): choose another run_dir.")
    except KeyboardInterrupt as interrupt:
        by = interrupt.signal if isinstance(interrupt, Ended) else signal.SIGINT
        how = "interrupted" if by == signal.SIGINT else f"ended by {by.name}"
        print(f"{how}; what was finished is kept", file=sys.stderr)
        sys.exit(128 + by)
    if errors:
        fail(str(errors[0]))


def without_nulls(
    arguments: Sequence[str], command: type[Any], folders: Sequence[Path]
) -> list[str]:
    """A command line without `GROUP=null`, which Hydra takes for a mistake of its own.

    Raises:
        UserError: the group has to have a choice, or the command has no such group.
    """
    kept = list[str]()
    known = groups(CONFIG_DIR / f"{command.NAME}.yaml")
    for argument in arguments:
        group, equals, value = argument.partition("=")
        there = choices(group, folders) if equals and value in {"null", ""} else {}
        if not there:
            kept.append(argument)
        elif group not in known:
            raise UserError(f"Unknown key '{group}': {_hint(group, _composed(command))}")
        elif known[group] is not None:
            raise UserError(f"{group}={value} chooses nothing: choose {either(sorted(there))}.")
    return kept


def refuse_renamed(overrides: Sequence[str]) -> None:
    """See that nobody adds a key (`+key=`) that has another name now.

    Raises:
        UserError: naming it.
    """
    for key in sorted(given_keys(overrides)):
        for old, new in RENAMED.items():
            if key == old or key.startswith(f"{old}."):
                raise UserError(f"{old}= is now written {new}.")


def refuse_unread(overrides: Sequence[str], cfg: DictConfig, command: type[Any]) -> None:
    """See that no key is added (`+key=`) that neither the command nor another key's value reads.

    Raises:
        UserError: naming it.
    """
    added = {
        re.split(r"[.@=]", override.lstrip("+"), maxsplit=1)[0]
        for override in overrides
        if override.startswith("+")
    }
    read_by_others = set(re.findall(r"\$\{\.*(\w+)", OmegaConf.to_yaml(cfg)))
    known = {*all_keys(command), *HydraConfig.get().runtime.choices}
    for name in sorted(added - read_by_others - known):
        near = _nearest(name, sorted(known))
        hint = f"did you mean '{near}'?" if near else "--cfg job prints all that are."
        raise UserError(f"+{name}=… adds a key that nothing reads: {hint}")


def register(command: type[Any]) -> None:
    """Let Hydra compose a command's config, whose keys are those of the dataclass."""
    ConfigStore.instance().store(f"{command.NAME}_keys", key_defaults(command))


def settings_of(cfg: DictConfig, command: type) -> Any:
    """The object of a command's dataclass that a config says.

    Raises:
        UserError: a value does not fit its key.
    """
    values = cast(dict[str, Any], OmegaConf.to_container(cfg, resolve=True))
    if HydraConfig.initialized():
        chosen = HydraConfig.get().runtime.choices
        values |= {name: chosen.get(name) for name in choice_keys(command)}
    return read(command, values)


def quoted(arguments: Sequence[str], command: type[Any]) -> list[str]:
    """Command-line arguments as Hydra's grammar takes them.

    Of keys that only a group has nothing is known yet: `clips` is a number in some.
    """
    values = _defaults(command)
    known = all_keys(command)

    def kinds(key: str) -> tuple[str, ...]:
        if key in known:
            return known[key].kinds
        return type_of(values.get(key))

    return quote_paths(arguments, kinds, lambda key: "${" in str(values.get(key)))


def with_networks(
    arguments: Sequence[str], command: type[Any], folders: Sequence[Path]
) -> list[str]:
    """A command line on which `GROUP=FILE` says what it is short for."""
    written = list[str]()
    for argument in arguments:
        group, _, value = argument.partition("=")
        known = choices(group, folders) if group in components(command) and value else {}
        if NETWORK in known and value not in {*known, "null"}:
            text = value if is_literal(value) else quote(value)
            written += [f"{group}={NETWORK}", f"{group}.path={text}"]
        else:
            written.append(argument)
    return written


def with_overrides(arguments: Sequence[str], added: Sequence[str]) -> list[str]:
    """A command line with more overrides, beside its own: argparse wants them together."""
    places = [i for i, each in enumerate(arguments, 1) if "=" in each and each[0] != "-"]
    place = places[-1] if places else len(arguments)
    return [*arguments[:place], *added, *arguments[place:]]


def own_configs(arguments: Sequence[str] | None = None) -> list[Path]:
    """The folders that `--config-dir` names, on this command line if on none that is given."""
    arguments = sys.argv[1:] if arguments is None else arguments
    pairs = zip_longest(arguments, arguments[1:], fillvalue="")
    return [
        Path(value if equals else following).absolute()
        for (switch, equals, value), following in (
            (each.partition("="), following) for each, following in pairs
        )
        if switch in {"--config-dir", "-cd"}
    ]


def forget_other_arguments(
    cfg: DictConfig, overrides: Sequence[str], groups: Sequence[str]
) -> None:
    """Where a component's `_target_` is named, it takes none of the arguments of another."""
    given = {override.partition("=")[0].lstrip("+~") for override in overrides}
    for group in groups:
        if f"{group}._target_" not in given or group in given:
            continue
        kept = {key: cfg[group][key] for key in cfg[group]
                if key == "_target_" or f"{group}.{key}" in given}  # fmt: skip
        OmegaConf.update(cfg, group, kept, merge=False)


def refused(error: InstantiationException) -> UserError:
    """What a constructor says against the values of its group of keys."""
    cause = error.__cause__
    if isinstance(cause, UserError):
        return cause
    group = re.search(r"full_key: (\S+)", str(error))
    reason = re.sub(r"\bfull_key: \S+", "", str(cause or error))
    sentence = f"{group[1] if group else 'config'}: {folded(reason).rstrip('.?')}"
    if group and (name := re.search(r"unexpected keyword argument '(\w+)'", reason)):
        sentence += f": leave it out (~{group[1]}.{name[1]}), or let it be taken"
    return UserError(f"{sentence}.")


def fail(sentence: str) -> None:
    """Print the sentence and leave with exit code 1."""
    print(f"error: {sentence}", file=sys.stderr)
    sys.exit(1)


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0].rstrip(".")


def config_sentence(error: Exception, command: type[Any]) -> str:
    """One sentence for an error of Hydra or OmegaConf."""
    text = str(error)
    unknown = re.search(r"(?:Could not override|Key) '([^']+)'", text)
    if unknown and unknown[1] in RENAMED:
        return f"{unknown[1]}= is now written {RENAMED[unknown[1]]}."
    if unknown and ("not override" in text or "not in struct" in text):
        return f"Unknown key '{unknown[1]}': {_hint(unknown[1], _composed(command))}"
    choice = re.search(r"Could not (?:find|load) '([^']+)'", text)
    if choice and choice[1] in RENAMED:
        return f"{choice[1].replace('/', '=')} is now written {RENAMED[choice[1]]}."
    group, _, name = choice[1].partition("/") if choice else ("", "", "")
    if group in components(command):
        try:
            named_group(group, name, own_configs())
        except UserError as error:
            return str(error)
    text = folded(text.partition("Config search path:")[0])
    return re.sub(r"\s*(See https?://\S+|Set the environment variable HYDRA_FULL_ERROR.*)", "",
                  text)  # fmt: skip


def folded(text: object) -> str:
    """Several lines, as Hydra lists choices and reasons, as one readable sentence."""
    return " ".join(line.strip() for line in str(text).splitlines() if line.strip())


def _hint(key: str, cfg: DictConfig) -> str:
    """What to write in place of a key that there is not."""
    known = [name for name, _ in _leaves(OmegaConf.to_container(cfg))]
    group, _, name = key.rpartition(".")
    taken = _arguments(OmegaConf.select(cfg, group, throw_on_missing=False) if group else None)
    if taken is not None and name in taken:
        return f"+{key}=… adds it."
    if taken is not None:
        known = [each for each in known if each.rpartition(".")[0] == group]
        near = _nearest(key, [*known, *(f"{group}.{each}" for each in taken)], anywhere=False)
    else:
        near = _nearest(key, known)
    if near:
        return f"did you mean '{'' if near in known else '+'}{near}'?"
    if taken is not None:
        return f"{group} takes {', '.join(sorted(taken))}."
    return f"--cfg job prints all; +{key}=… adds one." if group else "--cfg job prints all."


def _arguments(group: Any) -> list[str] | None:
    """What the constructor of a group of keys takes; None: anything, or nobody knows."""
    if not OmegaConf.is_dict(group) or "_target_" not in group:
        return None
    try:
        parameters = inspect.signature(hydra.utils.get_object(group["_target_"])).parameters
    except (ImportError, TypeError, ValueError, HydraException):
        return None
    if any(parameter.kind == parameter.VAR_KEYWORD for parameter in parameters.values()):
        return None
    taken = list(parameters)[1:] if group.get("_partial_") else list(parameters)
    return [str(name) for name in group if name[0] != "_" and name not in parameters] + taken


def _nearest(key: str, known: Sequence[str], *, anywhere: bool = True) -> str | None:
    """The known key that was probably meant: a like name in the same group, or a like key."""
    group, _, name = key.rpartition(".")
    names = [k.rpartition(".")[2] for k in known if k.rpartition(".")[0] == group]
    if near := difflib.get_close_matches(name, names, 1, 0.6):
        return f"{group}.{near[0]}" if group else near[0]
    near = difflib.get_close_matches(key, known, 1, 0.8) if anywhere else []
    return near[0] if near else None


def _defaults(command: type[Any]) -> dict[str, Any]:
    """Values of a command's keys, by their names with dots between."""
    return dict(_leaves(defaults(CONFIG_DIR, command)))


def _composed(command: type[Any]) -> DictConfig:
    """The config with the groups of the command line; without them where they do not compose."""
    config_name = command.NAME
    names = groups(CONFIG_DIR / f"{config_name}.yaml")
    chosen = [each for each in sys.argv[1:] if each.partition("=")[0] in names]
    if folders := own_configs():
        chosen.append(f"hydra.searchpath=[{','.join(f'file://{each}' for each in folders)}]")
    try:
        with hydra.initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
            return hydra.compose(config_name, chosen)
    except (HydraException, OmegaConfBaseException):
        return OmegaConf.create(defaults(CONFIG_DIR, command))


def _leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _leaves(value, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, node
