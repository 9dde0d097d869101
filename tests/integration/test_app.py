"""The page, in a real browser: a file goes in, a video that plays comes out."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest
import torch
from playwright.sync_api import Browser, Page, expect, sync_playwright

from benchmarks.face_videos import write_face_videos
from tests.integration.command import ROOT, arguments, call, environment
from tests.integration.pages import CHROMIUM, needs_chromium, serving
from tests.waiting import FOR_EVER
from tests.writing import save_network
from w2l.models import Expert, Generator
from w2l.video import VideoReader

pytestmark = pytest.mark.long


WAIT_MS = 1000 * FOR_EVER


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of a face with sound, a photo of it, small networks, and a text file."""
    folder = tmp_path_factory.mktemp("app")
    (video,) = write_face_videos(folder, clips=1, frames=30, size=(320, 240), seed=0)
    video.rename(folder / "face.mp4")
    cv2.imwrite(str(folder / "photo.png"), next(iter(VideoReader(folder / "face.mp4"))))
    (folder / "notes.mp4").write_text("no video")
    torch.manual_seed(0)
    save_network(Generator(width=0.125), "generator", folder / "generator.ckpt")
    save_network(Expert(width=0.125), "expert", folder / "expert.ckpt")
    return folder


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """Of the page, served until the last test of it."""
    keys = {
        "checkpoint": folder / "generator.ckpt", "expert": folder / "expert.ckpt",
        "syncnet": "none", "device": "cpu", "max_seconds": 2,
    }  # fmt: skip
    given = [f"{key}={value}" for key, value in keys.items()]
    temporary = folder / "temporary"
    temporary.mkdir()
    env = {**environment(), "TMPDIR": str(temporary)}
    with serving(lambda port: arguments("app.py", *given, f"port={port}"), folder, env) as served:
        yield served[0]
    assert served[1].returncode == 128 + signal.SIGTERM
    left = [path for path in temporary.rglob("*") if path.suffix in {".mp4", ".png", ".jpg"}]
    assert not left, "SIGTERM leaves nothing of what people sent"
    assert not list(temporary.glob("page-*"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                "--autoplay-policy=no-user-gesture-required",
                "--use-fake-device-for-media-stream",
                "--use-fake-ui-for-media-stream",
            ],
        )
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    page = browser.new_page()
    page.set_default_timeout(WAIT_MS)
    page.goto(address)
    yield page
    page.close()


def press_sync(page: Page, face: Path, audio: Path) -> None:
    for name, file in (("face", face), ("audio", audio)):
        page.set_input_files(f"#{name} input[type=file]", file)
        page.wait_for_selector(f"#{name} :text('{file.suffix}')")
    page.click("#sync")


@needs_chromium
def test_a_video_is_synced_scored_and_plays(folder: Path, page: Page) -> None:
    foreign = []
    page.on("request", lambda r: foreign.append(r.url) if "127.0.0.1" not in r.url else None)
    press_sync(page, folder / "face.mp4", folder / "face.mp4")
    expect(page.locator("#text")).to_contain_text("30 of 30 frames synced", timeout=WAIT_MS)
    expect(page.locator("#text")).to_contain_text("cosine of the expert")
    expect(page.locator("#text")).to_contain_text("A clear peak at 0 is in sync")
    page.wait_for_selector("#plot img")
    seconds, width = page.evaluate(
        """async () => {
            const video = document.querySelector('#result video')
            video.muted = true
            await video.play()
            await new Promise(done => video.addEventListener('ended', done))
            return [video.currentTime, video.videoWidth]
        }"""
    )
    assert seconds == pytest.approx(1.2, abs=0.1)
    assert width == 320
    page.wait_for_selector("#given video")
    assert [url for url in foreign if url.startswith("http")] == []


@needs_chromium
def test_clicks_choose_a_person_or_a_box_and_nobody_is_said(folder: Path, page: Page) -> None:
    page.set_input_files("#face input[type=file]", folder / "face.mp4")
    page.wait_for_selector("#sent video")  # what was sent is shown
    page.click("#more button")
    image = page.locator("#frame img")
    image.wait_for()
    shown = image.bounding_box()
    assert shown is not None
    number, box = page.locator("#number input"), page.locator("#box input, #box textarea")

    def click(x: float, y: float) -> None:
        image.click(position={"x": x * shown["width"], "y": y * shown["height"]})

    click(0.02, 0.02)
    expect(page.locator(".toast-body").first).to_contain_text("No face was found", timeout=WAIT_MS)
    click(0.5, 0.5)
    expect(number).to_have_value("1", timeout=WAIT_MS)
    page.get_by_text("a box, by two corners").click()
    click(0.25, 0.25)
    expect(number).to_have_value("0", timeout=WAIT_MS)
    click(0.75, 0.75)
    expect(box).not_to_have_value("", timeout=WAIT_MS)
    sides = [int(side) for side in box.input_value().split(",")]
    assert sides == pytest.approx([60, 180, 80, 240], abs=6)


