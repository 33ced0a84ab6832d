"""What the memory of an iteration hangs on, and how to need less of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from napari_segtrain.axes import ZYX, size_text
from napari_segtrain.networks import round_up_to_grid

if TYPE_CHECKING:
    from napari_segtrain.networks import NetworkInfo
    from napari_segtrain.training.plan import TrainingPlan


@dataclass(frozen=True)
class Footprint:
    """How much is computed at once, and where.

    Parameters
    ----------
    batch_size : int
        Patches per iteration.
    patch_size : ZYX
        Voxels.
    recomputes : bool
        Whether the network computes its stages twice rather than keep their inside.
    leaves_gpu : bool
        Whether the processor computes, whatever device was planned.
    """

    batch_size: int
    patch_size: ZYX
    recomputes: bool = False
    leaves_gpu: bool = False

    @classmethod
    def planned(cls, plan: TrainingPlan) -> Footprint:
        """Footprint of a run that has not met a limit."""
        return cls(plan.batch_size, plan.patch_size)

    def lighter(
        self, info: NetworkInfo, *, can_recompute: bool, is_on_gpu: bool
    ) -> Footprint | None:
        """Need less memory: by batch, then patch, then recomputation, then the CPU.

        Parameters
        ----------
        info : NetworkInfo
            Grid and smallest input of the network.
        can_recompute : bool
            Whether the network has stages that may be computed twice.
        is_on_gpu : bool
            Whether there is a processor to fall back on.

        Returns
        -------
        Footprint or None
            ``None`` when nothing is left to be done without.
        """
        if self.batch_size > 1:
            return replace(self, batch_size=self.batch_size // 2)
        patch = _smaller_patch(self.patch_size, info)
        if patch != self.patch_size:
            return replace(self, patch_size=patch)
        if can_recompute and not self.recomputes:
            return replace(self, recomputes=True)
        if is_on_gpu and not self.leaves_gpu:
            return replace(self, leaves_gpu=True)
        return None

    def change_since(self, before: Footprint) -> str:
        """Say what is less now than before, to follow on "going on"."""
        if self.leaves_gpu != before.leaves_gpu:
            return "on the processor, which is slower"
        if self.recomputes != before.recomputes:
            return (
                "with parts of the network computed twice instead of kept in memory "
                "(gradient checkpointing), which is slower"
            )
        if self.patch_size != before.patch_size:
            sizes = size_text(self.patch_size), size_text(before.patch_size)
            return f"with patches of {sizes[0]} voxels instead of {sizes[1]}"
        many = "es" if self.batch_size > 1 else ""
        return (
            f"with {self.batch_size} patch{many} per iteration instead of "
            f"{before.batch_size}"
        )


def _smaller_patch(patch: ZYX, info: NetworkInfo) -> ZYX:
    """Halve the longest side, and with it one of the same length in the plane.

    Sides stay multiples of the grid and no shorter than the network's smallest input.
    """
    least = round_up_to_grid(info.min_size, info.grid)
    sides = zip(patch, info.grid, least, strict=True)
    halves = [max(low, n // 2 // step * step) for n, step, low in sides]
    lengths = [n if half < n else 0 for n, half in zip(patch, halves, strict=True)]
    longest = max(lengths)
    if not longest:
        return patch
    chosen = {axis for axis, length in enumerate(lengths) if length == longest}
    if len(chosen) > 1:
        chosen.discard(0)
    z, y, x = (halves[a] if a in chosen else n for a, n in enumerate(patch))
    return z, y, x
