"""Muon: momentum whose steps are made orthogonal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

if TYPE_CHECKING:
    from collections.abc import Iterable

    Group = dict[str, Any]

_A, _B, _C = 3.4445, -4.7750, 2.0315
"""Coefficients of the quintic iteration, steep at 0 (Jordan 2024)."""
_N_STEPS = 3
"""The published iteration makes five; three raise weak directions 40-fold."""
_TINY = 1e-14
"""Least squared norm of a gradient that is scaled to 1."""
_VECTOR_MOMENTUM = 0.9
_VECTOR_SHARE = 0.5
"""Of the rate, for biases and norms."""


class Muon(torch.optim.Optimizer):
    """Stochastic gradient descent whose steps are about as large in all directions.

    The momentum of a weight of convolutions or linear layers, as a matrix of outputs
    by inputs, is brought near an orthogonal matrix by three steps of a Newton-Schulz
    iteration (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/): singular
    values above a fiftieth of the matrix's norm become 0.7 to 1.2, weaker ones up to 40
    times what they were. A matrix with more outputs than inputs steps further, by the
    root of the ratio. Fused projections count as one matrix. Biases, norms and all
    other parameters follow SGD with a Nesterov momentum of 0.9 at half the rate, and
    are not decayed.

    ``torch.optim.Muon`` takes two-dimensional parameters only and works in bfloat16,
    which is slow on processors without it. Here the iteration runs on the Gram matrix
    of the smaller side, so that the long side is passed twice only.

    Parameters
    ----------
    network : nn.Module
        Parameters that require a gradient are taken.
    lr : float
        Rate: about the size of a step along each direction of a matrix.
    momentum : float
        Of matrices: share of the earlier gradients that the direction of a step keeps.
    weight_decay : float
        Of matrices; decoupled, times the rate.
    """

    def __init__(
        self, network: nn.Module, *, lr: float, momentum: float, weight_decay: float
    ) -> None:
        matrices, transposed = _matrices(network)
        ids = {id(weight) for weight in (*matrices, *transposed)}
        learning = [p for p in network.parameters() if p.requires_grad]
        others = [weight for weight in learning if id(weight) not in ids]
        groups: list[Group] = [
            {"params": matrices, "rows": "outputs"},
            {"params": transposed, "rows": "inputs"},
            {"params": others, "rows": None, "weight_decay": 0.0},
        ]
        super().__init__(
            [group for group in groups if group["params"]],
            {"lr": lr, "momentum": momentum, "weight_decay": weight_decay},
        )

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Make one step; parameters without a gradient stay."""
        del closure
        for group in self.param_groups:
            weights = [p for p in group["params"] if p.grad is not None]
            if weights:
                self._step(weights, group)

    def _step(self, weights: list[torch.Tensor], group: Group) -> None:
        rows, rate = group["rows"], group["lr"]
        momentum = _VECTOR_MOMENTUM if rows is None else group["momentum"]
        gradients = [cast("torch.Tensor", weight.grad) for weight in weights]
        kept = [self._kept(weight) for weight in weights]
        torch._foreach_mul_(kept, momentum)
        torch._foreach_add_(kept, gradients)
        torch._foreach_mul_(weights, 1 - rate * group["weight_decay"])
        for weight, gradient, old in zip(weights, gradients, kept, strict=True):
            ahead = torch.add(gradient, old, alpha=momentum)
            if rows is None:
                weight.add_(ahead, alpha=-rate * _VECTOR_SHARE)
            else:
                turned = orthogonal(ahead, has_inputs_first=rows == "inputs")
                weight.add_(turned, alpha=-rate)

    def _kept(self, weight: torch.Tensor) -> torch.Tensor:
        """Momentum of a weight."""
        state = self.state[weight]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(weight)
        return cast("torch.Tensor", state["momentum_buffer"])


def orthogonal(change: torch.Tensor, *, has_inputs_first: bool) -> torch.Tensor:
    """Bring the singular values of a matrix near 1, but for the weakest.

    Parameters
    ----------
    change : Tensor, shape (outputs, inputs, ...)
        Of a convolution: the kernel's axes count as inputs.
    has_inputs_first : bool
        Whether it is that of a transposed convolution, (inputs, outputs, ...): the
        kernel's axes count as outputs.

    Returns
    -------
    Tensor
        Of the same shape; its singular values about the root of outputs by inputs, at
        least 1.
    """
    order = (0, *range(2, change.dim()), 1)  # a view when channels are last
    last = change.permute(order)
    matrix = last.reshape(len(change), -1)
    is_tall = matrix.shape[0] > matrix.shape[1]
    turned = _turned(matrix.T).T if is_tall else _turned(matrix)
    n_first, n_second = matrix.shape
    ratio = n_second / n_first if has_inputs_first else n_first / n_second
    turned = turned * math.sqrt(max(1.0, ratio))
    back = (0, change.dim() - 1, *range(1, change.dim() - 1))
    return turned.reshape(last.shape).permute(back)


def _turned(wide: torch.Tensor) -> torch.Tensor:
    """Orthogonal matrix next to one that is not higher than wide.

    Each step makes ``(a + b A + c A²) X`` of X, where ``A = X Xᵀ``. All of them are
    polynomials of the first A, so that they are gathered before X is touched.
    """
    gram = wide @ wide.T
    size = gram.diagonal().sum().clamp(min=_TINY)  # of all singular values squared
    gram = gram / size
    gathered = step = _polynomial(gram)
    for _ in range(_N_STEPS - 1):
        gram = step @ gram @ step
        step = _polynomial(gram)
        gathered = step @ gathered
    return torch.mm(gathered / size.sqrt(), wide)


def _polynomial(gram: torch.Tensor) -> torch.Tensor:
    step = torch.addmm(gram, gram, gram, beta=_B, alpha=_C)
    step.diagonal().add_(_A)
    return step


def _matrices(
    network: nn.Module,
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Weights whose first axis are outputs, and those of transposed convolutions."""
    modules = list(network.modules())
    transposed = [m.weight for m in modules if isinstance(m, _ConvTransposeNd)]
    kinds = (_ConvNd, nn.Linear)
    plain = [
        m.weight
        for m in modules
        if isinstance(m, kinds) and not isinstance(m, _ConvTransposeNd)
    ]
    return _learning(plain), _learning(transposed)


def _learning(weights: Iterable[torch.Tensor]) -> list[torch.Tensor]:
    """Each once, without those that are held."""
    return list({id(w): w for w in weights if w.requires_grad}.values())
