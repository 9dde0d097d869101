"""The live page in a real browser: its fake microphone is heard, and the avatar says it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import cv2
import numpy as np
import pytest
import skimage.data
import torch
from playwright.sync_api import Browser, Page, sync_playwright

from tests.integration.command import arguments, environment
from tests.integration.pages import CHROMIUM, needs_chromium, serving
from tests.waiting import FOR_EVER
from tests.writing import save_network, write_wav
from w2l.models import Generator

pytest.importorskip("aiortc", reason="the extra live (aiortc) is not installed")
pytestmark = [
    pytest.mark.long,
    needs_chromium,
]
SIDE = 160

# The loudest of what is heard, and how much of the avatar's image is not as it was at first.
WATCH = """() => {
  const video = document.getElementById('avatar');
  const context = new AudioContext(), ears = context.createAnalyser();
  const canvas = document.createElement('canvas');
  const draw = canvas.getContext('2d', {willReadFrequently: true});
  const samples = new Float32Array(ears.fftSize);
  let first = null;
  window.loudest = window.changed = 0;
  video.addEventListener('loadeddata', () => {
    context.createMediaStreamSource(video.srcObject).connect(ears);
    [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
    setInterval(() => {
      ears.getFloatTimeDomainData(samples);
      window.loudest = Math.max(window.loudest, ...samples.map(Math.abs));
      draw.drawImage(video, 0, 0);
      const now = draw.getImageData(0, 0, canvas.width, canvas.height).data;
      first = first || now;
      const differ = now.filter((value, i) => Math.abs(value - first[i]) > 16).length;
      window.changed = Math.max(window.changed, differ / now.length);
    }, 50);
  });
}"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photo, a generator whose mouths differ from it, and speech-like noise."""
    folder = tmp_path_factory.mktemp("live")
    photo = cv2.resize(skimage.data.astronaut()[:256, 96:352, ::-1], (SIDE, SIDE))
    cv2.imwrite(str(folder / "photo.png"), photo)
    torch.manual_seed(0)
    save_network(Generator(width=0.0625, image_size=48), "generator", folder / "generator.ckpt")
    rng = np.random.default_rng(0)
    bursts = rng.uniform(-0.5, 0.5, 48_000 * 4) * (np.arange(48_000 * 4) % 48_000 < 24_000)
    write_wav(folder / "speech.wav", bursts, 48_000)
    return folder


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """Of the page, served until the last test of it."""
    given = (
        f"face={folder / 'photo.png'}", f"checkpoint={folder / 'generator.ckpt'}",
        f"avatar={folder / 'photo.avatar'}", "box=[40,140,40,120]", "device=cpu", "silence=pass",
    )  # fmt: skip
    with serving(
        lambda port: arguments("live.py", *given, f"port={port}"), folder, environment()
    ) as (at, server):
        yield at
    assert server.returncode == 128 + 15


@pytest.fixture(scope="module")
def browser(folder: Path) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox", "--autoplay-policy=no-user-gesture-required",
                "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
                f"--use-file-for-fake-audio-capture={folder / 'speech.wav'}",
            ],
        )  # fmt: skip
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    page = browser.new_page()
    page.set_default_timeout(1000 * FOR_EVER)
    page.goto(address)
    page.evaluate(WATCH)
    yield page
    page.click("#stop") if page.is_enabled("#stop") else None
    page.close()


def wait_for_the_avatar(page: Page) -> None:
    page.wait_for_function("document.getElementById('avatar').videoWidth > 0")
    size = page.evaluate("(v => [v.videoWidth, v.videoHeight])(document.getElementById('avatar'))")
    assert size == [SIDE, SIDE]
    page.wait_for_function("window.loudest > 0.05")
    page.wait_for_function("window.changed > 0.01")


def test_the_avatar_says_what_the_microphone_hears(page: Page, browser: Browser) -> None:
    page.click("#microphone")
    wait_for_the_avatar(page)
    page.wait_for_function("document.getElementById('state').textContent.includes('ms from')")
    page.click("#interrupt")
    assert page.inner_text("#error") == ""
    other = browser.new_page()
    other.goto(page.url)
    other.click("#microphone")
    other.wait_for_function("document.getElementById('error').textContent.includes('max_viewers')")
    other.close()


def test_it_says_a_file(page: Page, folder: Path) -> None:
    """Once the server knows that the viewer before has gone."""
    while True:
        page.set_input_files("#file", folder / "speech.wav")
        page.wait_for_function(
            "connection !== null && document.getElementById('avatar').srcObject !== null"
            " || document.getElementById('error').textContent !== ''"
        )
        if page.inner_text("#error") == "":
            break
        assert "max_viewers" in page.inner_text("#error")
    wait_for_the_avatar(page)


def test_other_sites_and_no_offers_are_refused(address: str, folder: Path) -> None:
    def status(**headers: str) -> int:
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        try:
            with urlopen(Request(f"{address}/offer", b"{}", named), timeout=FOR_EVER) as reply:
                return reply.status
        except HTTPError as error:
            return error.code

    assert status(Content_Type="text/plain") == 415, "what another site's page may send"
    assert status(Content_Type="application/json", Host="elsewhere.example") == 403
    assert status(Content_Type="application/json") in {400, 503}
    assert (folder / "photo.avatar").is_file()


def test_a_signal_ends_it_while_somebody_looks(browser: Browser, address: str) -> None:
    """`address` sends the signal when this test, its last one, is over."""
    page = browser.new_page()
    page.set_default_timeout(1000 * FOR_EVER)
    page.goto(address)
    page.evaluate(WATCH)
    while True:  # until the server knows that the viewer before has gone
        page.click("#microphone")
        page.wait_for_function(
            "document.getElementById('avatar').videoWidth > 0"
            " || document.getElementById('error').textContent !== ''"
        )
        if page.inner_text("#error") == "":
            break
    wait_for_the_avatar(page)
