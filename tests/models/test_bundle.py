from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
import torch
from tests.models.helpers import (
    SPEC,
    WEIGHTS,
    change_spec,
    change_weights,
    link_entry,
    make_spec,
    make_weights,
    read_values,
    replace_weights,
    torch_file,
    write_folder,
    write_values,
    write_zip,
    zip_of,
)

from napari_segtrain.errors import ModelError, OutputError
from napari_segtrain.models import assemble, bundle, load_bundle, save_model


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / "model")


def predict(model, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shape = (1, model.spec.n_channels, *[16] * model.spec.dims)
    with torch.inference_mode():
        return model.network(torch.randn(shape, generator=generator))


class TestSavedAndLoaded:
    @pytest.mark.parametrize("dims", [2, 3])
    @pytest.mark.parametrize("name", ["model", "model.zip"])
    def test_it_is_the_same_model(self, tmp_path, name, dims):
        spec = make_spec(dims, n_channels=2)
        weights = make_weights(spec)
        saved = save_model(tmp_path / "new" / name, spec, weights)
        model = load_bundle(tmp_path / "new" / name)
        assert model.spec == saved
        loaded = model.network.state_dict()
        assert loaded.keys() == weights.keys()
        assert all(torch.equal(loaded[key], weights[key]) for key in weights)
        expected = predict(assemble(spec, weights, source="memory"))
        assert torch.equal(predict(model), expected)

    def test_it_is_ready_to_predict(self, folder):
        network = load_bundle(folder).network
        assert not network.training
        assert not any(p.requires_grad for p in network.parameters())
        assert not any(p.is_meta for p in network.parameters())

    def test_it_says_what_its_network_asks_for(self, folder):
        info = load_bundle(folder).info
        assert (info.dims, info.in_channels, info.n_classes) == (2, 1, 3)

    def test_that_is_found_out_once(self, folder):
        model = load_bundle(folder)
        assert model.info is model.info

    def test_a_thumbnail_lies_beside(self, tmp_path):
        spec = make_spec()
        for name in ("model", "model.zip"):
            path = tmp_path / name
            save_model(path, spec, make_weights(spec), thumbnail=b"PNG")
            assert load_bundle(path).spec.classes == spec.classes
        assert (tmp_path / "model/thumbnail.png").read_bytes() == b"PNG"
        with zipfile.ZipFile(tmp_path / "model.zip") as archive:
            assert archive.read("thumbnail.png") == b"PNG"

    def test_weights_need_not_be_contiguous_or_in_memory_of_their_own(self, tmp_path):
        spec = make_spec()
        weights = make_weights(spec)
        turned = {key: value.clone() for key, value in weights.items()}
        for key, value in turned.items():
            if value.dim() == 4:
                turned[key] = value.to(memory_format=torch.channels_last)
        save_model(tmp_path / "model", spec, turned)
        loaded = load_bundle(tmp_path / "model").network.state_dict()
        assert all(torch.equal(loaded[key], weights[key]) for key in weights)

    def test_a_zip_made_by_hand_of_the_folder_is_taken(self, tmp_path, folder):
        entries = [(f"my model/{k}", v) for k, v in zip_of(folder).items()]
        entries.insert(0, (zipfile.ZipInfo("my model/"), b""))
        entries.append(("__MACOSX/my model/._model.yaml", b"finder"))
        path = write_zip(tmp_path / "m.zip", entries, packing=zipfile.ZIP_DEFLATED)
        assert torch.equal(predict(load_bundle(path)), predict(load_bundle(folder)))

    def test_there_is_no_pickle_in_it(self, tmp_path, folder):
        assert sorted(path.name for path in folder.iterdir()) == [SPEC, WEIGHTS]
        save_model(tmp_path / "m.zip", make_spec(), make_weights(make_spec()))
        with zipfile.ZipFile(tmp_path / "m.zip") as archive:
            assert sorted(archive.namelist()) == [SPEC, WEIGHTS]


class TestWriting:
    @pytest.mark.parametrize("name", ["model", "model.zip"])
    def test_nothing_is_overwritten(self, tmp_path, name):
        (tmp_path / name).write_text("precious")
        with pytest.raises(OutputError, match=f"{name} exists already; choose"):
            save_model(tmp_path / name, make_spec(), make_weights(make_spec()))
        assert (tmp_path / name).read_text() == "precious"

    @pytest.mark.parametrize("name", ["model", "model.zip"])
    def test_when_the_disk_is_full_nothing_is_left(self, tmp_path, name, monkeypatch):
        def full(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Path, "write_bytes", full)
        with pytest.raises(OutputError):
            save_model(tmp_path / name, make_spec(), make_weights(make_spec()))
        assert list(tmp_path.iterdir()) == []

    def test_a_crash_half_way_leaves_no_half_model(self, tmp_path, monkeypatch):
        def crash(_spec):
            raise KeyboardInterrupt

        monkeypatch.setattr(bundle, "dump_spec", crash)
        with pytest.raises(KeyboardInterrupt):
            save_model(tmp_path / "model", make_spec(), make_weights(make_spec()))
        assert list(tmp_path.iterdir()) == []


class TestDamaged:
    def test_a_path_without_anything(self, tmp_path):
        with pytest.raises(ModelError, match="no model at"):
            load_bundle(tmp_path / "nothing.zip")

    @pytest.mark.parametrize("name", [SPEC, WEIGHTS])
    def test_a_missing_file(self, tmp_path, folder, name):
        (folder / name).unlink()
        with pytest.raises(ModelError, match=name):
            load_bundle(folder)
        path = write_zip(tmp_path / "m.zip", zip_of(folder).items())
        with pytest.raises(ModelError, match=name):
            load_bundle(path)

    @pytest.mark.parametrize("name", [SPEC, WEIGHTS])
    def test_a_folder_in_place_of_a_file(self, folder, name):
        (folder / name).unlink()
        (folder / name).mkdir()
        with pytest.raises(ModelError, match=name):
            load_bundle(folder)

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX")
    @pytest.mark.parametrize("name", [SPEC, WEIGHTS])
    def test_a_pipe_in_place_of_a_file_does_not_hang(self, folder, name):
        (folder / name).unlink()
        os.mkfifo(folder / name)
        with pytest.raises(ModelError, match=name):
            load_bundle(folder)

    def test_a_changed_byte(self, folder):
        data = bytearray((folder / WEIGHTS).read_bytes())
        data[-1] ^= 1
        (folder / WEIGHTS).write_bytes(data)
        with pytest.raises(ModelError, match=r"checksum.*copy the model again"):
            load_bundle(folder)

    def test_no_checksum(self, folder):
        change_spec(folder, lambda values: values.pop("weights_sha256"))
        with pytest.raises(ModelError, match="checksum"):
            load_bundle(folder)

    @pytest.mark.parametrize("n_bytes", [0, 5, 100, -4])
    def test_truncated_weights(self, folder, n_bytes):
        data = (folder / WEIGHTS).read_bytes()
        (folder / WEIGHTS).write_bytes(data[:n_bytes])
        with pytest.raises(ModelError, match="checksum"):
            load_bundle(folder)
        replace_weights(folder, data[:n_bytes])
        with pytest.raises(ModelError, match=r"weights .* are damaged"):
            load_bundle(folder)

    @pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
    def test_a_truncated_zip(self, tmp_path, folder, share):
        path = write_zip(tmp_path / "m.zip", zip_of(folder).items())
        data = path.read_bytes()
        path.write_bytes(data[: int(share * len(data))])
        with pytest.raises(ModelError, match="no readable model file"):
            load_bundle(path)

    def test_a_zip_with_a_changed_byte(self, tmp_path, folder):
        path = write_zip(tmp_path / "m.zip", zip_of(folder).items())
        data = bytearray(path.read_bytes())
        data[data.index(b"background")] ^= 1
        path.write_bytes(data)
        with pytest.raises(ModelError, match=r"m\.zip is no readable"):
            load_bundle(path)

    @pytest.mark.parametrize("name", ["m.zip", "m.safetensors", "m.txt"])
    @pytest.mark.parametrize("data", [b"", b"PK", b"garbage" * 999, b"PK\x05\x06" * 9])
    def test_garbage(self, tmp_path, name, data):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ModelError, match=f"{name} (is no readable|holds no)"):
            load_bundle(tmp_path / name)

    def test_a_description_that_is_no_text(self, folder):
        (folder / SPEC).write_bytes(b"\xff\xfe\x00network: 1")
        with pytest.raises(ModelError, match="cannot be read"):
            load_bundle(folder)

    def test_a_newer_format(self, folder):
        change_spec(folder, lambda values: values.update(format_version=2))
        with pytest.raises(ModelError, match=r"version 2.*update napari-segtrain"):
            load_bundle(folder)


