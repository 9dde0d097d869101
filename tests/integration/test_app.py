"""The page, in a real browser: a file goes in, a video that plays comes out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest
import torch
from playwright.sync_api import Browser, Page, expect, sync_playwright

from benchmarks.face_videos import write_face_videos
from tests.integration.command import arguments, call, environment
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
    with serving(lambda port: arguments("app.py", *given, f"port={port}"), folder, env) as (at, _):
        yield at
    left = [path for path in temporary.rglob("*") if path.suffix in {".mp4", ".png", ".jpg"}]
    assert not left, "SIGTERM leaves nothing of what people sent"
    assert not list(temporary.glob("page-*"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"],
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
def test_a_picture_chooses_the_clips_that_come_with_it(page: Page) -> None:
    pictures = page.locator("#examples img")
    expect(pictures).to_have_count(3, timeout=WAIT_MS)
    page.wait_for_function("document.querySelector('#examples img').naturalWidth === 300")
    expect(page.locator("#examples")).to_contain_text("Speaker 34: “set blue", timeout=WAIT_MS)
    expect(page.locator("#credit")).to_contain_text("GRID corpus", timeout=WAIT_MS)
    for n, face, audio in ((1, "grid_s4_lwbsza", "grid_s34_bbab9n"), (0, "grid_s3", "grid_s4")):
        pictures.nth(n).click()
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