@needs_chromium
def test_what_is_spoken_is_the_audio_and_cancel_ends_a_job(folder: Path, page: Page) -> None:
    page.set_input_files("#face input[type=file]", folder / "face.mp4")
    page.locator("#microphone").get_by_role("button", name="Record").click()
    page.locator("#microphone").get_by_role("button", name="Stop").first.click()
    expect(page.locator("#audio")).to_contain_text(".w", timeout=WAIT_MS)
    page.wait_for_selector("#heard")
    page.click("#sync")
    page.click("#cancel")
    expect(page.locator("#text")).to_have_text("Stopped.", timeout=WAIT_MS)


@needs_chromium
def test_a_video_is_scored_and_its_report_fetched(folder: Path, page: Page, tmp_path: Path) -> None:
    page.get_by_role("tab", name="Score").click()
    page.set_input_files("#scored input[type=file]", folder / "face.mp4")
    page.wait_for_selector("#scored :text('.mp4')")
    page.click("button#score")
    expect(page.locator("#scores")).to_contain_text("cosine of the expert", timeout=WAIT_MS)
    page.wait_for_selector("#curves img")
    with page.expect_download() as fetched:
        page.locator("#report a").first.click()
    fetched.value.save_as(tmp_path / "report.html")
    report = (tmp_path / "report.html").read_text()
    assert "face.mp4" in report
    assert str(folder) not in report, "no server path"
    assert "/face.mp4" not in report, "nor one that is relative"
    page.click("button#score")
    page.click("#cancel_score")
    expect(page.locator("#scores")).to_have_text("Stopped.", timeout=WAIT_MS)


def test_the_http_api_is_as_documented(
    folder: Path, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("face.mp4", "speech.wav"):
        (tmp_path / name).write_bytes((folder / "face.mp4").read_bytes())
    code = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "page.md").read_text(), re.DOTALL)
    assert len(code) == 2
    for block in code:
        code_here = block.replace("http://127.0.0.1:7860", address)
        subprocess.run([sys.executable, "-c", code_here], check=True, capture_output=True)
    assert VideoReader(tmp_path / "synced.mp4").count() == 30


@needs_chromium
def test_a_image_chooses_the_clips_that_come_with_it(page: Page) -> None:
    images = page.locator("#examples img")
    expect(images).to_have_count(3, timeout=WAIT_MS)
    page.wait_for_function("document.querySelector('#examples img').naturalWidth === 300")
    expect(page.locator("#examples")).to_contain_text("Speaker 34: “set blue", timeout=WAIT_MS)
    expect(page.locator("#credit")).to_contain_text("GRID corpus", timeout=WAIT_MS)
    for n, face, audio in ((1, "grid_s4_lwbsza", "grid_s34_bbab9n"), (0, "grid_s3", "grid_s4")):
        images.nth(n).click()
        expect(page.locator("#face")).to_contain_text(face, timeout=WAIT_MS)
        expect(page.locator("#audio")).to_contain_text(audio, timeout=WAIT_MS)
    page.click("#sync")  # the file is there and read: its sound is longer than this page takes
    expect(page.locator(".toast-body").first).to_contain_text("lasts over 2 s", timeout=WAIT_MS)
    if folder := os.environ.get("W2L_SHOT"):
        page.screenshot(path=folder, full_page=True)


@needs_chromium
def test_a_photo_is_shown_beside_its_result(folder: Path, page: Page) -> None:
    press_sync(page, folder / "photo.png", folder / "face.mp4")
    expect(page.locator("#text")).to_contain_text("frames synced", timeout=WAIT_MS)
    page.wait_for_selector("#still img")
    page.wait_for_selector("#result video")


@needs_chromium
def test_what_is_wrong_is_said_in_a_sentence(folder: Path, page: Page) -> None:
    press_sync(page, folder / "notes.mp4", folder / "face.mp4")
    expect(page.locator(".toast-body").first).to_contain_text("notes.mp4", timeout=WAIT_MS)
    assert "/notes.mp4" not in page.locator(".toast-body").first.inner_text(), "no server path"
    assert "Traceback" not in page.content()


@needs_chromium
def test_a_long_sound_is_refused(folder: Path, page: Page, tmp_path: Path) -> None:
    (long,) = write_face_videos(tmp_path, clips=1, frames=75, size=(160, 120), seed=1)
    press_sync(page, folder / "photo.png", long)
    expect(page.locator(".toast-body").first).to_contain_text("lasts over 2 s", timeout=WAIT_MS)


def test_a_wrong_checkpoint_is_said_before_the_page_is_served(tmp_path: Path) -> None:
    done = call("app.py", "checkpoint=nowhere.pth", cwd=tmp_path)
    assert done.returncode == 1
    assert "nowhere.pth" in done.stderr
    assert "Traceback" not in done.stderr
