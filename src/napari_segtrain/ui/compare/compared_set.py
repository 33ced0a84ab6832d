"""What was compared with one ground truth: layers, results, and which one is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Labels

    from napari_segtrain.ui.compare.compared_pair import ComparedPair
    from napari_segtrain.ui.compare.comparison import Comparison
    from napari_segtrain.ui.compare.comparison_series import ComparedSeries
    from napari_segtrain.ui.compare.kept_comparison import Kept
    from napari_segtrain.ui.compare.label_watch import Sum, Sums


class ComparedSet:
    """Results of several segmentations, of which one is looked at.

    Parameters
    ----------
    pairs : sequence of ComparedPair
        Of one ground truth.
    series : ComparedSeries
        Results in the same order.

    Attributes
    ----------
    shown : int
        Number of the one that is looked at.
    """

    def __init__(self, pairs: Sequence[ComparedPair], series: ComparedSeries) -> None:
        self.series = series
        self.shown = 0
        self._names = [pair.names for pair in pairs]
        self._pairs: list[ComparedPair | None] = list(pairs)

    def __len__(self) -> int:
        return len(self._pairs)

    @property
    def comparison(self) -> Comparison:
        """Results that are looked at."""
        return self.series.comparisons[self.shown]

    @property
    def names(self) -> tuple[str, str]:
        """Ground truth and segmentation of these, as they were called."""
        return self._names[self.shown]

    @property
    def pair(self) -> ComparedPair | None:
        """Layers of these; ``None`` when one is gone."""
        return self._pairs[self.shown]

    def look_at(self, layer: Labels | None) -> None:
        """Look at the results of a segmentation, where it is among them."""
        for number, pair in enumerate(self._pairs):
            if layer is not None and pair is not None and pair.layers()[1] is layer:
                self.shown = number

    def pairs(self) -> list[ComparedPair]:
        """Layers of all that are still there, in their order."""
        return [pair for pair in self._pairs if pair is not None]

    def forget_missing(self, present: Sequence[Labels]) -> str | None:
        """Forget layers that are gone; return the name of one that was there before.

        Parameters
        ----------
        present : sequence of napari Labels layers
            Of the viewer.
        """
        name = None
        for number, pair in enumerate(self._pairs):
            missing = None if pair is None else pair.first_missing(present)
            if missing is not None:
                self._pairs[number] = None
                name = name or missing
        return name

    def kept(self) -> dict[str, Kept]:
        """What each comparison leaves for a later one, by the id of its layer."""
        found = {}
        for pair, comparison in zip(self._pairs, self.series.comparisons, strict=True):
            layer = None if pair is None else pair.layers()[1]
            if layer is not None and comparison.kept is not None:
                found[str(layer.unique_id)] = comparison.kept
        return found

    def watched(self) -> tuple[list[Labels], Sums]:
        """Layers whose edits put the results out of date, and their check sums."""
        layers: list[Labels] = []
        sums: list[Sum | None] = []
        for pair, comparison in zip(self._pairs, self.series.comparisons, strict=True):
            both = (None, None) if pair is None else pair.layers()
            for layer, value in zip(both, comparison.sums, strict=True):
                if layer is not None and not any(layer is other for other in layers):
                    layers.append(layer)
                    sums.append(value)
        return layers, tuple(sums)


def layers_of(pairs: Sequence[ComparedPair]) -> list[Labels]:
    """Ground truth, then every segmentation, as far as they are there."""
    found: list[Labels] = []
    for pair in pairs:
        for layer in pair.layers():
            if layer is not None and not any(layer is other for other in found):
                found.append(layer)
    return found
