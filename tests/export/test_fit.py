"""The loop learns, repeats itself, and goes on after a kill as if nothing had happened."""

import numpy as np
import pytest
import torch

from export.architecture import Architecture
from export.examples import Examples
from export.fit import fit, predict
from export.network import ResNet
from export.recipe import Recipe
from export.statistics import auc

TINY = Architecture(32, 1, (4, 4, 8, 8), (1, 1, 1, 1), 3, True, (1, 1, 2, 1), 0.1, False, False)


def examples(seed, number=64):
    """Noise with a bright (benign) or dark (malignant) square; one in four is malignant."""
    rng = np.random.default_rng(seed)
    malignant = np.arange(number) % 4 == 0
    images = rng.integers(60, 180, (number, 1, 32, 32)).astype(np.uint8)
    images[:, :, 10:22, 10:22] = np.where(malignant, 20, 220)[:, None, None, None]
    return Examples(images, malignant)


def train(epochs=4, seed=0, state=None, report=lambda log: None):
    torch.manual_seed(seed)
    network = ResNet(TINY)
    result = fit(
        network,
        examples(1),
        examples(2),
        Recipe(epochs=epochs, batch=16),
        seed=seed,
        state=state,
        report=report,
    )
    return network, result


def test_it_learns():
    network, result = train(epochs=12)
    assert result.log[-1].validation_auc > 0.95
    assert result.log[-1].train_loss < result.log[0].train_loss
    held_out = examples(3)
    logits = predict(network, held_out.images)
    assert auc(held_out.malignant, logits).value > 0.95


def test_the_same_seed_gives_the_same_weights_and_another_seed_others():
    first, again, other = train()[0], train()[0], train(seed=1)[0]
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert not torch.equal(first.fc.weight, other.fc.weight)


class KilledError(Exception):
    pass


@pytest.mark.parametrize("after", [1, 3])
def test_a_killed_run_goes_on_as_if_nothing_had_happened(tmp_path, after):
    def kill(log):
        if len(log) == after:
            raise KilledError

    with pytest.raises(KilledError):
        train(state=tmp_path / "state.safetensors", report=kill)
    torch.rand(7)  # whatever else the process does
    resumed, result = train(state=tmp_path / "state.safetensors")
    whole, expected = train()
    assert [e.validation_auc for e in result.log] == [e.validation_auc for e in expected.log]
    assert [e.train_loss for e in result.log] == [e.train_loss for e in expected.log]
    assert all(
        torch.equal(a, b)
        for a, b in zip(resumed.state_dict().values(), whole.state_dict().values(), strict=True)
    )


def test_the_best_epoch_is_kept_and_training_stops_when_nothing_improves():
    torch.manual_seed(0)
    network = ResNet(TINY)
    noise = Examples(examples(5).images, np.random.default_rng(0).random(64) < 0.5)
    result = fit(
        network,
        noise,
        noise,
        Recipe(epochs=40, patience=2, learning_rate=1e-6),
        seed=0,
        report=lambda log: None,
    )
    aucs = [epoch.validation_auc for epoch in result.log]
    assert aucs[result.best] == max(aucs)
    assert len(aucs) < 40
    assert len(aucs) == result.best + 1 + 2
