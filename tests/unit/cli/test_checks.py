"""What is wrong with a command line is said before torch is loaded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from evaluation.keys import Evaluation
from evaluation.report.compare import METHODS
from tests.integration.command import environment
from w2l.cli.keys.infer import Infer
from w2l.inference.runtimes import RUNTIMES
from w2l.schema import keys
from w2l.video import CODECS

RUN = """
import json, sys
sys.modules["torch"] = None  # importing it fails
from w2l.cli import commands
for command, values in json.load(sys.stdin):
    sys.argv = [f"{command}.py", *values]
    try:
        getattr(commands, command)()
    except SystemExit as left:
        print(f"left with {left.code}", file=sys.stderr)
"""


def test_choices_are_those_of_the_code() -> None:
    known = keys(Infer)
    assert known["runtime"].choices == RUNTIMES
    assert known["codec"].choices == (*CODECS, "png")
    assert keys(Evaluation)["interval"].choices == (*METHODS,)


def test_torch_is_not_needed_to_refuse(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    cases = {
        ("infer", "--help"): "",
        ("infer", "face=a.mp4"): "Missing: audio=…",
        ("infer", "face=a.mp4", "audio=b.wav"): "audio=b.wav does not exist",
        ("infer", "face=a.mp4", "audio=a.mp4", "codec=h265"): "codec=h265 is not available",
        ("infer", "fase=a.mp4"): "Unknown key 'fase': did you mean 'face'?",
        ("evaluate",): "Missing: video=…",
        ("evaluate", "video=b.mp4"): "video=b.mp4: there is no such file or folder",
        (
            "evaluate",
            "video=a.mp4",
            "protocol=both",
        ): "protocol=both is not available: choose track or lrs.",
        ("train", "experiment=syncnet", "max_update=3"): "Unknown key 'max_update'",
        ("train", "experiment=wav2lip"): "expert= is needed",
        ("train", "experiment=syncnet", "resume=auto"): "resume=auto looks into run_dir",
    }
    done = subprocess.run(
        [sys.executable, "-c", RUN], cwd=tmp_path, env=environment(), text=True, timeout=None,
        input=json.dumps([(command, values) for command, *values in cases]), capture_output=True,
    )  # fmt: skip
    told = done.stderr.split("left with 1\n")
    assert done.returncode == 0, done.stderr
    for part, sentence in zip(told, [*filter(None, cases.values()), ""], strict=True):
        assert sentence in part
    assert "Traceback" not in done.stderr
    assert "duration=audio  (audio, video or shortest)" in done.stdout
