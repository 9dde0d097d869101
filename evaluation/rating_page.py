"""The page on which people choose between two videos."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from w2l.html import page

SCRIPT = """
const pairs = [...document.querySelectorAll('fieldset')];
const done = () => pairs.filter(p => p.querySelector(':checked')).length;
document.addEventListener('change', () => {
  document.getElementById('count').textContent = `${done()} of ${pairs.length} answered`;
});
document.getElementById('save').onclick = () => {
  const cell = text => /[",\\n]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text;
  const rater = document.getElementById('rater').value.trim();
  const lines = pairs.map(p => [p.name, rater, p.querySelector(':checked')?.value ?? ''].map(cell));
  const text = ['pair,rater,choice', ...lines.map(l => l.join(','))].join('\\n') + '\\n';
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], {type: 'text/csv'}));
  link.download = `answers_${rater.replace(/[^\\w-]/g, '_') || 'me'}.csv`;
  link.click();
};
"""


def rating_page(names: Sequence[str]) -> str:
    """A page for a folder with these videos; answers are saved as a CSV file."""
    parts = [
        "<p>In each pair, whose lips fit the speech better? Play it as often as you like, with "
        "sound. Where both play in turn, look at the bright one.</p>",
        '<p>Your name or a number: <input id="rater"></p>',
    ]
    for name in names:
        shown = escape(name)
        choices = "".join(
            f'<label style="margin-right: 1.5rem"><input type="radio" name="c_{shown}" '
            f'value="{value}"> {text}</label>'
            for value, text in (("left", "left"), ("tie", "no difference"), ("right", "right"))
        )
        parts.append(
            f'<fieldset name="{shown}" style="margin: 1.2rem 0; border: 1px solid #ddd">'
            f"<legend>{shown}</legend>"
            f'<video controls preload="metadata" src="{shown}" style="width: 100%"></video>'
            f"<p>{choices}</p></fieldset>"
        )
    parts.append(
        f'<p><button id="save">Save the answers</button> <span id="count">0 of {len(names)} '
        f"answered</span></p><script>{SCRIPT}</script>"
    )
    return page("Which fits the speech better?", parts)
