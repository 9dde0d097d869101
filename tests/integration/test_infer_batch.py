"""`batch=`: many jobs, each of which may fail, be done already, or be killed."""

from __future__ import annotations

import csv
import json
import os
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.integration.command import call, refused
from tests.integration.infer_job import narrow_generator
from tests.unit.video.made import constant, numbered, sweep, write_video
from tests.writing import write_wav
from w2l.audio.waveform import load_audio
from w2l.cli import infer_networks
from w2l.cli.infer import main
from w2l.video import probe


@pytest.fixture(scope="module")
def media(tmp_path_factory):
    folder = tmp_path_factory.mktemp("media")
    narrow_generator(folder / "generator.ckpt")
    write_video(folder / "face.mp4", [numbered(i) for i in range(6)], constant(6, 25))
    for i in (1, 2):
        write_wav(folder / f"voice{i}.wav", sweep(1600 * i, 16_000))
    return folder


@pytest.fixture
def work(media, tmp_path):
    shutil.copytree(media, tmp_path / "work")
    return tmp_path / "work"


def batch(work: Path, monkeypatch, batch="jobs.csv", **settings) -> int:
    """The exit code of a run from another folder."""
    elsewhere = work.parent / "elsewhere"
    elsewhere.mkdir(exist_ok=True)
    monkeypatch.chdir(elsewhere)
    given = {"batch": work / batch, "checkpoint": work / "generator.ckpt", "device": "cpu",
             "box": "[8,40,16,48]", **settings}  # fmt: skip
    monkeypatch.setattr(sys, "argv", ["infer.py", *(f"{k}={v}" for k, v in given.items())])
    try:
        main()
    except SystemExit as error:
        return int(error.code or 0)
    return 0


def status(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_one_failure_does_not_stop_the_rest(work, monkeypatch, capsys):
    (work / "jobs.csv").write_text(
        "face,audio,outfile,duration,audio_end,box\n"
        "face.mp4,voice1.wav,a.mp4,,,\n"
        "missing.mp4,voice1.wav,b.mp4,,,\n"
        'face.mp4,voice2.wav,c.mkv,video,0.1,"[4,44,12,52]"\n'
        "face.mp4,voice2.wav,d.mp4,maybe,,\n"
        "face.mp4,voice2.wav,e.mp4,,soon,\n"
        "face.mp4,voice2.wav,a.mp4,,,\n"
        "face.mp4,,f.mp4,,,\n"
    )
    loaded = []
    load = infer_networks.build_generator
    monkeypatch.setattr(
        infer_networks,
        "build_generator",
        lambda path, **how: loaded.append(path) or load(path, **how),
    )
    assert batch(work, monkeypatch) == 1
    rows = status(work / "jobs.status.csv")
    assert [row["status"] for row in rows] == ["done"] + ["failed"] + ["done"] + ["failed"] * 4
    for row, word in zip(
        rows, ["", "missing.mp4", "", "audio, video or shortest", "audio_end", "job 1", "audio=…"],
        strict=True,
    ):  # fmt: skip
        assert word in row["reason"], row
        assert bool(word) == bool(row["reason"])
    assert (rows[0]["frames"], rows[2]["frames"]) == ("3", "6")
    assert len(load_audio(work / "a.mp4")) == 1600
    assert len(load_audio(work / "c.mkv")) == round(6 / 25 * 16_000)
    assert len(loaded) == 1
    said = capsys.readouterr()
    assert "2 done, 0 done before, 5 failed" in said.out
    assert "error: 5 of 7 jobs failed" in said.err
    assert sorted(p.name for p in work.iterdir() if p.suffix in {".mkv", ".mp4"}) == [
        "a.mp4", "c.mkv", "face.mp4",
    ]  # fmt: skip


def changed(path: Path) -> int:
    return path.stat().st_mtime_ns


def test_what_is_done_is_not_done_again(work, monkeypatch, capsys):
    lines = [{"face": "face.mp4", "audio": f"voice{i}.wav", "outfile": f"{i}.mp4"} for i in (1, 2)]
    jobs = work / "jobs.jsonl"
    jobs.write_text("".join(json.dumps(line) + "\n" for line in lines))
    outs = [work / "1.mp4", work / "2.mp4"]

    def run(*redone: int, **settings) -> None:
        before = [changed(out) if out.exists() else 0 for out in outs]
        assert batch(work, monkeypatch, "jobs.jsonl", **settings) == 0
        assert [i for i, out in enumerate(outs, 1) if changed(out) != before[i - 1]] == [*redone]
        assert [row["status"] for row in status(work / "jobs.status.csv")] == ["done"] * 2

    run(1, 2)
    run()
    assert "0 done, 2 done before" in capsys.readouterr().out
    run(batch_size=3)  # makes no other image
    run(1, 2, extend="loop")
    os.utime(work / "voice2.wav")
    run(2, extend="loop")
    outs[0].unlink()
    run(1, extend="loop")
    outs[1].write_bytes(b"spoilt")
    run(2, extend="loop")
    narrow_generator(work / "generator.ckpt")
    run(1, 2, extend="loop")


def test_a_killed_run_goes_on_where_it_was(work, monkeypatch):
    """Interrupted in the second job of three, whose result is then not there."""
    (work / "jobs.csv").write_text(
        "face;audio;outfile\n" + "".join(f"face.mp4;voice1.wav;{i}.mp4\n" for i in (1, 2, 3))
    )
    from w2l.cli import infer

    done, sync_video = [], infer.sync_video

    def killed(*args, **kwargs):
        if len(done) == 1:
            raise KeyboardInterrupt
        done.append(1)
        return sync_video(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(infer, "sync_video", killed)
        assert batch(work, monkeypatch) == 130
    rows = status(work / "jobs.status.csv")
    assert [row["status"] for row in rows] == ["done", "waiting", "waiting"]
    first = changed(work / "1.mp4")
    assert batch(work, monkeypatch) == 0
    assert changed(work / "1.mp4") == first
    assert all((work / f"{i}.mp4").is_file() for i in (2, 3))


def test_a_folder_pairs_by_name_and_number(work, monkeypatch, capsys):
    folder = work / "it's a folder"
    folder.mkdir()
    for name in ("talk.mp4", "video2.mp4", "10.dat", "7.mp4"):
        shutil.copy(work / "face.mp4", folder / name)
    cv2.imwrite(str(folder / "photo 3.png"), np.zeros((48, 64, 3), np.uint8))
    for name in ("talk.wav", "audio2.wav", "10.wav", "s03.wav"):
        shutil.copy(work / "voice1.wav", folder / name)
    (folder / "notes.txt").write_text("no media")
    shutil.copy(work / "face.mp4", folder / "8.mp4")
    (folder / "8.wav").write_text("cut off")
    assert batch(work, monkeypatch, folder.name) == 1
    rows = {Path(row["face"]).name: row for row in status(folder / "status.csv")}
    assert {name: Path(row["audio"]).name for name, row in rows.items()} == {
        "talk.mp4": "talk.wav", "video2.mp4": "audio2.wav", "10.dat": "10.wav",
        "photo 3.png": "s03.wav", "7.mp4": "None", "8.mp4": "None",
    }  # fmt: skip
    assert [name for name, row in rows.items() if row["status"] != "done"] == ["7.mp4", "8.mp4"]
    assert "8.wav cannot be read" in rows["8.mp4"]["reason"]
    assert "its last number" in rows["7.mp4"]["reason"]
    out = work.parent / "elsewhere/outputs/infer/video2_audio2.mp4"
    assert probe(out).has_audio
    assert batch(work, monkeypatch, folder.name, audio=work / "voice2.wav") == 0  # one for all


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("jobs.csv", "fcae,audio\na,b\n", "unknown column 'fcae': did you mean 'face'"),
        ("jobs.csv", "face,audio\na,b,c\n", "line 2: it has 3 values and the header 2"),
        ("jobs.csv", "face,audio\n", "no jobs"),
        ("jobs.jsonl", '{"face": "a"}\nface=b\n', "line 2 is no JSON object"),
        ("none.csv", None, "does not exist"),
        ("empty", "folder", "no videos or photos"),
    ],
)
def test_a_list_that_cannot_be_used_is_one_sentence(work, monkeypatch, capsys, name, text, words):
    if text == "folder":
        (work / name).mkdir()
    elif text is not None:
        (work / name).write_text(text)
    assert batch(work, monkeypatch, name) == 1
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


