"""The process behind `--screen`: SDL on Wayland, X11 or bare KMS, presented on vsync.

It shows the newest picture or, when none has come for a second, a card that says NO SIGNAL and why. It
outlives the program that feeds it by some seconds, so that a restart does not leave the screen to a console.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import sys
import threading
import time
from typing import Any

import msgspec
import numpy as np
import sdl2
from sdl2 import surface

from edge.outputs.screen_card import draw_card, draw_held, draw_word
from edge.outputs.screen_message import LARGEST, Note, Picture
from edge.urgency import PICTURE, urgent

STALE_S = 1.0
_AFTER_S = 10.0  # the card stays so long after the program has gone
_KEYS = "hofrmq12345"

_LAYOUTS = {
    "I420": (sdl2.SDL_PIXELFORMAT_IYUV, 1),
    "GRAY8": (sdl2.SDL_PIXELFORMAT_IYUV, 1),
    "NV12": (sdl2.SDL_PIXELFORMAT_NV12, 1),
    "YUYV": (sdl2.SDL_PIXELFORMAT_YUY2, 2),
    "BGR24": (sdl2.SDL_PIXELFORMAT_BGR24, 3),
    "RGB24": (sdl2.SDL_PIXELFORMAT_RGB24, 3),
}
"""SDL's name of a `PixelFormat`, and bytes a pixel of its first plane."""

_MODES = {
    ("BT601", True): surface.SDL_YUV_CONVERSION_JPEG,
    ("BT601", False): surface.SDL_YUV_CONVERSION_BT601,
    ("BT709", False): surface.SDL_YUV_CONVERSION_BT709,
}


_UNSEEN = (b"offscreen", b"dummy")
"""SDL's drivers that show nothing."""


class _Inbox:
    """Reads what the program says, keeps the newest, and wakes the window."""

    def __init__(self) -> None:
        self.gone = False
        self._lock = threading.Lock()
        self._newest: Picture | Note | None = None
        threading.Thread(target=self._read, daemon=True).start()

    def take(self) -> Picture | Note | None:
        with self._lock:
            newest, self._newest = self._newest, None
            return newest

    def _read(self) -> None:
        decoder = msgspec.json.Decoder(Picture | Note)
        for line in sys.stdin.buffer:
            with self._lock:
                self._newest = decoder.decode(line)
            sdl2.SDL_PushEvent(sdl2.SDL_Event(sdl2.SDL_USEREVENT))
        self.gone = True
        sdl2.SDL_PushEvent(sdl2.SDL_Event(sdl2.SDL_USEREVENT))