class TestWeightsThatDoNotFit:
    def refused(self, folder, change, place=""):
        change_weights(folder, change)
        with pytest.raises(ModelError, match=rf"do not fit its network.*{place}"):
            load_bundle(folder)

    def test_one_that_is_missing(self, folder):
        self.refused(folder, lambda w: {k: w[k] for k in list(w)[1:]})

    def test_one_too_many(self, folder):
        self.refused(folder, lambda w: w | {"hook": torch.ones(1)}, "hook")

    def test_another_shape(self, folder):
        self.refused(folder, lambda w: w | {"head.bias": torch.ones(4)}, r"head\.bias")

    @pytest.mark.parametrize("dtype", [torch.float64, torch.int32, torch.float16])
    def test_another_type(self, folder, dtype):
        self.refused(folder, lambda w: {k: v.to(dtype) for k, v in w.items()})

    def test_none(self, folder):
        self.refused(folder, lambda _: {})

    def test_another_network(self, folder):
        change_spec(folder, lambda values: values["network"].update(depth=2))
        with pytest.raises(ModelError, match="do not fit its network"):
            load_bundle(folder)

    @pytest.mark.parametrize("dtype", ["F8_E8M0", "F4", "Q9"])
    def test_a_type_that_torch_does_not_know(self, folder, dtype):
        tensor = {"dtype": dtype, "shape": [2], "data_offsets": [0, 2]}
        header = json.dumps({"head.bias": tensor}).encode()
        replace_weights(folder, struct.pack("<Q", len(header)) + header + b"00")
        with pytest.raises(ModelError, match=r"damaged|do not fit"):
            load_bundle(folder)

    def test_a_header_of_an_exabyte(self, folder):
        replace_weights(folder, struct.pack("<Q", 1 << 60) + b"{}")
        with pytest.raises(ModelError, match="damaged"):
            load_bundle(folder)


