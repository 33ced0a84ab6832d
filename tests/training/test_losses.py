import pytest
import torch
from monai.losses import DiceCELoss

from napari_segtrain.config import LossConfig
from napari_segtrain.image import IGNORE_INDEX
from napari_segtrain.training.losses import SegmentationLoss


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 16, 16, generator=generator)
    targets = torch.randint(0, 3, (2, 16, 16), generator=generator).to(torch.uint8)
    return logits.requires_grad_(), targets


def test_it_is_monais_dice_plus_cross_entropy(batch):
    logits, targets = batch
    expected = DiceCELoss(
        softmax=True, to_onehot_y=True, batch=True, smooth_nr=1.0, smooth_dr=1.0
    )(logits, targets.long().unsqueeze(1))
    torch.testing.assert_close(
        SegmentationLoss(LossConfig())(logits, targets), expected
    )


def test_unlabelled_voxels_count_as_if_cut_away(batch):
    logits, targets = batch
    loss = SegmentationLoss(LossConfig())
    cropped = loss(logits[..., :10], targets[..., :10])
    targets[..., 10:] = IGNORE_INDEX
    whole = loss(logits, targets)
    torch.testing.assert_close(whole, cropped)
    whole.backward()
    assert (logits.grad[..., 10:] == 0).all()
    assert (logits.grad[..., :10] != 0).any()


def test_a_batch_without_labels_changes_nothing(batch):
    logits, targets = batch
    loss = SegmentationLoss(LossConfig())(
        logits, torch.full_like(targets, IGNORE_INDEX)
    )
    loss.backward()
    assert torch.isfinite(loss)
    assert logits.grad.abs().max() < 1e-6


def test_weights_choose_the_parts(batch):
    logits, targets = batch
    both = SegmentationLoss(LossConfig(dice_weight=2, cross_entropy_weight=3))
    dice = SegmentationLoss(LossConfig(dice_weight=1, cross_entropy_weight=0))
    entropy = SegmentationLoss(LossConfig(dice_weight=0, cross_entropy_weight=1))
    torch.testing.assert_close(
        both(logits, targets), 2 * dice(logits, targets) + 3 * entropy(logits, targets)
    )
