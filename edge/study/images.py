"""Reading a still image as the 8-bit picture a frame is made of."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edge.errors import DataError, NoInputError
from edge.study.dicom import read_dicom

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".dcm")
MIN_SIDE = 16  # pixels; below this there is no speckle, let alone a lesion

_EIGHT_BIT = ("L", "RGB", "P", "1", "YCbCr", "LA", "RGBA", "PA")


def is_image_name(path: Path) -> bool:
    """True if the file's suffix is one that `read_image` reads."""
    return path.suffix.lower() in SUFFIXES


def image_hash(path: Path) -> str:
    """SHA-256 of the file's bytes, hexadecimal: the identity of an image in splits and reports.

    Raises:
        NoInputError: the file cannot be read.
    """
    return hashlib.sha256(_read(path)).hexdigest()


def pixel_hash(picture: NDArray[np.uint8]) -> str:
    """SHA-256 of a picture as `read_image` decodes it: the same in any file that keeps each pixel."""
    shape = "x".join(map(str, picture.shape))
    return hashlib.sha256(shape.encode() + b"\0" + picture.tobytes()).hexdigest()


def is_dicom(path: Path) -> bool:
    """True if the file begins as DICOM files do, or is called .dcm."""
    if path.suffix.lower() == ".dcm":
        return True
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError as error:
        raise NoInputError(f"cannot read image '{path}': {error.strerror}") from error


def read_image(path: Path, frame: int = 0) -> NDArray[np.uint8]:
    """Decode one picture of a PNG, JPEG, BMP or DICOM file, whole.

    Returns:
        uint8 (H, W) grey or (H, W, 3) RGB; belongs to the caller.

    Raises:
        NoInputError: the file cannot be read.
        DataError: it is damaged or cut off, has more than 8 bits, transparent pixels, or almost no pixels.
        UnavailableError: it is DICOM, and pydicom is not installed.
    """
    if is_dicom(path):
        picture = read_dicom(path, frame)
        _check_size(path, picture.shape[1], picture.shape[0])
        return picture
    if frame:
        raise DataError(f"image '{path}' has one picture, so there is no frame {frame}")
    try:
        with Image.open(path, formats=("PNG", "JPEG", "BMP")) as file:
            file.load()  # the whole of it: a cut-off file fails here
            image = file.copy()
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise DataError(f"image '{path}' is damaged or no PNG, JPEG, BMP or DICOM: {error}") from error
    _check_size(path, image.width, image.height)
    if image.mode not in _EIGHT_BIT:
        raise DataError(
            f"image '{path}' has pixels of type {image.mode}, expected 8 bits; export it from the scanner "
            "with its display window applied"
        )
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        if np.asarray(image)[..., 3].min() < 255:
            raise DataError(f"image '{path}' has transparent pixels; save it without an alpha channel")
        image = image.convert("RGB")
    pixels = np.array(image.convert("L" if image.mode in ("L", "1") else "RGB"), np.uint8)
    grey = pixels.ndim == 3 and np.array_equal(pixels[..., 0], pixels[..., 1])
    if grey and np.array_equal(pixels[..., 0], pixels[..., 2]):
        return np.ascontiguousarray(pixels[..., 0])  # three equal planes are one
    return pixels


def _check_size(path: Path, width: int, height: int) -> None:
    if min(width, height) < MIN_SIDE:
        raise DataError(
            f"image '{path}' has {width}x{height} pixels, expected at least {MIN_SIDE}x{MIN_SIDE}"
        )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise NoInputError(f"cannot read image '{path}': {error.strerror}") from error
