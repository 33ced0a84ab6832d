"""Which blocks are left empty, told before."""

import math
import warnings

import numpy as np
import pytest
import zarr
from tests.inference.helpers import class_table, finish, tiny_model
from tests.inference.volume.volumes import BLOCKS, CPU, MODEL, SHAPE, VOLUME, cells

from napari_segtrain import RunControl
from napari_segtrain.config import VolumeConfig
from napari_segtrain.errors import ConfigError, DataError, ModelError
from napari_segtrain.image import Image, LabelImage
from napari_segtrain.inference.volume import preview
from napari_segtrain.inference.volume.block_work import BlockWork
from napari_segtrain.inference.volume.opening import Area, open_volume
from napari_segtrain.inference.volume.preview import BlockPreviewed, iter_preview
from napari_segtrain.inference.volume.run import iter_volume_prediction
from napari_segtrain.io import read_image


def previewed(image=VOLUME, volume=BLOCKS, model=MODEL, config=CPU, **options):
    return finish(iter_preview([model], image, config, volume, **options))


def with_threshold(below, **changes):
    return VolumeConfig(**{"block_size": (8, 16, 32), "empty_below": below, **changes})


@pytest.fixture
def chosen(monkeypatch):
    """Numbers of the blocks that a run gives to the network, which is left out."""
    numbers = []

    def noted(self, block):
        numbers.append(block.number)
        yield from ()
        return {}

    monkeypatch.setattr(BlockWork, "_predicted", noted)
    return numbers


def dim(shape=SHAPE, seed=0):
    """Voxels of 0 to 9, and some parts that are brighter."""
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 10, shape).astype(np.uint8)
    for _ in range(6):
        values[tuple(rng.integers(0, n) for n in shape)] = rng.integers(40, 60)
    return values


CHANNELS = np.stack([dim(seed=1), np.minimum(dim(seed=2), 45)], axis=1)
FLOATS = dim().astype(np.float32) / 7
SMALL = {"block_size": (8, 8, 16)}


@pytest.mark.parametrize(
    ("image", "volume", "n_channels"),
    [
        (Image(dim(), "ZYX"), with_threshold(40), 1),
        (Image(dim(), "ZYX"), with_threshold(int(dim().max())), 1),
        (Image(dim(), "ZYX"), with_threshold(int(dim().max()) + 0.5), 1),
        (Image(dim(), "ZYX"), with_threshold(10, downsampling=(1, 3, 2), **SMALL), 1),
        (Image(FLOATS, "ZYX"), with_threshold(float(FLOATS.max())), 1),
        (
            Image(FLOATS, "ZYX"),
            with_threshold(1.25, downsampling=(2, 2, 2), **SMALL),
            1,
        ),
        (Image(CHANNELS, "ZCYX"), with_threshold(46), 2),
        (Image(dim((3, 40, 53)), "TYX"), with_threshold(40), 1),
        (Image(dim((2, 3, 40, 53)), "TSYX"), with_threshold(45), 1),
    ],
)
def test_are_those_that_the_run_leaves_empty(
    tmp_path, chosen, image, volume, n_channels
):
    dims = 3 if "Z" in image.axes else 2
    model = tiny_model(dims, n_channels=n_channels)
    _, found = previewed(image, volume, model)
    opened = open_volume([model], image, tmp_path / "a.zarr", CPU, volume)
    finish(iter_volume_prediction(opened))
    expected = sorted(chosen)
    predicted = [block.number for block in found.blocks if block.reason is None]
    assert predicted == expected
    assert found.n_total == opened.plan.grid.n_blocks
    assert 0 < len(expected) < found.n_total or volume.empty_below > image.array.max()
    assert found.n_blocks("dark") == found.n_total - len(expected)
    for block in found.blocks:
        in_grid = opened.plan.grid[block.number]
        assert (block.position, block.box) == (in_grid.position, in_grid.box)


def test_reasons_come_in_their_order(tmp_path):
    mask = np.zeros(SHAPE, np.uint8)
    mask[:, :16] = 1
    values = dim()
    values[:, :, 32:] = 0
    area = Area((slice(8, None), slice(None), slice(None)), LabelImage(mask, "ZYX"))
    image = Image(values, "ZYX", name="cells")
    events, found = previewed(image, with_threshold(1), area=area)
    reasons = {block.number: block.reason for block in found.blocks}
    grid = open_volume(
        [MODEL], image, tmp_path / "a.zarr", CPU, with_threshold(1), area=area
    ).plan.grid
    for number, reason in reasons.items():
        z, y, x = grid[number].place
        expected = "region" if z == 0 else "mask" if y else "dark" if x else None
        assert reason == expected
    assert [found.n_blocks(r) for r in ("region", "mask", "dark", None)] == [6, 8, 2, 2]
    assert found.n_voxels == 13 * 16 * 32
    assert found.share == pytest.approx(13 * 16 * 32 / math.prod(SHAPE))
    assert [event.n_done for event in events] == list(range(1, 19))
    assert all(isinstance(event, BlockPreviewed) for event in events)
    assert tuple(event.block for event in events) == found.blocks


