"""Files that are no good image: one sentence each, which names the file."""

from __future__ import annotations

import h5py
import numpy as np
import PIL.Image
import pytest
import tifffile
from tests.io.helpers import voxels, write_hdf5, write_mrc

from napari_segtrain.errors import DataError
from napari_segtrain.io import fingerprint, list_images, read_image, read_labels


def write_cut_off(path, share, **options):
    tifffile.imwrite(path, voxels(6, 40, 30), photometric="minisblack", **options)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


def cut_off_tiff(path):
    write_cut_off(path, 0.6)


def cut_off_compressed_tiff(path):
    write_cut_off(path, 0.6, compression="zlib")


def cut_off_ome_tiff(path):
    write_cut_off(path, 0.6, compression="zlib", ome=True)


def cut_off_imagej_tiff(path):
    write_cut_off(path, 0.6, imagej=True)


def cut_off_compressed_imagej_tiff(path):
    write_cut_off(path, 0.6, imagej=True, compression="zlib")


def cut_off_between_pages(path):
    with tifffile.TiffWriter(path) as tif:
        for plane in voxels(6, 40, 30):
            tif.write(plane, compression="zlib", contiguous=False, metadata=None)
    with tifffile.TiffFile(path) as tif:
        end = tif.pages[3].offset
    path.write_bytes(path.read_bytes()[:end])


def cut_off_header(path):
    write_cut_off(path, 0.01)


def text(path):
    path.write_text("no image at all")


def empty(path):
    path.write_bytes(b"")


def missing(path):
    """Write nothing."""


def folder(path):
    path.mkdir()


def python_objects(path):
    np.save(path, np.array([{}], object), allow_pickle=True)


def cut_off_npy(path):
    np.save(path, voxels(40, 30))
    path.write_bytes(path.read_bytes()[:500])


def one_dimension(path):
    np.save(path, voxels(40))


def seven_dimensions(path):
    np.save(path, voxels(2, 2, 2, 2, 2, 2, 2))


def no_voxels(path):
    np.save(path, np.zeros((0, 4, 4), np.uint8))


def gif(path):
    PIL.Image.fromarray(voxels(12, 16)).save(path, "GIF")


def cut_off_hdf5(path):
    write_hdf5(path, raw=voxels(6, 40, 30))
    path.write_bytes(path.read_bytes()[:5000])


def hdf5_without_arrays(path):
    write_hdf5(path, notes="text", positions=np.arange(4))


def hdf5_without_voxels(path):
    write_hdf5(path, raw=np.zeros((0, 4, 4), np.uint8))


def seven_dimensional_hdf5(path):
    write_hdf5(path, raw=np.zeros((2, 2, 2, 2, 2, 2, 2)))


def imaris_without_channels(path):
    with h5py.File(path, "w") as hdf5:
        hdf5.create_group("DataSetInfo/Image")
        hdf5.create_group("DataSet/ResolutionLevel 0/TimePoint 0")


def cut_off_mrc(path):
    write_mrc(path, np.int16(voxels(6, 40, 30)))
    path.write_bytes(path.read_bytes()[:5000])


def cut_off_mrc_header(path):
    write_mrc(path, np.int16(voxels(6, 40, 30)))
    path.write_bytes(path.read_bytes()[:500])


def zeros(path):
    path.write_bytes(bytes(5000))


def long_text(path):
    path.write_text("no image at all " * 500)


CASES = [
    ("a.tif", missing, "does not exist"),
    ("a.tif", empty, r"is empty \(0 bytes\)"),
    ("a.tif", text, "cannot be read"),
    ("a.tif", folder, "is a folder"),
    ("a.tif", cut_off_tiff, "is cut off"),
    ("a.tif", cut_off_compressed_tiff, "is cut off"),
    ("a.tif", cut_off_ome_tiff, "cut off"),
    ("a.tif", cut_off_imagej_tiff, "is cut off"),
    ("a.tif", cut_off_compressed_imagej_tiff, "cut off"),
    ("a.tif", cut_off_between_pages, "is cut off"),
    ("a.tif", cut_off_header, "cannot be read|holds no image"),
    ("a.png", text, "no PNG, JPEG or BMP picture"),
    ("a.png", gif, "no PNG, JPEG or BMP picture"),
    ("a.png", empty, "is empty"),
    ("a.jpg", missing, "does not exist"),
    ("a.npy", text, "cannot be read"),
    ("a.npy", python_objects, "holds Python objects"),
    ("a.npy", cut_off_npy, "is cut off"),
    ("a.npy", one_dimension, "1 dimension"),
    ("a.npy", seven_dimensions, "7 dimensions"),
    ("a.npy", no_voxels, "no voxels"),
    ("a.h5", missing, "does not exist"),
    ("a.h5", empty, r"is empty \(0 bytes\)"),
    ("a.h5", text, "cannot be read"),
    ("a.h5", folder, "is a folder"),
    ("a.h5", cut_off_hdf5, "cannot be read.*truncated"),
    ("a.h5", hdf5_without_arrays, "holds no arrays"),
    ("a.h5", hdf5_without_voxels, "no voxels"),
    ("a.h5", seven_dimensional_hdf5, "7 dimensions"),
    ("a.ims", text, "cannot be read"),
    ("a.ims", imaris_without_channels, "cannot be read.*Channel 0"),
    ("a.mrc", missing, "does not exist"),
    ("a.mrc", empty, r"is empty \(0 bytes\)"),
    ("a.mrc", text, "cannot be read.*15 of 1024 bytes"),
    ("a.mrc", long_text, "cannot be read.*no header of an MRC file"),
    ("a.mrc", zeros, "cannot be read.*no header of an MRC file"),
    ("a.mrc", cut_off_mrc, "is cut off"),
    ("a.mrc", cut_off_mrc_header, "cannot be read.*500 of 1024 bytes"),
    ("a.n5", missing, "does not exist"),
    ("a.n5", text, "no known format"),
    ("a.n5", folder, "holds no arrays"),
    ("a.txt", text, "no known format; TIFF, OME-TIFF, PNG"),
    ("a", text, "no known format"),
]


@pytest.mark.parametrize("read", [read_image, read_labels])
@pytest.mark.parametrize(
    ("name", "write", "message"), CASES, ids=[f"{c[0]}-{c[1].__name__}" for c in CASES]
)
def test_one_clear_sentence(tmp_path, caplog, read, name, write, message):
    path = tmp_path / name
    write(path)
    with pytest.raises(DataError, match=message) as caught:
        read(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500
    caplog.clear()


def test_broken_strip_fails_when_it_is_read(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, voxels(40, 30), compression="zlib")
    with tifffile.TiffFile(path) as tif:
        offset = tif.pages[0].dataoffsets[0]
    with path.open("rb+") as file:
        file.seek(offset)
        file.write(b"\xff" * 50)
    image = read_image(path)
    with pytest.raises(DataError, match=r"a\.tif cannot be read"):
        np.asarray(image.array)


def test_file_that_vanished_fails_when_it_is_read(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, voxels(40, 30))
    image = read_image(path)
    path.unlink()
    with pytest.raises(DataError, match=r"a\.tif cannot be read"):
        np.asarray(image.array)


@pytest.mark.parametrize("function", [list_images, fingerprint])
def test_missing_path(tmp_path, function):
    with pytest.raises(DataError, match="does not exist"):
        function(tmp_path / "nothing")
