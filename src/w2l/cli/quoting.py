"""Path values are quoted for the user before Hydra's grammar sees them.

Hydra rejects `watch?v=x`, `it's.mp4`, `a (1).mp4`, `~/x` and sweeps over `a,b.mp4`. Nobody who
types a file name expects that; who types `--multirun` expects the sweep.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from w2l.bounds import LIST, NUMBER, SWITCH, TEXT
from w2l.schema import REQUIRED

Kinds = Callable[[str], tuple[str, ...]]
_FUNCTIONS = re.compile(
    r"(?:choice|range|interval|glob|shuffle|sort|tag|int|float|str|bool|json_str)\("
)


def type_of(default: Any) -> tuple[str, ...]:
    """The type of a component's argument by its default, as far as it tells one."""
    if default in (None, REQUIRED) or (isinstance(default, str) and "${" in default):
        return ()
    if isinstance(default, bool):
        return (SWITCH,)
    if isinstance(default, int | float):
        return (NUMBER,)
    return (LIST,) if isinstance(default, list) else (TEXT,)


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
