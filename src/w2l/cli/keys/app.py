"""The keys of `app.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from w2l.bounds import FileName, Positive, Texts, Weights
from w2l.building import Component
from w2l.schema import group, key


@dataclass(frozen=True, kw_only=True)
class App:
    """A page in the browser that syncs and scores, on this machine and for it alone."""

    NAME: ClassVar[str] = "app"
    COMMAND: ClassVar[str] = "python app.py"
    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "",
        "checkpoint=wav2lip_gan device=cuda port=8000",
        "host=0.0.0.0 auth=name:password",
    )

    checkpoint: Weights = key("auto", "generator; auto: as infer.py", section="Networks")
    syncnet: Weights = key("syncnet_v2", "for the scores; none: without LSE")
    expert: Weights | None = key(
        "judge_small", "likewise, for offset and cosine similarity; none: without them"
    )
    detector: Component = group("finds the faces (published: s3fd)")
    device: str = key("auto", "auto (cuda if there is one), cpu, cuda, cuda:1")

    host: str = key(
        "127.0.0.1", "this machine only; 0.0.0.0: whoever can reach it", section="The page"
    )
    port: int = key(7860, "of the page's address")
    auth: FileName | None = key(
        None, "NAME:PASSWORD that is asked for, or a file with one a line; for other hosts"
    )
    examples: FileName | None = key(
        "grid",
        "what to try: grid, three clips that come with w2l; a folder of clips, one folder a "
        "speaker; null: nothing",
    )

    max_seconds: Positive = key(300, "of audio; longer ones are refused", section="Limits")
    max_megapixels: Positive = key(50, "of a photo, or of a video's frames")
    max_mb: Positive = key(500, "of a file that is sent")
    max_waiting: Positive = key(8, "jobs in the queue; one is worked on at a time")
    keep_hours: Positive = key(
        1, "files that were sent and made are removed so long after a job last needed them"
    )

    trust: Texts | None = key(
        None,
        "[mygen]: packages outside w2l whose networks a checkpoint may name; their code runs "
        "(docs/extending.md)",
        section="How it is run",
    )
    preset: str | None = key(
        None, "values of many keys at once, a file of configs/presets/app: published"
    )
    published: bool = key(False, "true: as the published Wav2Lip release does it")
