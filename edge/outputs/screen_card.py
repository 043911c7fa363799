"""What the screen shows where there is no picture: a plain card in large letters."""

from __future__ import annotations

import time
from functools import lru_cache
from textwrap import wrap

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from edge.outputs.palette import ABOVE, BACKGROUND, DIM, TEXT

_LINE, _LINES = 64, 4  # letters that fit beside each other, and lines of them below NO SIGNAL


def draw_card(size: tuple[int, int], why: str) -> NDArray[np.uint8]:
    """NO SIGNAL with the reason and the clock, uint8 (h, w, 3); the clock shows that the card is alive."""
    image = Image.new("RGB", size, BACKGROUND)
    draw = ImageDraw.Draw(image)
    width, height = size
    unit = min(width / 1920, height / 1080)
    middle = width / 2
    draw.rectangle((middle - 60 * unit, 300 * unit, middle + 60 * unit, 312 * unit), fill=ABOVE)
    draw.text((middle, height / 2), "NO SIGNAL", TEXT, ImageFont.load_default(150 * unit), "mb")
    top = height / 2 + 40 * unit
    for line in wrap(why, _LINE)[:_LINES]:
        draw.text((middle, top), line, TEXT, ImageFont.load_default(48 * unit), "mt")
        top += 62 * unit
    small = ImageFont.load_default(34 * unit)
    draw.text((middle, top + 28 * unit), time.strftime("%H:%M:%S"), DIM, small, "mt")
    draw.text((middle, height - 60 * unit), "sonocart  ·  research use only", DIM, small, "mb")
    return np.asarray(image)


@lru_cache(maxsize=1)  # it stands over many pictures
def draw_word(size: tuple[int, int], word: str) -> NDArray[np.uint8]:
    """A banner for the top of the screen, uint8 (h, w, 3), that says what a key has done."""
    unit = min(size[0] / 1920, size[1] / 1080)
    font, lines = ImageFont.load_default(36 * unit), wrap(word, _LINE)[:_LINES]
    width = min(size[0], round(max(map(font.getlength, lines)) + 60 * unit))
    image = Image.new("RGB", (width, round((20 + 50 * len(lines)) * unit)), BACKGROUND)
    draw = ImageDraw.Draw(image)
    for number, line in enumerate(lines):
        draw.text((width / 2, (35 + 50 * number) * unit), line, TEXT, font, "mm")
    return np.asarray(image)


def draw_held(size: tuple[int, int]) -> NDArray[np.uint8]:
    """A banner for the top of the screen, uint8 (h, w, 3), over a picture that is held."""
    unit = min(size[0] / 1920, size[1] / 1080)
    image = Image.new("RGB", (round(700 * unit), round(70 * unit)), ABOVE)
    draw = ImageDraw.Draw(image)
    words = "PICTURE HELD, NOT LIVE  ·  F: go on"
    draw.text((image.width / 2, image.height / 2), words, BACKGROUND, ImageFont.load_default(36 * unit), "mm")
    return np.asarray(image)
