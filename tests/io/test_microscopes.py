"""Microscope formats; bioio, which the tests do not install, is played by a double."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from tests.io.helpers import voxels

from napari_segtrain.errors import DataError
from napari_segtrain.io import list_images, read_image


class UnsupportedFileFormatError(Exception):
    """As bioio's: no child of any built-in error but Exception."""


class Delayed:
    """A Dask array that counts the blocks that it computes."""

    def __init__(self, data, computed):
        self.data, self.computed = data, computed
        self.shape, self.dtype = data.shape, data.dtype

    def __getitem__(self, key):
        return Delayed(self.data[key], self.computed)

    def compute(self):
        self.computed.append(self.data.shape)
        return self.data


@pytest.fixture
def bioio(monkeypatch):
    """Install a double of bioio; returns what its image will say."""
    facts = SimpleNamespace(
        computed=[],
        dims=SimpleNamespace(order="TCZYX"),
        physical_pixel_sizes=SimpleNamespace(Z=1.0, Y=0.2, X=0.1),
        channel_names=["a", "b"],
    )

    def open_image(path, reader):
        if path.read_bytes() == b"junk":
            raise UnsupportedFileFormatError
        facts.reader = reader
        facts.dask_data = Delayed(facts.data, facts.computed)
        return facts

    modules = {
        "bioio": {"BioImage": open_image},
        "bioio_base.exceptions": {
            "UnsupportedFileFormatError": UnsupportedFileFormatError
        },
        "bioio_nd2": {"Reader": "the ND2 reader"},
    }
    for name, attributes in modules.items():
        module = ModuleType(name)
        vars(module).update(attributes)
        monkeypatch.setitem(sys.modules, name, module)
    return facts


def write(path, content=b"x"):
    path.write_bytes(content)
    return path


def test_image_is_read_block_by_block(tmp_path, bioio):
    bioio.data = voxels(1, 2, 4, 20, 30)
    image = read_image(write(tmp_path / "a.nd2"))
    assert (image.axes, image.voxel_size) == ("CZYX", (1.0, 0.2, 0.1))
    assert image.channel_names == ("a", "b")
    assert bioio.reader == "the ND2 reader"
    assert bioio.computed == []
    np.testing.assert_array_equal(image.array[1, 2:4], bioio.data[0, 1, 2:4])
    assert bioio.computed == [(1, 1, 2, 20, 30)]


def test_named_units_are_converted(tmp_path, bioio):
    bioio.data = voxels(1, 1, 4, 20, 30)
    nanometers = SimpleNamespace(unit="nanometer")
    bioio.dimension_properties = SimpleNamespace(Z=None, Y=nanometers, X=nanometers)
    size = read_image(write(tmp_path / "a.nd2")).voxel_size
    assert size == pytest.approx((1.0, 0.0002, 0.0001))


def test_images_without_calibration_are_unknown(tmp_path, bioio):
    bioio.data = voxels(1, 1, 4, 20, 30)
    bioio.physical_pixel_sizes = SimpleNamespace(Z=2.0, Y=1.0, X=1.0)
    assert read_image(write(tmp_path / "a.nd2")).voxel_size is None


def test_rgb_samples(tmp_path, bioio):
    bioio.data = voxels(1, 1, 1, 20, 30, 3)
    bioio.dims.order = "TCZYXS"
    bioio.channel_names = ["RGB"]
    image = read_image(write(tmp_path / "a.nd2"))
    assert (image.axes, image.channel_names) == ("YXC", ())


@pytest.mark.usefixtures("bioio")
def test_damaged_file(tmp_path):
    with pytest.raises(DataError, match=r"a\.nd2 cannot be read \(Unsupported"):
        read_image(write(tmp_path / "a.nd2", b"junk"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.nd2", r'extra \'formats\'; install it: pip install "napari-segtrain\[f'),
        ("a.lif", r'pip install "napari-segtrain\[formats\]"'),
        ("a.czi", r'GPL-3.*pip install "napari-segtrain\[formats\]" bioio-czi'),
        ("a.oib", "bioio-bioformats, which its licence .GPL-2, and it needs Java"),
    ],
)
def test_what_to_install_is_said(tmp_path, monkeypatch, name, message):
    monkeypatch.setitem(sys.modules, "bioio", None)
    with pytest.raises(DataError, match=message):
        read_image(write(tmp_path / name))


def test_they_count_as_images(tmp_path):
    write(tmp_path / "a.nd2")
    assert list_images(tmp_path) == [tmp_path / "a.nd2"]
