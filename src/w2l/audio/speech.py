"""Where somebody speaks: Silero VAD (MIT), whose package ships its model."""

from __future__ import annotations

import warnings
from functools import lru_cache
from importlib.util import find_spec
from threading import Lock
from typing import Any

import numpy as np

from w2l.errors import UserError
from w2l.windows import SAMPLE_RATE

SHORTEST_PAUSE_S = 0.3  # shorter ones belong to the speech around them
SPARE_S = 0.06  # lips begin before the voice does and rest after it
_ONE_AT_A_TIME = Lock()  # the network is recurrent, and keeps its state in itself


def check_speech_finder() -> None:
    """See that the package of `find_speech` is there.

    Raises:
        UserError: it is not.
    """
    if find_spec("silero_vad") is None:
        raise UserError(
            "silence=close and silence=pass need silero-vad, which is not installed: "
            'pip install "w2l[vad]", or take silence=sync.'
        )


def find_speech(waveform: np.ndarray) -> np.ndarray:
    """The stretches in which a voice is active; music and noise are none.

    Args:
        waveform: float32 (n,), 16 kHz mono.

    Returns:
        float64 (k, 2): beginning and end of each in seconds, in order, apart from each other.

    Raises:
        UserError: silero-vad is not installed.
    """
    check_speech_finder()
    import torch

    with _ONE_AT_A_TIME:
        network, get_speech_timestamps = _network()
        stretches = get_speech_timestamps(
            torch.from_numpy(np.ascontiguousarray(waveform, np.float32)),
            network,
            sampling_rate=SAMPLE_RATE,
            min_silence_duration_ms=round(1000 * SHORTEST_PAUSE_S),
            speech_pad_ms=round(1000 * SPARE_S),
        )
    spans = [(each["start"], each["end"]) for each in stretches]
    return np.array(spans, np.float64).reshape(-1, 2) / SAMPLE_RATE


@lru_cache(maxsize=1)
def _network() -> tuple[Any, Any]:
    import torch

    threads = torch.get_num_threads()
    from silero_vad import get_speech_timestamps, load_silero_vad

    torch.set_num_threads(threads)  # importing silero-vad sets it to 1 for the whole process
    with warnings.catch_warnings():
        # The category differs between releases of torch.
        warnings.filterwarnings("ignore", ".*torch.jit.load.*")
        return load_silero_vad(), get_speech_timestamps
