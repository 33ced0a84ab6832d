"""Pictures of augmented patches, drawn in a thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_segtrain.ui.widgets.patch_pictures import labelled_picture
from napari_segtrain.ui.widgets.picture_rows import Pictures

if TYPE_CHECKING:
    from napari_segtrain.data.dataset import Dataset
    from napari_segtrain.image import ClassTable
    from napari_segtrain.training.augmented_patches import (
        AugmentationPreview,
        ShownPatch,
    )
    from napari_segtrain.training.plan import TrainingPlan

_FIRST, _OTHER = "as it is", "changed"
_SAME = "not changed"


@dataclass(frozen=True)
class Drawn:
    """What was drawn.

    Parameters
    ----------
    rows : tuple of Pictures
        One per patch; the first picture is the patch as it is.
    is_changed : bool
        Whether any of the other pictures differs from it.
    """

    rows: tuple[Pictures, ...]
    is_changed: bool


class AugmentedPictures:
    """Draws patches of a planned training, as they are and changed.

    Parameters
    ----------
    plan : TrainingPlan
        Patches and augmentation.
    dataset : Dataset
        What was planned for.
    """

    def __init__(self, plan: TrainingPlan, dataset: Dataset) -> None:
        self._plan = plan
        self._dataset = dataset
        self._preview: AugmentationPreview | None = None

    @property
    def classes(self) -> ClassTable:
        """Names and colors of what is outlined."""
        return self._plan.facts.classes

    def draw(self, seed: int) -> Drawn:
        """Draw a row per patch; for a thread, and quicker when it was called before."""
        from napari_segtrain.training.augmented_patches import AugmentationPreview

        if self._preview is None:
            self._preview = AugmentationPreview(self._plan, self._dataset)
        has_slices = self._plan.facts.n_slices > len(self._plan.facts.names)
        patches = self._preview.draw(seed)
        return Drawn(
            tuple(_row(p, self.classes, has_slices=has_slices) for p in patches),
            any(version.changes for patch in patches for version in patch.versions),
        )


def _row(patch: ShownPatch, classes: ClassTable, *, has_slices: bool) -> Pictures:
    changed = patch.versions[1:]
    return Pictures(
        images=tuple(
            labelled_picture(v.image, v.truth, classes) for v in patch.versions
        ),
        titles=(_FIRST, *[_OTHER] * len(changed)),
        caption=f"{patch.name} · slice {patch.z}" if has_slices else patch.name,
        details=(_FIRST, *(", ".join(v.changes) or _SAME for v in changed)),
    )