HUGE = {"depth": 8, "first_filters": 512, "kernel_size": 5}


def test_a_giant_network_with_tiny_weights_is_never_allocated(folder):
    """Its first layer alone would take 17 TB, more than any machine has."""
    values = read_values(folder)
    values["network"].update(HUGE, dims=3)
    values.update(dims=3, n_channels=1 << 16, channel_names=[])
    values["normalization"] = {"method": "zscore", "scope": "image"}
    write_values(folder, values)
    start = time.perf_counter()
    with pytest.raises(ModelError, match="do not fit its network"):
        load_bundle(folder)
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize(
    ("name", "value"), [("depth", 60), ("first_filters", 1 << 40), ("depth", "auto")]
)
def test_sizes_beyond_reason_are_refused(folder, name, value):
    change_spec(folder, lambda values: values["network"].update({name: value}))
    with pytest.raises(ModelError, match=name):
        load_bundle(folder)


class TestHostileZip:
    def refused(self, tmp_path, entries, words, **packing):
        path = write_zip(tmp_path / "m.zip", entries, **packing)
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(ModelError, match=rf"m\.zip.*{words}"):
            load_bundle(path)
        assert sorted(tmp_path.rglob("*")) == before

    @pytest.mark.parametrize(
        "name",
        [
            "/etc/model.yaml",
            "../model.yaml",
            "a/../../model.yaml",
            "..\\model.yaml",
            "C:\\model.yaml",
            "C:model.yaml",
            "\\\\server\\share\\model.yaml",
        ],
    )
    def test_a_path_that_leads_outside(self, tmp_path, folder, name):
        entries = [*zip_of(folder).items(), (name, b"x")]
        self.refused(tmp_path, entries, "not safe.*leads outside")

    @pytest.mark.parametrize("name", [SPEC, "other"])
    def test_a_link(self, tmp_path, folder, name):
        entries = {k: v for k, v in zip_of(folder).items() if k != name}
        entries = [*entries.items(), (link_entry(name), b"/etc/passwd")]
        self.refused(tmp_path, entries, "not safe")

    def test_too_many_entries(self, tmp_path, folder):
        entries = [*zip_of(folder).items(), *((f"f{n}", b"") for n in range(100))]
        self.refused(tmp_path, entries, "holds 102 files")

    @pytest.mark.parametrize("name", [SPEC, WEIGHTS])
    def test_the_same_file_twice(self, tmp_path, folder, name):
        entries = [*zip_of(folder).items(), (f"b/{name}", b"other")]
        self.refused(tmp_path, entries, "two files")

    def test_entries_without_a_name(self, tmp_path, folder):
        path = write_zip(tmp_path / "m.zip", [(".", b""), *zip_of(folder).items()])
        assert load_bundle(path).spec.name == "tiny"

    def test_a_bomb_in_the_weights(self, tmp_path, folder):
        entries = zip_of(folder) | {WEIGHTS: bytes(64 << 20)}
        self.refused(
            tmp_path, entries.items(), "larger than", packing=zipfile.ZIP_DEFLATED
        )

    def test_a_bomb_in_the_description(self, tmp_path, folder):
        entries = zip_of(folder) | {SPEC: bytes(5 << 20)}
        self.refused(
            tmp_path, entries.items(), "larger than", packing=zipfile.ZIP_DEFLATED
        )

    def patched(self, tmp_path, folder, offset, value):
        """A zip whose central directory says something else of the weights."""
        path = write_zip(tmp_path / "m.zip", zip_of(folder).items())
        data = bytearray(path.read_bytes())
        where = data.rindex(b"PK\x01\x02")
        data[where + offset : where + offset + len(value)] = value
        path.write_bytes(data)
        return path

    def test_a_size_that_is_not_true(self, tmp_path, folder):
        path = self.patched(tmp_path, folder, 24, struct.pack("<I", 0xFFFFFFF0))
        with pytest.raises(ModelError, match=r"m\.zip"):
            load_bundle(path)

    def test_an_encrypted_entry(self, tmp_path, folder):
        path = self.patched(tmp_path, folder, 8, struct.pack("<H", 1))
        with pytest.raises(ModelError, match=r"m\.zip is no readable.*"):
            load_bundle(path)

    @pytest.mark.parametrize("method", [1, 8, 12, 14, 99])
    def test_a_packing_that_is_not_what_it_says(self, tmp_path, folder, method):
        path = self.patched(tmp_path, folder, 10, struct.pack("<H", method))
        with pytest.raises(ModelError, match=r"m\.zip"):
            load_bundle(path)

    def test_damaged_packed_data(self, tmp_path, folder):
        path = write_zip(
            tmp_path / "m.zip", zip_of(folder).items(), packing=zipfile.ZIP_DEFLATED
        )
        data = bytearray(path.read_bytes())
        data[60:80] = b"\xff" * 20
        path.write_bytes(data)
        with pytest.raises(ModelError, match=r"m\.zip is no readable"):
            load_bundle(path)

    def test_a_zip_in_a_zip_is_not_opened(self, tmp_path, folder):
        inner = write_zip(tmp_path / "inner.zip", zip_of(folder).items()).read_bytes()
        self.refused(tmp_path, [("inner.zip", inner)], "holds no model.yaml")


