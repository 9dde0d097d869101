"""Who speaks, by `evaluate.py`."""

from __future__ import annotations

import json

import pytest

from w2l.files import sha256


def test_who_speaks(clips, networks, evaluate, tmp_path, capsys):
    """The one face of a clip is given the one voice; decided only where there is a threshold."""
    good = clips / "good #1.mp4"
    file = tmp_path / "c.json"
    expert = sha256(networks / "expert.ckpt")
    measured = {"score": "similarity", "threshold": 2, "expert": {"sha256": expert}}
    file.write_text(json.dumps(measured))
    got = evaluate(video=good, voices="own", calibration=file, plots="false")["clips"][0]
    (face,) = got["speakers"]["faces"]
    assert (face["face"], face["speaks"], face["belongs"]) == (1, "own", [False])
    assert len(face["similarity"]) == len(got["speakers"]["voices"]) == 1
    assert "Who speaks" in capsys.readouterr().out
    file.write_text(json.dumps(measured | {"expert": {"sha256": "another's"}}))
    with pytest.raises(SystemExit):
        evaluate(video=good, voices="own", calibration=file)
    assert "c.json was measured with another expert" in capsys.readouterr().err
    file.write_text("[]")
    with pytest.raises(SystemExit):
        evaluate(video=good, voices="own", calibration=file)
    assert "is not a calibration" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        evaluate(video=good, voices="[gone.wav]")
    assert "voices=gone.wav is not a file" in capsys.readouterr().err


def test_calibration(clips, evaluate, tmp_path, capsys):
    with pytest.raises(SystemExit):
        evaluate(video=clips, calibrate="true")
    assert "at least two clips" in capsys.readouterr().err
