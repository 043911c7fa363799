"""Augmentation changes what physics and knobs may change, and nothing else."""

import torch

from export.augment import augment


def batch():
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(16, 1, 64, 64, generator=generator) * 120 + 60
    images[..., :32, :] += 60  # bright above, dark below
    return images.round()


def test_every_image_gets_its_own_variant():
    one = batch()[:1].repeat(8, 1, 1, 1)
    variants = augment(one, torch.Generator().manual_seed(1))
    assert variants.shape == one.shape
    assert all((variants[i] - variants[j]).abs().max() > 5 for i in range(8) for j in range(i))


def test_the_same_generator_gives_the_same_batch():
    first = augment(batch(), torch.Generator().manual_seed(1))
    assert torch.equal(first, augment(batch(), torch.Generator().manual_seed(1)))


def test_grey_levels_stay_in_range_and_the_input_unchanged():
    images = batch()
    before = images.clone()
    out = augment(images, torch.Generator().manual_seed(2))
    assert out.min() >= 0
    assert out.max() <= 255
    assert torch.equal(images, before)


def test_pictures_are_mirrored_but_never_turned_over():
    images = batch()
    images[..., :32] += 20  # brighter on the left
    out = augment(images.repeat(8, 1, 1, 1), torch.Generator().manual_seed(3))
    middle = out[..., 12:52, 12:52]
    assert ((middle[..., :20, :].mean((1, 2, 3)) - middle[..., 20:, :].mean((1, 2, 3))) > 0).all()
    left = (middle[..., :20].mean((1, 2, 3)) > middle[..., 20:].mean((1, 2, 3))).float().mean()
    assert 0.3 < left < 0.7


def test_black_around_the_field_stays_black():
    images = batch()
    images[..., :, :8] = 0
    images[..., :, -8:] = 0
    assert (augment(torch.zeros(4, 1, 32, 32), torch.Generator().manual_seed(4)) == 0).all()
    out = augment(images.repeat(8, 1, 1, 1), torch.Generator().manual_seed(4))
    assert ((out == 0).float().mean((1, 2, 3)) > 0.05).all()
