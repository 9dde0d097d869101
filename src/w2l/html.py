"""One HTML page that needs nothing beside it: images and videos lie inside."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

import jinja2

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem;
  color: #1c1c1c; background: #fcfcfb }
h1, h2 { line-height: 1.2 } h2 { margin-top: 2.2rem }
table { border-collapse: collapse; width: 100% } td, th { padding: .35rem .7rem; text-align: left;
  border-bottom: 1px solid #ddd; overflow-wrap: anywhere }
td.number { font-variant-numeric: tabular-nums; overflow-wrap: normal }
.ok { color: #176b2c } .low { color: #a11; font-weight: 600 }
.wall { display: flex; flex-wrap: wrap; gap: .8rem 1.2rem }
.wall figure { margin: 0; max-width: 30rem }
img, video { max-width: 100%; border-radius: 4px } figure { margin: 1rem 0 }
details { border-bottom: 1px solid #ddd; padding: .45rem 0 }
summary { cursor: pointer; overflow-wrap: anywhere }
figcaption, .small { color: #555; font-size: .88rem; overflow-wrap: anywhere }
"""


@cache
def _templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).resolve().parent / "templates"),
        autoescape=jinja2.select_autoescape(["html", "svg"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(template: str, **values: Any) -> str:
    """One of `w2l/templates`, filled in; in pages values are escaped unless marked as safe."""
    return _templates().get_template(template).render(**values)


def data_address(content: bytes, kind: str) -> str:
    """Content as an address inside the page; `kind` is its MIME type."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def image(content: bytes, caption: str, kind: str = "image/png") -> str:
    """A figure with its image inside the page."""
    return (
        f'<figure><img src="{data_address(content, kind)}" alt="{escape(caption)}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def video(path: Path, caption: str) -> str:
    """A figure with a video inside the page, or a sentence where there is none."""
    if not path.is_file():
        return f"<p>{escape(path.name)} has not been made.</p>"
    source = data_address(path.read_bytes(), "video/mp4")
    return (
        f'<figure><video controls loop width="420" src="{source}"></video>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def page(title: str, parts: Sequence[str]) -> str:
    """A whole document around the parts."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style></head><body>\n<h1>{escape(title)}</h1>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )
