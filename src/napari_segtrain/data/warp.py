"""Rotation, scale, shear, bending and shifted slices as one resampling of a batch.

A `Warp` says for every voxel of a patch where in the image it comes from. It is drawn
before the patches are read, so that just enough of their surroundings is read with
them and no border has to be made up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from napari_segtrain.axes import anisotropy
from napari_segtrain.config.presets import Geometry
from napari_segtrain.data.splines import spline_field
from napari_segtrain.image import IGNORE_INDEX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_segtrain.axes import ZYX, VoxelSize
    from napari_segtrain.config.presets import Augmentation
    from napari_segtrain.data.chance import Chance

_PLANE, _SPACE = 2, 3
_REACH = {"linear": 1, "cubic": 2}
"""Voxels that interpolation looks at on either side."""
_MAX_ANISOTROPY = 1.5
"""z over xy voxel size, or one over it, up to which volumes are warped in depth."""


@dataclass(frozen=True)
class Warp:
    """Where the voxels of each patch come from, relative to the patch's center.

    Parameters
    ----------
    size : tuple of int
        Patch in voxels, ([Z], Y, X).
    moved : tuple of int
        Samples of the batch that are warped; the others stay as they are.
    matrices : Tensor, shape (M, D, D)
        From positions in the patch to positions in the image, voxels in the order of
        the axes; D is 2 for warps in the plane.
    bends : Tensor of shape (M, D, ...), optional
        Displacements at control points, voxels.
    shifts : Tensor of shape (M, Z, 2), optional
        Of each slice along Y and X, voxels.
    geometry : Geometry
        Spacing of control points, interpolation.
    """

    size: tuple[int, ...]
    moved: tuple[int, ...]
    matrices: torch.Tensor
    bends: torch.Tensor | None
    shifts: torch.Tensor | None
    geometry: Geometry

    def margin(self) -> ZYX:
        """Voxels around the patches that are looked at, the same in Y and X."""
        n_axes = self.matrices.shape[-1]
        half = torch.tensor([(s - 1) / 2 for s in self.size[-n_axes:]])
        reach = (self.matrices.abs() * half).sum(-1) - half
        if self.bends is not None:
            reach += self.bends.abs().flatten(2).amax(-1)
        if self.shifts is not None:
            reach[:, -2:] += self.shifts.abs().amax(1)
        beyond = _REACH[self.geometry.interpolation]
        most = [max(0, math.ceil(r) + beyond) for r in reach.amax(0).tolist()]
        plane = max(most[-2:])
        return (most[0] if n_axes == _SPACE else 0, plane, plane)

    def apply(
        self, images: torch.Tensor, targets: torch.Tensor, margin: ZYX
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Sample patches from their surroundings.

        Parameters
        ----------
        images : Tensor, shape (N, C, [Z], Y, X)
            Patches with ``margin`` voxels on each side.
        targets : Tensor of uint8, shape (N, [Z], Y, X)
            Class indices of the same voxels.
        margin : ZYX
            Voxels on each side.

        Returns
        -------
        Tensor, Tensor
            Patches; voxels from beyond the surroundings are unlabelled.
        """
        if self.matrices.shape[-1] == _PLANE:
            depth, margin = (margin[0], 0, 0), (0, *margin[1:])
            images, targets = crop(images, depth), crop(targets, depth)
        if len(self.moved) == len(images):
            return self._sample(images, targets)
        index = torch.tensor(self.moved, device=images.device)
        warped = self._sample(images[index], targets[index])
        kept = crop(images, margin).clone(), crop(targets, margin).clone()
        for whole, part in zip(kept, warped, strict=True):
            whole[index] = part
        return kept

    def _sample(
        self, images: torch.Tensor, targets: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        above = targets.unsqueeze(1).to(images.dtype) - IGNORE_INDEX
        if self.matrices.shape[-1] == _SPACE or images.dim() == _PLANE + 2:
            image, label = self._resample(images, above)
        elif self.shifts is None:
            image, label = self._resample(images.flatten(1, 2), above.squeeze(1))
            image, label = image.unflatten(1, images.shape[1:3]), label.unsqueeze(1)
        else:
            slices = (images.transpose(1, 2), above.transpose(1, 2))
            flat = (part.flatten(0, 1) for part in slices)
            image, label = (
                part.unflatten(0, images.shape[0:3:2]).transpose(1, 2)
                for part in self._resample(*flat)
            )
        return image, (label.squeeze(1).round() + IGNORE_INDEX).to(torch.uint8)

    def _resample(
        self, images: torch.Tensor, above: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        grid = self._grid(images.shape[2:], images.device)
        is_cubic = self.geometry.interpolation == "cubic"
        mode = "bicubic" if is_cubic and images.dim() == _PLANE + 2 else "bilinear"
        images = functional.grid_sample(
            images, grid, mode=mode, padding_mode="border", align_corners=False
        )
        return images, functional.grid_sample(
            above, grid, mode="nearest", align_corners=False
        )

    def _grid(self, wide: Sequence[int], device: torch.device) -> torch.Tensor:
        """Positions in the units of `grid_sample`, shape (M, ..., D), X first."""
        n_axes = self.matrices.shape[-1]
        size = self.size[-n_axes:]
        matrices = self.matrices.to(device)
        bends = None
        if self.bends is not None:
            spacing = self.geometry.elastic_spacing
            bends = spline_field(self.bends.to(device), size, spacing)
        n_slices = self.size[0] if self.shifts is not None and n_axes == _PLANE else 1
        grid = torch.empty(
            len(matrices) * n_slices, *size, n_axes, dtype=torch.float32, device=device
        )
        for axis in range(n_axes):
            place = _linear(matrices[:, axis], size)
            if bends is not None:
                place = place + bends[:, axis]
            place = self._shifted(place, axis - n_axes)
            grid[..., n_axes - 1 - axis] = place * (2 / wide[axis])
        return grid

    def _shifted(self, place: torch.Tensor, axis: int) -> torch.Tensor:
        """Add the shift of each slice; ``axis`` is -2 for Y and -1 for X."""
        if self.shifts is None or axis < -_PLANE:
            return place
        shift = self.shifts[..., axis].to(place.device)[..., None, None]
        if place.dim() == 1 + _SPACE:
            return place + shift
        return (place.unsqueeze(1) + shift).flatten(0, 1)


def crop(tensor: torch.Tensor, margin: ZYX) -> torch.Tensor:
    """View without ``margin`` voxels on each side; of slices Y and X count."""
    for axis, width in zip((-1, -2, -3), margin[::-1], strict=True):
        if width:
            tensor = tensor.narrow(axis, width, tensor.shape[axis] - 2 * width)
    return tensor


def is_in_plane(voxel_size: VoxelSize | None) -> bool:
    """Whether volumes are warped slice by slice: voxels are long in z, or unknown."""
    ratio = anisotropy(voxel_size)
    return ratio is None or not 1 / _MAX_ANISOTROPY <= ratio <= _MAX_ANISOTROPY


def draw_warp(
    settings: Augmentation, size: tuple[int, ...], chance: Chance, *, in_plane: bool
) -> Warp | None:
    """Draw how a batch is warped; ``None`` when it is not.

    Parameters
    ----------
    settings : Augmentation
        Probabilities and ranges.
    size : tuple of int
        Patch in voxels, ([Z], Y, X).
    chance : Chance
        Of as many samples as the batch has.
    in_plane : bool
        Leave positions along Z as they are.
    """
    geometry = settings.geometry
    is_volume = len(size) == _SPACE
    in_depth = is_volume and geometry.in_depth and not in_plane
    n_axes = _SPACE if in_depth else _PLANE
    matrices = torch.eye(n_axes).repeat(chance.n, 1, 1)
    bends = None
    if chance.uniform(1).item() < settings.affine_probability:
        matrices = _draw_matrices(settings, n_axes, chance)
        bends = _draw_bends(geometry, size[-n_axes:], chance)
    shifts = _draw_shifts(settings, size[0], chance) if is_volume else None
    moved = [index for index, names in enumerate(chance.names) if names]
    if not moved:
        return None
    return Warp(
        size,
        tuple(moved),
        matrices[moved],
        None if bends is None else bends[moved],
        None if shifts is None else shifts[moved],
        geometry,
    )


def _draw_matrices(settings: Augmentation, n_axes: int, chance: Chance) -> torch.Tensor:
    geometry = settings.geometry
    matrices = torch.eye(n_axes).repeat(chance.n, 1, 1)
    rotated = chance.choose("rotation", geometry.rotation_probability)
    for first, second in ((-2, -1), (-3, -1), (-3, -2))[: 1 if n_axes == _PLANE else 3]:
        angle = chance.signed(len(rotated)) * math.radians(settings.max_rotation)
        turn = torch.eye(n_axes).repeat(len(rotated), 1, 1)
        turn[:, first, first] = turn[:, second, second] = torch.cos(angle)
        turn[:, first, second], turn[:, second, first] = -torch.sin(angle), angle.sin()
        matrices[rotated] = matrices[rotated] @ turn
    sheared = chance.choose("shear", geometry.shear_probability)
    angle = chance.signed(len(sheared), n_axes, n_axes)
    slope = torch.tan(angle * math.radians(geometry.max_shear))
    shear = torch.eye(n_axes) + slope * (1 - torch.eye(n_axes))
    matrices[sheared] = matrices[sheared] @ shear
    scaled = chance.choose("scale", geometry.scale_probability)
    matrices[scaled] /= chance.factor(settings.max_scale, len(scaled), 1, 1)
    stretched = chance.choose("stretch", geometry.axis_scale_probability)
    factors = chance.factor(geometry.max_axis_scale, len(stretched), n_axes, 1)
    matrices[stretched] /= factors
    return matrices


def _draw_bends(
    geometry: Geometry, size: tuple[int, ...], chance: Chance
) -> torch.Tensor | None:
    bent = chance.choose("elastic", geometry.elastic_probability)
    if not bent:
        return None
    points = [math.ceil(s / geometry.elastic_spacing) + 3 for s in size]
    bends = torch.zeros(chance.n, len(size), *points)
    bends[bent] = chance.signed(len(bent), len(size), *points)
    return bends.mul_(geometry.max_displacement)


def _draw_shifts(
    settings: Augmentation, n_slices: int, chance: Chance
) -> torch.Tensor | None:
    """Each slice on its own, or all from one on."""
    shifted = chance.choose("slice shift", settings.stack.shift_probability)
    if not shifted:
        return None
    shifts = torch.zeros(chance.n, n_slices, 2)
    for index in shifted:
        steps = chance.signed(n_slices, 2) * settings.stack.max_shift
        if n_slices > 1 and chance.integer(0, 2):
            first = chance.integer(1, n_slices)
            steps = steps[:1] * (torch.arange(n_slices) >= first)[:, None]
        shifts[index] = steps
    return shifts


def _linear(row: torch.Tensor, size: tuple[int, ...]) -> torch.Tensor:
    """One coordinate of every voxel after a matrix, shape (M, *size)."""
    total = row.new_zeros(len(row), *[1] * len(size))
    for axis, length in enumerate(size):
        steps = torch.arange(length, dtype=row.dtype, device=row.device)
        shape = [1] * (len(size) + 1)
        shape[axis + 1] = length
        weights = row[:, axis].view(-1, *[1] * len(size))
        total = total + (steps - (length - 1) / 2).view(shape) * weights
    return total
