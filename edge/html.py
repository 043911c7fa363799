"""Reports as one self-contained HTML file."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from edge.atomic import new_file

STYLE = """
body{font:16px/1.5 system-ui,sans-serif;color:#111;background:#fff;max-width:60rem;margin:auto;padding:1rem}
table{border-collapse:collapse;margin:.5rem 0;width:100%}
th,td{border-bottom:1px solid #ccc;padding:.25rem .5rem;text-align:left}
td+td{font-variant-numeric:tabular-nums}.plots{display:flex;flex-wrap:wrap;gap:.5rem}
.plots svg{width:100%;max-width:19rem;height:auto}.sheet{display:flex;flex-wrap:wrap;gap:.5rem}
figure{margin:0;width:10rem}figure img{width:100%}figcaption{font-size:.8rem}.scroll{overflow-x:auto}
.note{border-left:4px solid #888;padding-left:.7rem}
@media(max-width:40rem){table,figcaption{font-size:.75rem}th,td{padding:.2rem .25rem}}
@media print{body{font-size:10pt}h2,p:has(+.scroll){break-after:avoid}.scroll{overflow:visible}
.scroll,tr,figure,.plots svg{break-inside:avoid}.plots svg{max-width:14rem}}
"""


def write_page(path: Path, title: str, sections: Sequence[str]) -> None:
    """One self-contained HTML file in the style of all reports; it appears whole or not at all."""
    page = (
        "<!doctype html><html lang=en><head><meta charset=utf-8><meta name=viewport "
        f'content="width=device-width,initial-scale=1"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style></head><body>{''.join(sections)}</body></html>"
    )
    with new_file(path) as partial:
        partial.write_text(page, encoding="utf-8")


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """An HTML table that scrolls on a narrow screen."""
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "".join(f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>" for row in rows)
    return f"<div class=scroll><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
