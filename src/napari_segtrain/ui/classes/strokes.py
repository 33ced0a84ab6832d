"""What painting changed: the history items that a Labels layer emits, as counts."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_segtrain.axes import item_axes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from napari_segtrain.data.label_facts import LabelFacts

    Values = npt.NDArray[Any]
    Place = tuple[int, ...]

Slice = tuple[int, int]
"""Number of an item, and Z."""


@dataclass(frozen=True)
class Frame:
    """Shape and axes of painted labels; which slice a position lies on."""

    axes: str
    shape: tuple[int, ...]

    @property
    def leading(self) -> tuple[int, ...]:
        """Dimensions across which slices are stacked."""
        return tuple(n for n, axis in enumerate(self.axes) if axis not in "YX")

    def slice_of(self, place: Place) -> Slice:
        """Slice of a position along the leading dimensions."""
        at = dict(zip((self.axes[n] for n in self.leading), place, strict=True))
        item = 0
        for letter in item_axes(self.axes):
            item = item * self.shape[self.axes.index(letter)] + at[letter]
        return item, at.get("Z", 0)


@dataclass(frozen=True, eq=False)
class Stroke:
    """Change of the labels by one step that can be undone.

    Parameters
    ----------
    changes : dict
        For each slice, by how much the number of voxels of each value changed.
    atoms : tuple
        napari's history atoms.
    """

    changes: dict[Slice, Counter[int]] = field(repr=False)
    atoms: tuple[Any, ...] = field(repr=False)

    @property
    def n_voxels(self) -> int:
        """Voxels that changed."""
        return sum(len(_old_values(atom)) for atom in self.atoms)

    def is_done(self, data: Any) -> bool:
        """Whether all of its voxels have the values that it painted."""
        return self._has(data, _new_values)

    def is_undone(self, data: Any) -> bool:
        """Whether all of its voxels have the values that they had before."""
        return self._has(data, _old_values)

    def _has(self, data: Any, values_of: Callable[[Any], Values]) -> bool:
        """Compare one voxel first, since most strokes are not as asked."""
        place = _first_voxel(self.atoms[-1])
        if np.asarray(data[place]) != values_of(self.atoms[-1])[0]:
            return False
        return all(
            np.array_equal(_present_values(atom, data), values_of(atom))
            for atom in self.atoms
        )


def read_stroke(atoms: Sequence[Any], frame: Frame) -> Stroke | None:
    """Read the value of a ``paint`` event; costs what the stroke changed.

    Parameters
    ----------
    atoms : sequence
        napari's history atoms: bounding box, mask, old values and new value, or
        indices, old values and new values.
    frame : Frame
        Of the painted array.
    """
    changes: dict[Slice, Counter[int]] = {}
    for atom in atoms:
        parts = _masked(atom, frame) if hasattr(atom, "mask") else _indexed(atom, frame)
        for where, old, new in parts:
            change = changes.setdefault(where, Counter())
            change.update(_tally(new))
            change.subtract(_tally(old))
    return Stroke(changes, tuple(atoms)) if atoms else None


def changed_facts(
    facts: Sequence[LabelFacts], stroke: Stroke, *, undone: bool = False
) -> tuple[LabelFacts, ...]:
    """Facts of labels after a stroke, or after it was undone."""
    sign = -1 if undone else 1
    found = list(facts)
    for (item, z), change in stroke.changes.items():
        found[item] = _changed(found[item], z, change, sign)
    return tuple(found)


def _changed(facts: LabelFacts, z: int, change: Counter[int], sign: int) -> LabelFacts:
    counts = Counter(facts.counts)
    for value, number in change.items():
        counts[value] += sign * number
    no_label = {0, *facts.unlabelled}
    n_labels = sum(n for value, n in change.items() if value not in no_label)
    return replace(
        facts,
        counts={value: number for value, number in counts.items() if number > 0},
        n_labelled=_increased(facts.n_labelled, z, sign * n_labels),
        n_zero=_increased(facts.n_zero, z, sign * change[0]),
    )


def _increased(numbers: tuple[int, ...], at: int, by: int) -> tuple[int, ...]:
    return (*numbers[:at], max(0, numbers[at] + by), *numbers[at + 1 :])


def _tally(values: Values) -> dict[int, int]:
    if values.dtype == np.uint8:
        numbers = np.bincount(values.ravel(), minlength=1)
        shown = np.flatnonzero(numbers)
        return dict(zip(shown.tolist(), numbers[shown].tolist(), strict=True))
    found, numbers = np.unique(values, return_counts=True)
    return dict(zip(found.tolist(), numbers.tolist(), strict=True))


def _masked(atom: Any, frame: Frame) -> Iterator[tuple[Slice, Values, Values]]:
    """Old and new values of an atom with a bounding box, slice by slice."""
    starts = [part.start for part in atom.slice_key]
    sizes = [part.stop - part.start for part in atom.slice_key]
    leading = frame.leading
    if all(sizes[n] == 1 for n in leading):
        old = np.asarray(atom.old_values).ravel()
        yield (
            frame.slice_of(tuple(starts[n] for n in leading)),
            old,
            _repeated(atom, old),
        )
        return
    mask = np.ones(sizes, bool) if atom.mask is None else atom.mask
    block = np.zeros(sizes, np.asarray(atom.old_values).dtype)
    block[mask] = np.asarray(atom.old_values).ravel()
    for offset in itertools.product(*(range(sizes[n]) for n in leading)):
        key: list[Any] = [slice(None)] * len(sizes)
        for n, position in zip(leading, offset, strict=True):
            key[n] = position
        old = block[tuple(key)][mask[tuple(key)]]
        place = tuple(starts[n] + i for n, i in zip(leading, offset, strict=True))
        if len(old):
            yield frame.slice_of(place), old, _repeated(atom, old)


def _repeated(atom: Any, old: Values) -> Values:
    return np.full(len(old), atom.new_value)


def _indexed(atom: Any, frame: Frame) -> Iterator[tuple[Slice, Values, Values]]:
    """Old and new values of an atom with indices, slice by slice."""
    indices, old, new = _as_arrays(atom)
    places = np.column_stack(
        [indices[n] for n in frame.leading] or [np.zeros_like(old)]
    )
    shown, number = np.unique(places, axis=0, return_inverse=True)
    for index, place in enumerate(shown.tolist()):
        here = number.ravel() == index
        where = tuple(place) if frame.leading else ()
        yield frame.slice_of(where), old[here], new[here]


def _as_arrays(atom: Any) -> tuple[list[Values], Values, Values]:
    indices = [np.asarray(index).ravel() for index in atom[0]]
    old = np.asarray(atom[1]).ravel()
    return indices, old, np.broadcast_to(np.asarray(atom[2]).ravel(), old.shape)


def _first_voxel(atom: Any) -> Place:
    """Position of the first voxel of an atom, in the order of its values."""
    if not hasattr(atom, "mask"):
        return tuple(int(np.ravel(index)[0]) for index in atom[0])
    first: Sequence[Any] = [0] * len(atom.slice_key)
    if atom.mask is not None:
        first = np.unravel_index(int(atom.mask.argmax()), atom.mask.shape)
    pairs = zip(atom.slice_key, first, strict=True)
    return tuple(int(part.start + i) for part, i in pairs)


def _old_values(atom: Any) -> Values:
    old = atom.old_values if hasattr(atom, "mask") else atom[1]
    return np.ravel(np.asarray(old))


def _new_values(atom: Any) -> Values:
    old = _old_values(atom)
    new = atom.new_value if hasattr(atom, "mask") else np.ravel(np.asarray(atom[2]))
    return np.broadcast_to(new, old.shape)


def _present_values(atom: Any, data: Any) -> Values:
    if not hasattr(atom, "mask"):
        return np.ravel(np.asarray(data[tuple(atom[0])]))
    block = np.asarray(data[atom.slice_key])
    return np.ravel(block) if atom.mask is None else block[atom.mask]
