"""What a processor announces and what it can do differ: things are tried in a process that may die.

What was found is remembered for this user on this machine. Loads no torch.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import cache
from pathlib import Path
from typing import Any

from w2l.errors import UserError
from w2l.files import user_cache, write_text
from w2l.lock import only_writer

SWITCH = "W2L_TRIALS"  # 0: nothing is tried
LIMIT = "ONEDNN_MAX_CPU_ISA"
WITHOUT_AMX = "AVX512_CORE_BF16"
PATIENCE_S = 60  # what has not been tried by then is not taken
CPUINFO = Path("/proc/cpuinfo")
Facts = Mapping[str, Any]
Found = dict[str, dict[str, float] | None]  # by candidate; None: its process died


@cache
def processor() -> tuple[str, frozenset[str]]:
    """Its name, and what it announces (nothing where the system does not say)."""
    with suppress(OSError), CPUINFO.open() as file:
        head = file.read(16384).partition("\n\n")[0]  # of the first core
        lines = [[part.strip() for part in line.split(":", 1)] for line in head.splitlines()]
        told = {line[0]: line[-1] for line in lines}
        flags = told.get("flags", told.get("Features", ""))
        return told.get("model name", platform.machine()), frozenset(flags.split())
    return platform.processor() or platform.machine(), frozenset()


def machine() -> dict[str, str]:
    """What tells this processor from others."""
    name, flags = processor()
    return {
        "processor": name,
        "flags": hashlib.sha256(" ".join(sorted(flags)).encode()).hexdigest(),
    }


def distrust_amx() -> None:
    """Keep oneDNN from AMX where it is announced and no trial has shown that it is there.

    Some virtual machines announce it and lack it: the first bfloat16 layer then ends the process
    by an illegal instruction. To be called before the first layer is computed.
    """
    if LIMIT not in os.environ and "amx_tile" in processor()[1] and not recall(_amx()):
        os.environ[LIMIT] = WITHOUT_AMX


def _amx() -> dict[str, str]:
    return {"what": "amx", **machine()}


def try_out(module: str, arguments: Sequence[str], candidates: Sequence[str]) -> Found:
    """What the module's `main` finds of each candidate, in a process of its own.

    Its arguments are those given, then the candidates. It prints a line of JSON for each of these,
    in their order: an object of numbers. Where the process dies, what it was at is None, and
    another one goes on with the rest. What PATIENCE_S do not suffice for is not found.
    """
    if os.environ.get(SWITCH) == "0":
        return {}
    found: Found = {}
    environment = dict(os.environ)
    if trusting := environment.get(LIMIT) == WITHOUT_AMX:
        del environment[LIMIT]
    program = [sys.executable, "-c", f"from {module} import main; main()"]
    left, until = list(candidates), time.monotonic() + PATIENCE_S
    while left and time.monotonic() < until:
        lines = _lines([*program, *arguments, *left], environment, until)
        found |= dict(zip(left, lines, strict=False))
        left = left[len(lines) :]
        if left and trusting:  # once more, without AMX
            trusting, environment[LIMIT] = False, WITHOUT_AMX
        elif left:
            found[left.pop(0)] = None
    if trusting and any("bfloat16" in name for name, numbers in found.items() if numbers):
        remember(_amx(), True)
    return found


def _lines(command: list[str], environment: dict[str, str], until: float) -> list[dict[str, float]]:
    with subprocess.Popen(
        command, env=environment, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        try:
            written, _ = process.communicate(timeout=max(0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            written, _ = process.communicate()
        except BaseException:  # Ctrl-C
            process.kill()
            raise
    return [json.loads(line) for line in written.splitlines() if line.startswith("{")]


def recall(facts: Facts) -> Any:
    """What was remembered for these facts; None: nothing."""
    try:
        return json.loads(_file(facts).read_text(encoding="utf-8"))["found"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def remember(facts: Facts, found: Any) -> None:
    """For `recall`; where nothing can be written, it is tried again the next time."""
    content = json.dumps({"facts": facts, "found": found}, indent=1, default=str)
    with suppress(OSError, UserError):
        path = _file(facts)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, content + "\n")


def alone(facts: Facts) -> ExitStack:
    """A context that one process at a time is in; where nothing can be written, any are."""
    stack = ExitStack()
    with suppress(OSError, UserError):
        _file(facts).parent.mkdir(parents=True, exist_ok=True)
        stack.enter_context(only_writer(_file(facts), lambda: None))
    return stack


def _file(facts: Facts) -> Path:
    key = hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()
    return user_cache("machine", "W2L_MACHINE_DIR") / f"{key[:24]}.json"
