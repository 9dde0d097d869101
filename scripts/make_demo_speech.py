"""Make the demo's speech recordings with espeak-ng: preprocess/demo/speech/*.opus.

    apt-get install espeak-ng            # 1.51 made the stored ones
    python scripts/make_demo_speech.py

Each recording is a row of random words, a pause in its middle, in exactly four seconds. Training
recordings draw from `words_train.txt`, all others from `words_heldout.txt`; the lists share no
word. What is said, by which voice and in which split, goes to `recordings.tsv`. Run by hand, once.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import av
import librosa
import numpy as np

FOLDER = Path(__file__).resolve().parents[1] / "preprocess" / "demo" / "speech"
SAMPLE_RATE = 16_000
DURATION_S = 4.0
LONGEST_SPEECH_S = 3.7
BIT_RATE = 28_000
SEED = 20_261_121
COPIES = {
    "seen": {"train": 8, "val": 1, "test": 1},
    "unseen": {"test": 3},
}

# From espeak-ng's speak_lib.h.
_AUDIO_OUTPUT_RETRIEVAL = 1
_POS_CHARACTER = 1
_CHARS_UTF8 = 1
_RATE, _PITCH, _RANGE = 1, 3, 4
_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


class Voice(NamedTuple):
    """One speaker's voice."""

    speaker: str
    kind: str  # seen or unseen in training
    name: str  # espeak-ng's language and variant
    rate: int  # words a minute
    pitch: int  # 0 to 99


VOICES = (
    Voice("s1", "seen", "en-us+f2", 150, 55),
    Voice("s2", "seen", "en+m3", 145, 40),
    Voice("s3", "seen", "en-gb-scotland+f4", 150, 50),
    Voice("s4", "seen", "en-us+m7", 160, 45),
    Voice("s5", "seen", "en-gb-x-rp+f3", 140, 60),
    Voice("s6", "seen", "en-029+m1", 150, 35),
    Voice("n1", "unseen", "en+f1", 150, 50),
    Voice("n2", "unseen", "en-us+m4", 150, 50),
)


class Synthesizer:
    """espeak-ng's library, called directly."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL("libespeak-ng.so.1")
        self.sample_rate = self._library.espeak_Initialize(_AUDIO_OUTPUT_RETRIEVAL, 0, None, 0)
        self._blocks: list[np.ndarray] = []
        self._keep = _CALLBACK(self._receive)  # the library keeps only a pointer to it
        self._library.espeak_SetSynthCallback(self._keep)

    def say(self, voice: Voice, text: str) -> np.ndarray:
        """(n,) float32 in [-1, 1] at SAMPLE_RATE, silence around it cut off."""
        if self._library.espeak_SetVoiceByName(voice.name.encode()):
            raise SystemExit(f"espeak-ng has no voice {voice.name}")
        for parameter, value in ((_RATE, voice.rate), (_PITCH, voice.pitch), (_RANGE, 45)):
            self._library.espeak_SetParameter(parameter, value, 0)
        self._blocks.clear()
        data = text.encode() + b"\0"
        self._library.espeak_Synth(
            data, ctypes.c_size_t(len(data)), 0, _POS_CHARACTER, 0, _CHARS_UTF8, None, None
        )
        self._library.espeak_Synchronize()
        sound = np.concatenate(self._blocks).astype(np.float32) / 32768
        loud = np.flatnonzero(np.abs(sound) > 0.005)
        sound = sound[loud[0] : loud[-1] + 1]
        return librosa.resample(sound, orig_sr=self.sample_rate, target_sr=SAMPLE_RATE)

    def _receive(self, samples: Callable, count: int, _events: int | None) -> int:
        if samples and count > 0:
            self._blocks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0


def sentence(say: Callable[[str], np.ndarray], words: np.ndarray) -> tuple[str, np.ndarray]:
    """As many of the words as fit, with a comma in the middle: text and sound."""
    best: tuple[str, np.ndarray] | None = None
    for count in range(4, len(words)):
        middle = count // 2
        text = f"{' '.join(words[:middle])}, {' '.join(words[middle:count])}"
        sound = say(text)
        if len(sound) > LONGEST_SPEECH_S * SAMPLE_RATE:
            break
        best = text, sound
    assert best is not None
    return best


def placed(sound: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The sound within DURATION_S of silence, 0.1 s or more from both ends, peak 0.6."""
    whole = np.zeros(round(DURATION_S * SAMPLE_RATE), np.float32)
    margin = round(0.1 * SAMPLE_RATE)
    start = rng.integers(margin, len(whole) - len(sound) - margin + 1)
    whole[start : start + len(sound)] = 0.6 * sound / np.abs(sound).max()
    return whole


def write_opus(path: Path, sound: np.ndarray) -> None:
    """Encode as mono Opus."""
    with av.open(str(path), "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=SAMPLE_RATE, layout="mono")
        stream.bit_rate = BIT_RATE
        samples = (sound * 32767).round().astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def main() -> None:
    """Write all recordings and their list."""
    lists = {
        name: np.array((FOLDER / f"words_{name}.txt").read_text().split())
        for name in ("train", "heldout")
    }
    synthesizer = Synthesizer()
    rng = np.random.default_rng(SEED)
    rows = ["speaker\tclip\tsplit\tvoice\ttext"]
    for voice in VOICES:
        for split, copies in COPIES[voice.kind].items():
            for i in range(copies):
                words = rng.permutation(lists["train" if split == "train" else "heldout"])[:16]
                text, sound = sentence(lambda text, v=voice: synthesizer.say(v, text), words)
                clip = f"{split}{i + 1}"
                write_opus(FOLDER / f"{voice.speaker}_{clip}.opus", placed(sound, rng))
                rows.append(f"{voice.speaker}\t{clip}\t{split}\t{voice.name}\t{text}")
                print(rows[-1])
    (FOLDER / "recordings.tsv").write_text("\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