class Counted:
    """An array that notes what is read of it."""

    dtype = np.dtype(np.uint8)

    def __init__(self, values):
        self.values, self.shape = values, values.shape
        self.sizes = []

    def __getitem__(self, key):
        found = self.values[key]
        self.sizes.append(found.size)
        return found


def test_bright_blocks_are_read_in_a_small_part(monkeypatch):
    values = np.full((64, 512, 512), 9, np.uint8)
    values[:, :, 256:] = 0
    values[1, 1, 300] = 9
    array = Counted(values)
    volume = VolumeConfig(block_size=(64, 256, 256), empty_below=9)
    monkeypatch.setattr(preview, "_MAX_NUMBERS", 1 << 18)
    _, found = previewed(Image(array, "ZYX", name="cells"), volume)
    reasons = [block.reason for block in found.blocks]
    assert reasons == [None, None, None, "dark"]
    assert max(array.sizes) <= 1 << 18
    # two in a glance, one in its first part, and one as a whole
    assert sum(array.sizes) == 4 * 128 * 128 + (1 << 18) + 64 * 256 * 256


def test_nothing_is_read_without_a_threshold():
    array = Counted(cells())
    _, found = previewed(Image(array, "ZYX", name="cells"))
    assert found.n_blocks(None) == 18
    assert found.share == 1
    assert array.sizes == []


def test_nan_is_left_to_the_prediction():
    values = np.zeros(SHAPE, np.float32)
    values[0, 0, 0] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, found = previewed(Image(values, "ZYX", name="cells"), with_threshold(1))
    assert [block.number for block in found.blocks if not block.reason] == [0]


@pytest.mark.parametrize("n_seen", [0, 5])
def test_a_stop_gives_what_was_seen(n_seen):
    control = RunControl()
    if not n_seen:
        control.stop()

    def listen(event):
        if event.n_done == n_seen:
            control.stop()

    work = iter_preview([MODEL], VOLUME, CPU, with_threshold(1), control=control)
    _, found = finish(work, listen)
    assert len(found.blocks) == n_seen
    assert not found.is_complete
    assert found.share == (1.0 if n_seen else 0.0)


@pytest.mark.parametrize("is_object", [False, True])
def test_sizes_are_those_of_the_stores(tmp_path, is_object):
    """Of all arrays, were nothing compressed; nothing is written for it."""
    image = Image(cells((16, 640, 640)), "ZYX", name="cells")
    model = MODEL
    if is_object:
        model = tiny_model(3, classes=class_table(0, 1, is_objects=True))
    settings = {"probabilities": "float32", "uncertainty": "entropy"}
    config = CPU.model_copy(update=settings)
    volume = VolumeConfig(block_size=(16, 320, 320))
    _, found = previewed(image, volume, model, config)
    assert list(tmp_path.iterdir()) == []
    opened = open_volume([model], image, tmp_path / "a.zarr", config, volume)
    n_bytes = 0
    for store in opened.stores.kept:
        store.create()
        group = zarr.open_group(str(store.path), mode="r")
        n_bytes += sum(array.nbytes for array in group.array_values())
    assert found.n_bytes == n_bytes


def test_boxes_lie_in_the_image_as_well():
    volume = VolumeConfig(block_size=(8, 16, 16), downsampling=(1, 2, 3))
    _, found = previewed(volume=volume)
    covered = np.zeros(SHAPE, int)
    for block in found.blocks:
        covered[block.image_box] += 1
    assert (covered == 1).all()


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"image": Image(cells((40, 53)), "YX", name="flat")}, ModelError, "without Z"),
        ({"area": Area((slice(0, 22), slice(None), slice(None)))}, DataError, "0:22"),
        ({"volume": VolumeConfig(downsampling=(22, 1, 1))}, ConfigError, "by 22"),
        (
            {"config": CPU.model_copy(update={"tile_size": (4, 4, 4)})},
            ConfigError,
            "no room",
        ),
    ],
)
def test_what_cannot_be_predicted_has_no_preview(options, error, words):
    with pytest.raises(error, match=words):
        previewed(**options)


def test_an_image_that_vanishes_is_not_dark(tmp_path):
    source = tmp_path / "image.zarr"
    array = zarr.create_array(
        str(source), shape=SHAPE, chunks=(8, 16, 32), dtype="uint8"
    )
    array[...] = VOLUME.array
    image = read_image(source)

    def vanish(event):
        if source.exists():
            source.rename(tmp_path / "away")

    work = iter_preview([MODEL], image, CPU, with_threshold(1))
    with pytest.raises(DataError, match=r"image\.zarr is not there any more"):
        finish(work, vanish)
