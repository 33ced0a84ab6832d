from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from napari_segtrain.config import MuonSolver
from napari_segtrain.training.muon import Muon, orthogonal
from napari_segtrain.training.optim import build_optimizer

RATE, MOMENTUM, DECAY = 0.1, 0.6, 0.01
KERNELS = [
    ((48, 24, 3, 3), False),
    ((24, 1, 3, 3), False),
    ((8, 24, 1, 1), False),
    ((10, 30), False),
    ((16, 8, 3, 3, 3), False),
    ((96, 48, 2, 2), True),
    ((12, 24, 1, 2, 2), True),
]


def random_kernel(shape: tuple[int, ...]) -> torch.Tensor:
    values = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    if len(shape) == 4:
        return values.contiguous(memory_format=torch.channels_last)
    return values


def as_matrix(kernel: torch.Tensor) -> torch.Tensor:
    """First axis by all others."""
    return kernel.flatten(1)


def newton_schulz(matrix: torch.Tensor) -> torch.Tensor:
    """Three steps as they are published, on the matrix itself."""
    a, b, c = 3.4445, -4.7750, 2.0315
    values = matrix / matrix.norm()
    for _ in range(3):
        gram = values @ values.T
        values = a * values + (b * gram + c * gram @ gram) @ values
    return values


@pytest.mark.parametrize(("shape", "has_inputs_first"), KERNELS)
def test_singular_values_become_alike_and_directions_stay(shape, has_inputs_first):
    kernel = random_kernel(shape)
    turned = as_matrix(orthogonal(kernel, has_inputs_first=has_inputs_first))
    n_first, n_second = turned.shape
    ratio = n_second / n_first if has_inputs_first else n_first / n_second
    scale = max(1.0, ratio) ** 0.5
    sizes = torch.linalg.svdvals(turned) / scale
    assert 0.5 < sizes.min() < sizes.max() < 1.5
    left, _, right = torch.linalg.svd(as_matrix(kernel), full_matrices=False)
    nearest = left @ right
    cosine = (nearest * turned).sum() / nearest.norm() / turned.norm()
    assert cosine > 0.97


@pytest.mark.parametrize("shape", [(6, 4, 3, 3), (40, 2, 3, 3), (5, 7)])
def test_the_result_is_that_of_the_published_iteration(shape):
    kernel = random_kernel(shape)
    matrix = as_matrix(kernel)
    is_tall = matrix.shape[0] > matrix.shape[1]
    expected = newton_schulz(matrix.T).T if is_tall else newton_schulz(matrix)
    expected = expected * max(1.0, matrix.shape[0] / matrix.shape[1]) ** 0.5
    turned = orthogonal(kernel, has_inputs_first=False)
    torch.testing.assert_close(as_matrix(turned), expected, rtol=1e-4, atol=1e-5)


def test_a_transposed_convolution_is_turned_as_its_transpose():
    kernel = random_kernel((12, 24, 2, 2))
    turned = orthogonal(kernel, has_inputs_first=True)
    expected = orthogonal(as_matrix(kernel).T, has_inputs_first=False).T
    torch.testing.assert_close(as_matrix(turned), expected, rtol=1e-4, atol=1e-5)


def test_weak_directions_are_raised_forty_fold_and_not_to_1():
    left, right = (torch.linalg.qr(random_kernel((8, 8)))[0] for _ in range(2))
    given = torch.tensor([1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.001])
    matrix = left @ torch.diag(given / given.norm()) @ right.T
    sizes = torch.linalg.svdvals(orthogonal(matrix, has_inputs_first=False))
    raised = (left.T @ orthogonal(matrix, has_inputs_first=False) @ right).diagonal()
    assert 0.6 < raised[:5].min() < raised.max() < 1.25
    assert raised[6:] == pytest.approx(40 * given[6:] / given.norm(), rel=0.1)
    assert sizes.min() < 0.05


def test_size_and_memory_layout_of_a_gradient_do_not_matter():
    kernel = random_kernel((6, 4, 3, 3))
    turned = orthogonal(kernel, has_inputs_first=False)
    small = orthogonal(1e-6 * kernel.contiguous(), has_inputs_first=False)
    torch.testing.assert_close(turned, small, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("momentum", [0.0, MOMENTUM])
def test_matrices_follow_the_rule_and_vectors_follow_sgd(momentum):
    layer = nn.Linear(3, 2)
    weight, bias = (p.detach().clone() for p in layer.parameters())
    solver = MuonSolver(momentum=momentum)
    optimizer = build_optimizer(layer, solver, RATE, DECAY)
    matrix, vector = torch.zeros(2, 3), torch.zeros(2)
    for seed in range(3):
        torch.manual_seed(seed)
        layer.weight.grad, layer.bias.grad = torch.randn(2, 3), torch.randn(2)
        optimizer.step()
        matrix = momentum * matrix + layer.weight.grad
        ahead = layer.weight.grad + momentum * matrix
        weight = weight * (1 - RATE * DECAY) - RATE * newton_schulz(ahead)
        vector = 0.9 * vector + layer.bias.grad
        bias = bias - RATE / 2 * (layer.bias.grad + 0.9 * vector)
    torch.testing.assert_close(layer.weight.detach(), weight)
    torch.testing.assert_close(layer.bias.detach(), bias)


def test_weights_without_gradient_stay():
    network = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    optimizer = Muon(network, lr=RATE, momentum=MOMENTUM, weight_decay=DECAY)
    before = [p.detach().clone() for p in network.parameters()]
    network[1].weight.grad = torch.ones(3, 3)
    optimizer.step()
    changed = [
        not torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True)
    ]
    assert changed == [False, False, True, False]


def test_a_gradient_of_zero_is_no_step():
    layer = nn.Conv2d(2, 4, 3)
    optimizer = Muon(layer, lr=RATE, momentum=MOMENTUM, weight_decay=0.0)
    before = layer.weight.detach().clone()
    layer.weight.grad = torch.zeros_like(layer.weight)
    optimizer.step()
    assert torch.equal(layer.weight, before)


def test_every_parameter_is_in_one_group():
    network = nn.Sequential(
        nn.Conv3d(1, 4, 3), nn.BatchNorm3d(4), nn.ConvTranspose3d(4, 2, 2), nn.PReLU()
    )
    network.register_parameter("positions", nn.Parameter(torch.zeros(5, 3)))
    groups = Muon(network, lr=1, momentum=0.5, weight_decay=0.1).param_groups
    shapes = [[tuple(p.shape) for p in group["params"]] for group in groups]
    assert shapes[0] == [(4, 1, 3, 3, 3)]
    assert shapes[1] == [(4, 2, 2, 2, 2)]
    assert (5, 3) in shapes[2]
    n_taken = sum(math.prod(shape) for group in shapes for shape in group)
    assert n_taken == sum(p.numel() for p in network.parameters())