class TestPickles:
    @pytest.mark.parametrize("name", ["m.pt", "m.pth", "m.ckpt", "m.PKL"])
    def test_are_refused_by_name(self, tmp_path, name):
        with pytest.raises(ModelError, match=r"pickle.*never opened"):
            load_bundle(torch_file(tmp_path / name))

    def test_are_refused_under_another_name(self, tmp_path):
        with pytest.raises(ModelError, match="holds no model"):
            load_bundle(torch_file(tmp_path / "m.zip"))

    def test_are_refused_as_weights(self, folder):
        replace_weights(folder, torch_file(folder / "m.pt").read_bytes())
        with pytest.raises(ModelError, match="damaged"):
            load_bundle(folder)

    def test_are_not_loaded_even_when_they_would_run(self, tmp_path):
        owned = tmp_path / "owned"
        code = (
            "import pickle, pathlib, sys\n"
            "class Trap:\n"
            "    def __reduce__(self):\n"
            "        return pathlib.Path.touch, (pathlib.Path(sys.argv[1]),)\n"
            "pathlib.Path(sys.argv[2]).write_bytes(pickle.dumps(Trap()))\n"
        )
        trap = tmp_path / "trap.zip"
        subprocess.run([sys.executable, "-c", code, owned, trap], check=True)
        with pytest.raises(ModelError):
            load_bundle(trap)
        assert not owned.exists()


def test_sources_import_no_pickle():
    """Nothing in the package can unpickle, directly or through torch or NumPy."""
    source = Path(bundle.__file__).parents[1]
    for path in source.rglob("*.py"):
        text = path.read_text("utf-8")
        for word in ("import pickle", "torch.load", "torch.save", "allow_pickle=True"):
            assert word not in text, path
