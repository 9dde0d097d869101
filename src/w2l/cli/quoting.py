"""Path values are quoted for the user before Hydra's grammar sees them.

Hydra rejects `watch?v=x`, `it's.mp4`, `a (1).mp4`, `~/x` and sweeps over `a,b.mp4`. Nobody who
types a file name expects that; who types `--multirun` expects the sweep.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import OmegaConf

from w2l.errors import UserError
from w2l.schema import GROUP, LARGEST, LIST, NUMBER, SWITCH, TEXT

PATH = "a path"

# Keys of these whose default does not tell the type: it is null, or may be, or there are several.
OF_NULL: Mapping[str, tuple[str, ...]] = {
    key: kinds
    for kinds, keys in {
        (NUMBER,): ("max_updates",),
        (TEXT,): ("preset",),
        (PATH,): (
            "data.cache_dir", "expert", "init_from", "out", "resume", "syncnet", "teacher", "video",
        ),
        # One alone needs no brackets.
        (TEXT, LIST): ("arms", "trust"),
        (SWITCH, TEXT): ("compile",),
        (NUMBER, TEXT, LIST): ("trainer.devices",),
    }.items()
    for key in keys
}  # fmt: skip
Kinds = Callable[[str], tuple[str, ...]]
_FUNCTIONS = re.compile(
    r"(?:choice|range|interval|glob|shuffle|sort|tag|int|float|str|bool|json_str)\("
)


def kinds_of(key: str, default: Any) -> tuple[str, ...]:
    """The types that a key takes, a path among them as text; none where nothing tells.

    Args:
        key: its name, with those of its groups and dots between.
        default: of the key in the config file; `${…}` alone stands for another key's value.
    """
    if isinstance(default, str) and re.fullmatch(r"\$\{[^{}]*\}", default):
        return ()
    if default is None or default == "???":
        last = key.rpartition(".")[2]  # of a group: evaluation.video
        known = OF_NULL.get(key) or ((PATH,) if is_path(last) else ())
        return tuple(TEXT if kind == PATH else kind for kind in known)
    known = OF_NULL.get(key, (type_name(default),))
    return tuple(TEXT if kind == PATH else kind for kind in known)


def is_path(key: str) -> bool:
    """Whether a key's value is a path or a name that stands for a file."""
    return PATH in OF_NULL.get(key, ())


def check_type(key: str, default: Any, value: Any) -> None:
    """See that a value is of its key's type, and a number one that can be counted with.

    Args:
        key: its name, with those of its groups and dots between.
        default: of the key in the config file.
        value: what was given; null is of every type.

    Raises:
        UserError: it is not, e.g. `smooth=maybe`, `box=3`, `start=nan`.
    """
    wanted = kinds_of(key, default)
    if value is None or not wanted:
        return
    given = type_name(value)
    # A file may be called 2024: a number where text is expected is text.
    if given not in wanted and not (TEXT in wanted and given == NUMBER):
        raise UserError(f"{key} must be {' or '.join(wanted)}, not {str(value)!r}.")
    if wanted == (NUMBER,) and not abs(value) <= LARGEST:  # nor is NaN
        raise UserError(f"{key}={value} must be a number from -{LARGEST:g} to {LARGEST:g}.")


def type_name(value: Any) -> str:
    """The type of a value, as its sentence names it."""
    if isinstance(value, bool):
        return SWITCH
    if isinstance(value, int | float):
        return NUMBER
    if OmegaConf.is_list(value) or isinstance(value, list):
        return LIST
    return GROUP if OmegaConf.is_dict(value) or isinstance(value, dict) else TEXT


def quote(value: str, *, computed: bool = False) -> str:
    """`value` as a string literal of Hydra's grammar.

    Args:
        value: as it was typed.
        computed: `${…}` in it is worked out, as in the default of `run_dir`; else it is a name.
    """
    if not computed:
        value = re.sub(r"(\\*)\$\{", lambda match: match[1] * 2 + "\\${", value)
    # Only backslashes before a quote (or at the end) need doubling in the grammar.
    value = re.sub(r"(\\*)'", lambda match: match[1] * 2 + "\\'", value)
    value = re.sub(r"(\\+)$", lambda match: match[1] * 2, value)
    return f"'{value}'"


def quote_paths(
    arguments: Sequence[str], kinds: Kinds, is_computed: Callable[[str], bool] = lambda _: False
) -> list[str]:
    """Quote the values that are text, by the type of their key, and those that Hydra cannot read.

    What is quoted already, null, ??? and lists in a sweep stay.

    Args:
        arguments: of the command line.
        kinds: the types that a key takes; none where that is not known.
        is_computed: whether a key's default holds `${…}`, so that its values may.
    """
    sweeps = not {"-m", "--multirun"}.isdisjoint(arguments)
    return [_quoted(each, kinds, is_computed, sweeps) for each in arguments]


def _quoted(argument: str, kinds: Kinds, is_computed: Callable[[str], bool], sweeps: bool) -> str:
    key, equals, value = argument.partition("=")
    name = key.lstrip("+~")
    if not equals or key.startswith("-") or value in {"null", "???"} or is_literal(value):
        return argument
    if sweeps and ("," in value or _FUNCTIONS.match(value)):
        return argument
    wanted, computed = kinds(name), is_computed(name)
    is_list = value.startswith("[") and value.endswith("]")
    is_text = TEXT in wanted and not {NUMBER, SWITCH} & {*wanted}
    if is_text and not (LIST in wanted and is_list):
        return f"{key}={quote(value, computed=computed)}"
    if LIST in wanted and is_list:
        return argument if _is_read(argument) else f"{key}={_quoted_list(value)}"
    return argument if _is_read(argument) else f"{key}={quote(value, computed=computed)}"


def _quoted_list(value: str) -> str:
    """The elements of a list, each quoted unless it is; a comma in a name takes quotes."""
    elements = re.findall(
        r"""\s*('(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|[^,]+)\s*(?:,|$)""", value[1:-1]
    )
    return f"[{','.join(e if is_literal(e) else quote(e.strip()) for e in elements)}]"


def is_literal(value: str) -> bool:
    """Whether it is quoted already."""
    return len(value) > 1 and value[0] == value[-1] and value[0] in "'\""


def _is_read(argument: str) -> bool:
    """Whether Hydra's grammar takes an argument, and for one value: nobody means a sweep here."""
    try:
        return not OverridesParser.create().parse_override(argument).is_sweep_override()
    except HydraException:
        return False
