"""An image is decoded whole and as what it is, or refused by name."""

import numpy as np
import pytest
from PIL import Image

from edge.errors import DataError, NoInputError
from edge.study.images import image_hash, read_image


@pytest.fixture
def grey():
    return np.random.default_rng(0).integers(0, 256, (40, 60), np.uint8)


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "RGBA", "LA"])
def test_a_grey_picture_is_the_same_in_every_mode(tmp_path, grey, mode):
    Image.fromarray(grey).convert(mode).save(tmp_path / "a.png")
    assert np.array_equal(read_image(tmp_path / "a.png"), grey)


def test_colour_is_kept_in_rgb_order(tmp_path):
    colour = np.zeros((20, 20, 3), np.uint8)
    colour[..., 0] = 200
    Image.fromarray(colour).save(tmp_path / "a.png")
    assert np.array_equal(read_image(tmp_path / "a.png"), colour)


def test_transparent_pixels_are_refused(tmp_path, grey):
    image = Image.fromarray(grey).convert("RGBA")
    image.putpixel((3, 3), (0, 0, 0, 0))
    image.save(tmp_path / "a.png")
    with pytest.raises(DataError, match="transparent"):
        read_image(tmp_path / "a.png")


def test_sixteen_bits_are_refused(tmp_path, grey):
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "a.png")
    with pytest.raises(DataError, match="8 bits"):
        read_image(tmp_path / "a.png")


def test_one_pixel_is_refused(tmp_path):
    Image.fromarray(np.zeros((1, 1), np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(DataError, match="1x1"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_cut_off_file_is_refused(tmp_path, grey, suffix):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(grey).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.raises(DataError, match="damaged"):
        read_image(path)


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n" + b"\0" * 50])
def test_what_is_no_image_is_refused(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.png"):
        read_image(tmp_path / "a.png")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(NoInputError, match=r"a\.png"):
        read_image(tmp_path / "a.png")
    with pytest.raises(NoInputError, match=r"a\.png"):
        image_hash(tmp_path / "a.png")
