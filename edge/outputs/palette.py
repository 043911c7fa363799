"""The colours of everything that is drawn: Okabe and Ito (2008), told apart with any colour vision."""

from __future__ import annotations

from edge.blit import Colour

BACKGROUND: Colour = (14, 18, 22)
EDGE: Colour = (58, 68, 78)
TEXT: Colour = (236, 240, 243)
DIM: Colour = (150, 162, 172)
TRACK: Colour = (44, 52, 60)
ABOVE: Colour = (230, 159, 0)
BELOW: Colour = (86, 180, 233)
GOOD: Colour = (0, 190, 130)