class Window:
    """The window, its renderer, and the textures of picture and card."""

    def __init__(self) -> None:
        """Open it over the whole screen.

        Raises:
            OSError: there is no display; what SDL says, if it says something.
        """
        # The loop's program handles signals; the console's own cursor and blanking have no place here.
        sdl2.SDL_SetHint(b"SDL_NO_SIGNAL_HANDLERS", b"1")
        sdl2.SDL_SetHint(b"SDL_VIDEO_ALLOW_SCREENSAVER", b"0")
        sdl2.SDL_SetHint(b"SDL_TOUCH_MOUSE_EVENTS", b"0")
        sdl2.SDL_SetHint(b"SDL_RENDER_SCALE_QUALITY", b"linear")
        _check(sdl2.SDL_Init(sdl2.SDL_INIT_VIDEO) == 0)
        # Without a display SDL draws into memory, and nobody would hear that the screen is dark.
        if sdl2.SDL_GetCurrentVideoDriver() in _UNSEEN:
            raise OSError("found no display; expected Wayland, X11 or KMS. Set WAYLAND_DISPLAY or DISPLAY")
        mode = sdl2.SDL_DisplayMode()
        _check(sdl2.SDL_GetDesktopDisplayMode(0, ctypes.byref(mode)) == 0)
        flags = sdl2.SDL_WINDOW_FULLSCREEN_DESKTOP
        self._window = sdl2.SDL_CreateWindow(b"sonocart", 0, 0, mode.w, mode.h, flags)
        _check(self._window)
        vsync = sdl2.SDL_RENDERER_PRESENTVSYNC
        self._renderer = sdl2.SDL_CreateRenderer(
            self._window, -1, vsync | sdl2.SDL_RENDERER_ACCELERATED
        ) or sdl2.SDL_CreateRenderer(self._window, -1, sdl2.SDL_RENDERER_SOFTWARE)
        _check(self._renderer)
        sdl2.SDL_ShowCursor(sdl2.SDL_DISABLE)
        self._texture: Any = None
        self._like: tuple[object, ...] = ()
        self._size = (1, 1)

    def upload(self, picture: Picture, memory: np.ndarray[Any, np.dtype[np.uint8]]) -> None:
        """Hand a picture to the renderer; `memory` is free afterwards."""
        layout, pixel = _LAYOUTS[picture.layout]
        width, height = picture.width & ~1, picture.height & ~1
        like = (layout, width, height, picture.full_range, picture.matrix)
        if like != self._like:
            # The mode is a property of SDL as a whole that each texture takes over when it is made.
            sdl2.SDL_SetYUVConversionMode(_MODES[picture.matrix, picture.full_range])
            self._replace(layout, width, height)
            self._like = like
        pitch, whole = picture.width * pixel, picture.width * picture.height
        if layout == sdl2.SDL_PIXELFORMAT_IYUV:
            half = (picture.width + 1) // 2 if picture.layout == "GRAY8" else picture.width // 2
            quarter = half * ((picture.height + 1) // 2 if picture.layout == "GRAY8" else picture.height // 2)
            if picture.layout == "GRAY8":
                memory[whole : whole + 2 * quarter] = 128
            blue, red = memory[whole:], memory[whole + quarter :]
            done = sdl2.SDL_UpdateYUVTexture(
                self._texture, None, _at(memory), pitch, _at(blue), half, _at(red), half
            )
        elif layout == sdl2.SDL_PIXELFORMAT_NV12:
            pair = picture.width // 2 * 2
            done = sdl2.SDL_UpdateNVTexture(
                self._texture, None, _at(memory), pitch, _at(memory[whole:]), pair
            )
        else:
            done = sdl2.SDL_UpdateTexture(self._texture, None, _at(memory), pitch)
        _check(done == 0)

    def upload_rgb(self, rgb: np.ndarray[Any, np.dtype[np.uint8]]) -> None:
        """Hand over a drawn picture, uint8 (h, w, 3)."""
        self._like = ()
        self._replace(sdl2.SDL_PIXELFORMAT_RGB24, rgb.shape[1], rgb.shape[0])
        flat = np.ascontiguousarray(rgb).reshape(-1)
        _check(sdl2.SDL_UpdateTexture(self._texture, None, _at(flat), rgb.shape[1] * 3) == 0)

    def show(self, banner: np.ndarray[Any, np.dtype[np.uint8]] | None = None) -> None:
        """Present, as large as fits with its shape kept, on black; waits for vsync."""
        width, height = self.size
        scale = min(width / self._size[0], height / self._size[1])
        w, h = round(self._size[0] * scale), round(self._size[1] * scale)
        sdl2.SDL_SetRenderDrawColor(self._renderer, 0, 0, 0, 255)
        sdl2.SDL_RenderClear(self._renderer)
        place = sdl2.SDL_Rect((width - w) // 2, (height - h) // 2, w, h)
        sdl2.SDL_RenderCopy(self._renderer, self._texture, None, ctypes.byref(place))
        if banner is not None:
            self._paste(banner, (width - banner.shape[1]) // 2)
        sdl2.SDL_RenderPresent(self._renderer)

    @property
    def size(self) -> tuple[int, int]:
        """Pixels of the screen."""
        width, height = ctypes.c_int(), ctypes.c_int()
        sdl2.SDL_GetRendererOutputSize(self._renderer, ctypes.byref(width), ctypes.byref(height))
        return max(1, width.value), max(1, height.value)

    def _paste(self, rgb: np.ndarray[Any, np.dtype[np.uint8]], left: int) -> None:
        height, width = rgb.shape[:2]
        static = sdl2.SDL_TEXTUREACCESS_STATIC
        texture = sdl2.SDL_CreateTexture(self._renderer, sdl2.SDL_PIXELFORMAT_RGB24, static, width, height)
        sdl2.SDL_UpdateTexture(texture, None, _at(np.ascontiguousarray(rgb).reshape(-1)), width * 3)
        sdl2.SDL_RenderCopy(
            self._renderer, texture, None, ctypes.byref(sdl2.SDL_Rect(left, 0, width, height))
        )
        sdl2.SDL_DestroyTexture(texture)

    def _replace(self, layout: int, width: int, height: int) -> None:
        if self._texture is not None:
            sdl2.SDL_DestroyTexture(self._texture)
        access = sdl2.SDL_TEXTUREACCESS_STREAMING
        self._texture = sdl2.SDL_CreateTexture(self._renderer, layout, access, width, height)
        _check(self._texture)
        self._size = (width, height)


def main(descriptor: int) -> int:
    """Show pictures until the program has gone or the display has."""
    memory = np.frombuffer(mmap.mmap(descriptor, LARGEST), np.uint8)
    try:
        window = Window()
        with urgent(PICTURE):
            _run(window, memory)
    except OSError as error:
        _say("failed", str(error))
        return 69
    return 0


def _run(window: Window, memory: np.ndarray[Any, np.dtype[np.uint8]]) -> None:
    inbox, why = _Inbox(), "waiting for the first picture"
    last = card_s = -10.0
    held, gone_s = False, None
    seen: Picture | None = None  # on the glass
    word = beside = ""  # said last, and shown beside card or held picture
    event = sdl2.SDL_Event()
    while True:
        if sdl2.SDL_WaitEventTimeout(ctypes.byref(event), 100):
            key = _key(event)
            if key == "f":
                held = not held
            elif key is not None:
                held = held and key != "h"  # a held picture shows the risk that is to be hidden
                _say("key", key)
        now = time.monotonic()
        if inbox.gone and gone_s is None:
            gone_s, why = now, "sonocart has stopped"
        if gone_s is not None and now - gone_s > _AFTER_S:
            return
        news = inbox.take()
        if news is not None:
            word = news.word
            if seen is not None and (news.case != seen.case or (news.concealed and not seen.concealed)):
                held, seen = False, None  # another patient's, or with the risk that is hidden now
                last = card_s = -10.0
        over = draw_word(window.size, word) if word else None
        if isinstance(news, Note):
            why = news.text
            _say("taken")
        if isinstance(news, Picture):
            if not held:
                window.upload(news, memory)
                seen, last = news, now
            _say("taken")
            if not held:
                window.show(over)
                _say("shown")
                continue
        if held and last > 0 and (now - card_s >= STALE_S or word != beside):
            window.show(draw_held(window.size) if over is None else over)
            card_s, beside = now, word
        elif not held and now - last >= STALE_S and (now - card_s >= STALE_S or word != beside):
            window.upload_rgb(draw_card(window.size, why))
            window.show(over)
            card_s, beside = now, word


def _key(event: Any) -> str | None:
    """The letter of a key that means something; a touch or a click is h, and closing the window is q."""
    if event.type == sdl2.SDL_QUIT:
        return "q"
    if event.type in (sdl2.SDL_FINGERUP, sdl2.SDL_MOUSEBUTTONUP):
        return "h"
    if event.type == sdl2.SDL_KEYDOWN and not event.key.repeat:
        letter = chr(event.key.keysym.sym) if event.key.keysym.sym < 128 else ""
        return letter if letter and letter in _KEYS else None
    return None


def _at(plane: np.ndarray[Any, np.dtype[np.uint8]]) -> Any:
    return plane.ctypes.data_as(ctypes.POINTER(ctypes.c_ubyte))


def _check(good: object) -> None:
    if not good:
        raise OSError((sdl2.SDL_GetError() or b"SDL gives no reason").decode(errors="replace"))


def _say(kind: str, text: str = "") -> None:
    sys.stdout.write(json.dumps({"kind": kind, "text": text}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
