from __future__ import annotations

import imagecodecs
import numpy as np
import PIL.Image
import pytest
from tests.io.helpers import voxels

from napari_segtrain.errors import DataError
from napari_segtrain.io import read_image, read_labels


def test_gray_png(tmp_path):
    data = voxels(12, 16)
    PIL.Image.fromarray(data).save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png")
    assert (image.axes, image.voxel_size) == ("YX", None)
    np.testing.assert_array_equal(image.array, data)
    np.testing.assert_array_equal(image.array[3:5, ::2], data[3:5, ::2])


@pytest.mark.parametrize("shape", [(12, 16), (12, 16, 2), (12, 16, 3), (12, 16, 4)])
def test_16_bit_png_keeps_its_bits(tmp_path, shape):
    data = voxels(*shape, dtype=np.uint16)
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(data))
    array = read_image(tmp_path / "a.png").array
    expected = {2: data, 3: data[..., :3]}[array.ndim]
    if data.shape[-1] == 2:
        expected = data[..., 0]
    assert array.dtype == np.uint16
    np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize("n_channels", [3, 4])
def test_color_png_loses_alpha(tmp_path, n_channels):
    data = voxels(12, 16, n_channels)
    PIL.Image.fromarray(data).save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png")
    assert image.axes == "YXC"
    np.testing.assert_array_equal(image.array, data[..., :3])


def test_palette_png_is_rgb_as_image_and_index_as_labels(tmp_path):
    indices = voxels(12, 16) % 3
    picture = PIL.Image.fromarray(indices)
    picture.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    picture.save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png").array.shape == (12, 16, 3)
    np.testing.assert_array_equal(read_labels(tmp_path / "a.png").array, indices)


def test_1_bit_png_is_boolean(tmp_path):
    data = voxels(12, 16) > 100
    PIL.Image.fromarray(data).save(tmp_path / "a.png")
    array = read_labels(tmp_path / "a.png").array
    assert array.dtype == np.bool_
    np.testing.assert_array_equal(array, data)


@pytest.mark.parametrize("n_bits", [2, 4])
def test_packed_gray_keeps_its_values(tmp_path, n_bits):
    """Pillow stretches these to 255, which would change label values."""
    n_values = 2**n_bits
    raw = bytes([0]) + (bytes([0b00011011]) if n_bits == 2 else bytes([0x01, 0x2F]))
    width = 4
    import struct
    import zlib

    def chunk(name, data):
        body = name + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, 1, n_bits, 0, 0, 0, 0)
    (tmp_path / "a.png").write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(raw))
        + chunk(b"IEND", b"")
    )
    expected = [0, 1, 2, 3] if n_bits == 2 else [0, 1, 2, n_values - 1]
    assert np.asarray(read_labels(tmp_path / "a.png").array)[0].tolist() == expected


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".JPG", ".bmp"])
def test_other_pictures(tmp_path, suffix):
    data = np.full((16, 24), 90, np.uint8)
    PIL.Image.fromarray(data).save(tmp_path / f"a{suffix}")
    np.testing.assert_allclose(read_image(tmp_path / f"a{suffix}").array, data, atol=2)


def test_format_is_told_by_content_not_by_name(tmp_path):
    data = voxels(12, 16)
    PIL.Image.fromarray(data).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.jpg")
    np.testing.assert_array_equal(read_image(tmp_path / "a.jpg").array, data)


def test_huge_picture_is_no_bomb(tmp_path, monkeypatch):
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 10)
    PIL.Image.fromarray(voxels(12, 16)).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png").array.shape == (12, 16)


def test_cut_off_picture_fails_when_read(tmp_path):
    PIL.Image.fromarray(voxels(200, 200)).save(tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(content[: len(content) // 2])
    image = read_image(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"a\.png cannot be read"):
        np.asarray(image.array)


def test_what_is_read_may_be_changed(tmp_path):
    data = voxels(12, 16)
    PIL.Image.fromarray(data).save(tmp_path / "a.png")
    array = read_image(tmp_path / "a.png").array
    array[0:4][...] = 0
    np.testing.assert_array_equal(array, data)
