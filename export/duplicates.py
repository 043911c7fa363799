"""Near-duplicates: where patients are not known, these are what a split must not part."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from export.crops import find_crops
from export.glance import Glance, Image
from export.pairs import Pair
from export.thumbnails import find_look_alikes


def near_duplicates(
    glances: Sequence[Glance],
    patients: Sequence[str | None],
    read: Callable[[int], Image],
    progress: Callable[[float], None],
) -> list[Pair]:
    """All near-duplicate pairs: whole thumbnails alike, or one picture a part of the other; mirrored or not.

    Args:
        glances: of the images.
        patients: of each, where known.
        read: an image by its index, uint8 (H, W) or (H, W, 3); asked for the few images that may be pairs.
        progress: called with the share that is done.
    """
    pairs = {(pair.first, pair.second): pair for pair in find_crops(glances, read, progress)}
    for pair in find_look_alikes([glance.thumbnail for glance in glances], patients):
        pairs.setdefault((pair.first, pair.second), pair)
    return [pairs[key] for key in sorted(pairs)]
