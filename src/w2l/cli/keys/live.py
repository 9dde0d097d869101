"""The keys of `live.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Le

from w2l.bounds import Count, FileName, Says, Sides, Texts, Weights
from w2l.building import Component
from w2l.cli.keys.infer import Rate
from w2l.schema import group, key


@dataclass(frozen=True, kw_only=True)
class Live:
    """A page in the browser with an avatar that says what the microphone hears, now."""

    NAME: ClassVar[str] = "live"
    COMMAND: ClassVar[str] = "python live.py"
    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "",
        "face=person.mp4 avatar=person.avatar",
        "face=person.avatar checkpoint=wav2lip_gan device=cuda",
    )

    face: FileName | None = key(
        None,
        "video or photo of the person who is to speak, or a file that avatar= wrote; null: a clip "
        "that comes with w2l",
        section="Who speaks",
    )
    avatar: FileName | None = key(
        None, "file to which the prepared face is written, to begin with it next time"
    )
    fps: Rate = key(25, "of a photo; a video has its own")
    box: Sides | None = key(
        None, "pixels, ends excluded: a fixed box, without detection (of the whole video)"
    )
    detector: Component = group("finds the faces")
    label: str | None = key(None, "text that is written on the frames")

    checkpoint: Weights = key("auto", "generator; auto: as infer.py", section="Generator")
    device: str = key("auto", "auto (cuda if there is one), cpu, cuda, cuda:1")
    runtime: Literal["auto", "torch", "onnx", "openvino"] = key("auto", "as infer.py")
    precision: Literal["auto", "float32", "bfloat16"] = key("auto", "as infer.py")
    quality: Literal["improved", "fast"] = key(
        "improved", "improved changes only the mouth, feathered; fast pastes the whole box"
    )
    batch_size: Count = key(
        2, "faces that go through the generator at once: each waits for the last, 40 ms a frame"
    )

    silence: Literal["close", "pass", "sync"] = key(
        "close",
        "lips where nobody speaks: close closes them, pass keeps the face's own, sync follows "
        "all that is heard",
        section="Speech",
    )
    idle_db: float = key(-50, "level in dB of full scale under which nobody speaks")
    queue_s: Annotated[float, Ge(0.1), Le(60), Says("seconds")] = key(
        0.5, "of speech that may wait; of more the oldest is left out"
    )

    host: str = key(
        "127.0.0.1",
        "this machine only; browsers give a microphone to https and localhost alone",
        section="The page",
    )
    port: int = key(7861, "of the page's address")
    max_viewers: Count = key(1, "at once; each has an avatar of its own to compute")

    trust: Texts | None = key(
        None,
        "[mygen]: packages outside w2l whose networks a checkpoint may name; their code runs "
        "(docs/extending.md)",
        section="How it is run",
    )
    preset: str | None = key(None, "values of many keys at once, a file of configs/presets/live")
    published: bool = key(
        False, "true is refused: the release takes its windows from the speech's end"
    )
