"""What docs/howto.md tells to do is done, on a small set."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.integration.command import ROOT, call

pytestmark = pytest.mark.long

TEXT = (ROOT / "docs" / "howto.md").read_text()
SMALL = ["debug=fast", "model.width=0.0625", "data.num_workers=0"]


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def test_all_of_it(prepared: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mine").symlink_to(prepared)
    (tmp_path / "my" / "experiment").mkdir(parents=True)
    (own,) = blocks("yaml")
    (tmp_path / "my" / "experiment" / "mine.yaml").write_text(own)
    said, evaluated = [], []
    for line in "".join(blocks("bash")).splitlines():
        if line.startswith("python train.py "):
            values = shlex.split(line)[2:]
            done = call("train.py", *values, *SMALL, cwd=tmp_path)
            assert done.returncode == 0, f"{line}\n{done.stderr[-2000:]}"
        elif line.startswith("python evaluate.py "):
            evaluated.append(call("evaluate.py", *shlex.split(line)[2:], cwd=tmp_path))
            assert evaluated[-1].returncode == 0, evaluated[-1].stderr[-2000:]
        else:
            said.append(subprocess.check_output(line, shell=True, cwd=tmp_path, text=True))
    written = (tmp_path / "outputs" / "mine" / "config.yaml").read_text()
    assert "every_s: 10" in written
    (summary,) = said
    jobs = [line for line in summary.splitlines() if ", best " in line]
    assert [line.partition("/train.log:")[0] for line in jobs] == [
        "outputs/seeds/0", "outputs/seeds/1"
    ]  # fmt: skip
    log = (tmp_path / "outputs" / "two" / "train.log").read_text()
    assert "devices: 2, so 2 x 2 = 4 samples an update" in log
    (scored,) = [done.stdout for done in evaluated]
    assert "Expert on test of data/mine" in scored
    assert "speakers: the worst first" in scored
