"""Whether this CPU trains quicker in bfloat16: tried once for a size of network, and remembered."""

from __future__ import annotations

import json
import os
import sys
import time

import torch

from w2l import trials
from w2l.models.expert import Expert

LEAST_GAIN = 1.1
TURNS = 3
WINDOWS = 32
CANDIDATE = "bfloat16"


def trains_quicker_in_bfloat16(width: float, image_size: int) -> bool:
    """Whether an expert's update is a tenth quicker under autocast than in float32.

    Processes that were started together (torchrun) try nothing: they would disturb one another, and
    might disagree.
    """
    arguments = [str(width), str(image_size), str(torch.get_num_threads())]
    facts = {"training": arguments, "torch": torch.__version__, **trials.machine()}
    found = trials.recall(facts)
    if found is None:
        if int(os.environ.get("WORLD_SIZE", 1)) > 1:
            return False
        found = trials.try_out(__name__, arguments, [CANDIDATE])
        if found:
            trials.remember(facts, found)
    numbers = found.get(CANDIDATE)
    return numbers is not None and numbers["times"] >= LEAST_GAIN


def main() -> None:
    """The trial itself, in a process that may die: WIDTH SIZE THREADS bfloat16."""
    width, size, threads = float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(threads)
    expert = Expert(width, size).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    mel, face = torch.rand(WINDOWS, 1, 80, 16), torch.rand(WINDOWS, 15, size // 2, size)
    taken: dict[bool, list[float]] = {False: [], True: []}
    for turn in range(TURNS):
        for in_bfloat16, seconds in taken.items():
            start = time.perf_counter()
            with torch.autocast("cpu", torch.bfloat16, enabled=in_bfloat16):
                audio, lips = expert(mel, face)
            (audio.float() * lips.float()).sum().backward()
            if turn:  # the first one sets things up
                seconds.append(time.perf_counter() - start)
    print(json.dumps({"times": round(min(taken[False]) / min(taken[True]), 3)}), flush=True)
