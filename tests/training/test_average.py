import torch
from torch import nn

from napari_segtrain.config import AdamWSolver
from napari_segtrain.training.checkpoint import optimizer_tensors, restore_optimizer
from napari_segtrain.training.ema import WeightAverage
from napari_segtrain.training.optim import build_optimizer, memory_layout


def make_network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1))


def test_the_average_is_the_weighted_mean_of_what_came():
    network = nn.Linear(1, 1, bias=False)
    nn.init.constant_(network.weight, 0.0)
    average = WeightAverage(network, decay=0.9)
    expected = 0.0
    for step in range(200):
        nn.init.constant_(network.weight, float(step))
        average.update(network, step)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
    torch.testing.assert_close(
        average.state["weight"].item(), expected, rtol=1e-4, atol=0
    )
    assert network.weight.item() == 199.0


def test_batch_norms_are_measured_for_the_average():
    network = make_network()
    average = WeightAverage(network, decay=0.9)
    images = [torch.randn(4, 1, 16, 16) * 3 + 5 for _ in range(6)]
    before = {k: v.clone() for k, v in network.state_dict().items()}
    average.recalibrate(network, images)
    features = torch.cat([network[0](image) for image in images])
    measured = average.state["1.running_mean"]
    torch.testing.assert_close(measured, features.mean((0, 2, 3)), rtol=1e-4, atol=1e-4)
    variance = torch.stack([network[0](i).var((0, 2, 3)) for i in images]).mean(0)
    torch.testing.assert_close(average.state["1.running_var"], variance)
    assert all(torch.equal(before[k], v) for k, v in network.state_dict().items())
    assert network.training
    assert network[1].momentum == 0.1


def test_a_nan_is_seen():
    network = make_network()
    average = WeightAverage(network, decay=0.9)
    assert average.is_finite()
    average.state["0.weight"][0] = float("nan")
    assert not average.is_finite()


def test_restored_moments_go_on_the_same_in_any_layout():
    layout = memory_layout(torch.device("cpu"), is_2d=True)
    images = torch.randn(2, 1, 16, 16)

    def advance(network, optimizer, n_steps):
        for _ in range(n_steps):
            optimizer.zero_grad()
            network(images.contiguous(memory_format=layout)).square().mean().backward()
            optimizer.step()

    whole = make_network().to(memory_format=layout)
    optimizer = build_optimizer(whole, AdamWSolver(), 0.01, 1e-4)
    advance(whole, optimizer, 3)
    moments = {k: v.contiguous() for k, v in optimizer_tensors(optimizer).items()}
    parts = make_network().to(memory_format=layout)
    parts.load_state_dict(whole.state_dict())
    second = build_optimizer(parts, AdamWSolver(), 0.01, 1e-4)
    restore_optimizer(second, moments)
    advance(whole, optimizer, 3)
    advance(parts, second, 3)
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(parts.state_dict()[name], value, rtol=0, atol=0)
