"""The densities that lesions are drawn from, and the ceiling that follows from them."""

import numpy as np
import pytest

from edge.phantom.latents import (
    LABELS,
    LATENTS,
    PATHOLOGIES,
    area_under_curve,
    ceiling_auc,
    draw_latents,
    draw_pathology,
    log_likelihood_ratio,
)


def test_shares_of_each_label_add_up_and_every_latent_has_a_mean() -> None:
    for label in LABELS:
        assert sum(row.share for row in PATHOLOGIES if row.label == label) == pytest.approx(1)
    assert {len(row.means) for row in PATHOLOGIES} == {len(LATENTS)}


def test_ceiling_leaves_the_task_hard_but_possible() -> None:
    assert 0.93 < ceiling_auc() < 0.96


def test_likelihood_ratio_is_calibrated() -> None:
    """Of lesions whose exact probability is near p, a share p is malignant: only the true ratio does that."""
    rng = np.random.default_rng(1)
    labels = ["malignant"] * 4000 + ["benign"] * 4000
    latents = np.asarray([draw_latents(rng, draw_pathology(rng, label)) for label in labels])
    probability = 1 / (1 + np.exp(-log_likelihood_ratio(latents)))
    for low in (0.0, 0.2, 0.4, 0.6, 0.8):
        there = (probability >= low) & (probability < low + 0.2)
        found = np.asarray([label == "malignant" for label in labels])[there].mean()
        assert found == pytest.approx(probability[there].mean(), abs=4 * np.sqrt(0.25 / there.sum()))


def test_area_under_curve_counts_ties_half() -> None:
    assert area_under_curve(np.array([0.0, 1.0]), np.array([2.0, 3.0])) == 1.0
    assert area_under_curve(np.array([0.0, 1.0]), np.array([0.0, 1.0])) == 0.5
    assert area_under_curve(np.array([1.0]), np.array([0.0, 1.0, 2.0])) == 0.5
