"""HTML from text and numbers. Whatever comes from data or files is escaped here."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

STYLE = """
:root { color-scheme: light; }
body { margin: 0 auto; max-width: 66rem; padding: 1.5rem; color: #1a1a1a; background: #fff;
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .3rem; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .5rem; padding-top: .6rem; border-top: 1px solid #c9ced6; }
h3 { font-size: 1rem; margin: 1.2rem 0 .3rem; }
p { margin: .4rem 0 .7rem; max-width: 48rem; }
.lead { color: #444; }
.note { border-left: 4px solid #b35900; background: #fff6ea; padding: .5rem .8rem; max-width: 47rem; }
nav { display: flex; flex-wrap: wrap; gap: .2rem .9rem; margin: .8rem 0; font-size: .9rem; }
nav a { white-space: nowrap; }
a { color: #00558c; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: .6rem 0 1rem; font-variant-numeric: tabular-nums; font-size: .85rem; }
caption { text-align: left; color: #444; padding-bottom: .3rem; }
th, td { padding: .25rem .6rem .25rem 0; text-align: right; vertical-align: top; border-bottom: 1px solid #e3e6ea; }
th { font-weight: 600; border-bottom: 2px solid #8a929d; vertical-align: bottom; }
th:first-child, td:first-child, td.text, th.text { text-align: left; }
td.text { max-width: 26rem; overflow-wrap: break-word; }
td { white-space: nowrap; } td.text { white-space: normal; }
tr.main td { background: #eef4fa; }
figure { margin: .6rem 0 1.2rem; break-inside: avoid; }
figure > svg { max-width: 100%; height: auto; display: block; }
figcaption, .caption { font-size: .85rem; color: #444; max-width: 48rem; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: .6rem 1.2rem; align-items: start; margin-top: .6rem; }
.pair > div { break-inside: avoid; }
.pair svg { width: 100%; height: auto; display: block; }
.frames { display: grid; grid-template-columns: repeat(4, 1fr); gap: .8rem .9rem; }
.frames figure { margin: 0; }
.frames svg { width: 100%; height: auto; display: block; background: #000; }
.frames figcaption { font-size: .76rem; line-height: 1.3; overflow-wrap: anywhere; margin-top: .15rem; }
.wrong { color: #a3001b; font-weight: 600; } .right { color: #14602b; font-weight: 600; }
.dim { color: #595f69; }
pre { background: #f4f5f7; padding: .7rem .9rem; font-size: .78rem; line-height: 1.4; white-space: pre-wrap;
  overflow-wrap: anywhere; border: 1px solid #e3e6ea; }
.columns { columns: 2; column-gap: 1.5rem; }
@media (max-width: 44rem) {
  body { padding: .9rem; } .columns { columns: 1; }
  .pair { grid-template-columns: 1fr; } .frames { grid-template-columns: repeat(2, 1fr); }
}
@page { size: A4; margin: 14mm 12mm; }
@media print {
  body { max-width: none; padding: 0; font-size: 10pt; }
  nav { display: none; } section > p { break-after: avoid; } .wide { overflow: visible; } h2, h3 { break-after: avoid; }
  .frames { grid-template-columns: repeat(3, 1fr); }
  h2 { margin-top: 1.2rem; } table { font-size: 8pt; } tr, .frames figure { break-inside: avoid; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""


def text(value: object) -> str:
    """Escaped, for content and attributes."""
    return html.escape(str(value), quote=True)


def document(title: str, parts: Iterable[str]) -> str:
    """A whole page; `parts` are HTML."""
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{text(title)}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\">\n"
        f"<style>{STYLE}</style>\n</head>\n<body>\n" + "\n".join(parts) + "\n</body>\n</html>\n"
    )


def section(key: str, title: str, *parts: str) -> str:
    """A heading that can be linked to, and what is under it; "" where there is nothing."""
    body = "\n".join(part for part in parts if part)
    return f'<section id="{text(key)}">\n<h2>{text(title)}</h2>\n{body}\n</section>' if body else ""


def paragraph(words: str, kind: str = "") -> str:
    """One paragraph of plain text."""
    return f"<p{_kind(kind)}>{text(words)}</p>"


def listing(lines: Iterable[str]) -> str:
    """Bullets of plain text."""
    return "<ul>" + "".join(f"<li>{text(line)}</li>" for line in lines) + "</ul>"


def table(
    head: Sequence[str], rows: Sequence[Sequence[str]], *, caption: str = "", texts: Sequence[int] = (), main: int = -1
) -> str:
    """Cells are plain text; the first column and those of `texts` are aligned left, row `main` is marked."""

    def cell(tag: str, number: int, value: str) -> str:
        return f"<{tag}{_kind('text' if number in texts else '')}>{text(value)}</{tag}>"

    lines = [f'<div class="wide"><table>{f"<caption>{text(caption)}</caption>" if caption else ""}<thead><tr>']
    lines.append("".join(cell("th", number, value) for number, value in enumerate(head)) + "</tr></thead><tbody>")
    for index, row in enumerate(rows):
        cells = "".join(cell("td", number, value) for number, value in enumerate(row))
        lines.append(f"<tr{_kind('main' if index == main else '')}>{cells}</tr>")
    return "".join(lines) + "</tbody></table></div>"


def figure(svg: str, caption: str) -> str:
    """A drawing with a line under it."""
    return f"<figure>{svg}<figcaption>{text(caption)}</figcaption></figure>"


def figures(svgs: Sequence[str], caption: str) -> str:
    """Drawings in two columns, with a line under them."""
    cells = "".join(f"<div>{svg}</div>" for svg in svgs)
    return f'<div class="pair">{cells}</div><p class="caption">{text(caption)}</p>'


def preformatted(words: str, kind: str = "") -> str:
    """Text as it stands."""
    return f"<pre{_kind(kind)}>{text(words)}</pre>"


def _kind(name: str) -> str:
    return f' class="{name}"' if name else ""
