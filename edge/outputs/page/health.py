"""Whether pictures come: for load balancers and for people, and never a risk, since anybody may ask."""

from __future__ import annotations

import time
from html import escape

from edge.outputs.page.hub import STALE_S, Hub

PUBLIC = ("live", "state")
"""For anybody: the details of an outage name the source, the rest who is running what."""

_NAMES = {
    "live": "pictures come",
    "picture_age_s": "age of the newest picture",
    "loop_answers": "the program answers",
}


def health_of(hub: Hub) -> dict[str, object]:
    """`live` is what the answer's code says too."""
    status = hub.status
    age = None if status is None or not status.width else time.monotonic() - hub.presented_s
    answering = hub.silent_s < STALE_S
    if not answering:
        state = "the loop does not answer" if status is not None else "starting"
    else:
        state = "starting" if status is None else status.record.state
    return {
        "live": age is not None and age < STALE_S,
        "state": state,
        "reason": None if status is None else status.record.reason,
        "picture_age_s": None if age is None else round(age, 3),
        "loop_answers": answering,
        "viewers": hub.viewers,
        **hub.identity(),
    }


def health_page(body: dict[str, object]) -> str:
    """The same for people."""
    rows = "".join(
        f'<tr><th scope="row">{escape(_NAMES.get(name, name))}<td>{escape(_worded(name, value))}'
        for name, value in body.items()
    )
    word = "pictures come" if body["live"] else "NO PICTURES"
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>sonocart health</title>'
        '<link rel="stylesheet" href="/static/style.css">'
        f'<main class="health"><h1>{word}</h1><table>{rows}</table></main></html>'
    )


def _worded(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "none"
    return f"{value:.1f} s" if name.endswith("_s") and isinstance(value, float) else str(value)