@pytest.mark.long
def test_a_job_that_takes_its_process_down_costs_itself_only(work):
    """In processes; the two jobs without a name get two, and a second run has nothing left."""
    (work / "dies.py").write_text(
        "import os\n\nclass Dies:\n    def __init__(self, device='cpu'):\n        os._exit(1)\n"
    )
    (work / "own" / "detector").mkdir(parents=True)
    (work / "own" / "detector" / "dies.yaml").write_text("_target_: dies.Dies\n")
    (work / "jobs.csv").write_text(
        "face,audio,outfile,box,detector\n"
        'face.mp4,voice1.wav,,"[8,40,16,48]",\n'
        "face.mp4,voice1.wav,b.mp4,,dies\n"
        'face.mp4,voice1.wav,,"[8,40,16,48]",\n'
    )
    given = (f"batch={work / 'jobs.csv'}", f"checkpoint={work / 'generator.ckpt'}", "device=cpu",
             "engine=process", "workers=2", "--config-dir=own")  # fmt: skip
    sentence = refused(call("infer.py", *given, cwd=work))
    assert "1 of 3 jobs failed" in sentence
    rows = status(work / "jobs.status.csv")
    assert [row["status"] for row in rows] == ["done", "failed", "done"]
    assert "worker processes died" in rows[1]["reason"]
    names = [rows[0]["outfile"], rows[2]["outfile"]]
    assert names == ["outputs/infer/face_voice1.mp4", "outputs/infer/face_voice1_2.mp4"]
    assert all((work / name).is_file() for name in names)
    assert "0 done, 2 done before, 1 failed" in call("infer.py", *given, cwd=work).stdout


def test_shares_have_a_status_each(work, monkeypatch):
    (work / "jobs.csv").write_text(
        "face,audio,outfile\n" + "".join(f"face.mp4,voice1.wav,{i}.mp4\n" for i in (1, 2, 3))
    )
    for shard, wanted in enumerate((["1", "3"], ["2"])):
        assert batch(work, monkeypatch, shard=shard, num_shards=2) == 0
        rows = status(work / f"jobs.status.{shard}-of-2.csv")
        assert [row["job"] for row in rows] == wanted
    assert all((work / f"{i}.mp4").is_file() for i in (1, 2, 3))
