"""The echo signal obeys the physics that it claims."""

from dataclasses import replace

import numpy as np
import pytest

from edge.phantom.echo import Speckle, echoes, gaussian, lateral_sigma, ranges_of
from edge.phantom.patient import draw_patient
from edge.phantom.scanner import Scanner, draw_scanner
from edge.phantom.tissue import PARENCHYMA_ATTENUATION, Tissue


@pytest.fixture(params=["linear", "sector"])
def scanner(request: pytest.FixtureRequest) -> Scanner:
    lesion = draw_patient(1, 0, "benign").lesion
    drawn = draw_scanner(np.random.default_rng(1), lesion, request.param)
    return replace(drawn, depth=40.0, focus=15.0, frequency=10.0, f_number=2.0, noise=-300.0, tgc_error=0.0)


def uniform(scanner: Scanner) -> Tissue:
    shape = (len(ranges_of(scanner)), scanner.lines)
    zeros = np.zeros(shape, np.float32)
    return Tissue(zeros, np.full(shape, PARENCHYMA_ATTENUATION, np.float32), zeros.copy(), zeros.copy())


def envelope(tissue: Tissue, scanner: Scanner, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.abs(echoes(tissue, scanner, gaussian(rng, tissue.echo.shape), rng))


def level(part: np.ndarray) -> float:
    return float(10 * np.log10(np.square(part).mean()))


def test_speckle_of_uniform_tissue_is_fully_developed(scanner: Scanner) -> None:
    pixels = np.stack([envelope(uniform(scanner), scanner, seed)[20:-20] for seed in range(4)])
    assert pixels.mean() / pixels.std() == pytest.approx(1.91, abs=0.06)  # Rayleigh
    assert level(pixels) == pytest.approx(0, abs=0.3)


def test_beam_widens_away_from_its_focus(scanner: Scanner) -> None:
    widths = []
    for depth in (15.0, 38.0):
        point = np.zeros((len(ranges_of(scanner)), scanner.lines), np.complex64)
        row = int(np.searchsorted(ranges_of(scanner), depth))
        point[row, scanner.lines // 2] = 1
        seen = np.abs(echoes(uniform(scanner), scanner, point, np.random.default_rng(0)))[row]
        pitch = scanner.width / scanner.lines
        if scanner.geometry == "sector":
            pitch = 2 * scanner.half_angle * (scanner.radius + depth) / scanner.lines
        widths.append(float((seen > seen.max() / 2).sum() * pitch))
        assert widths[-1] == pytest.approx(
            2.355 * lateral_sigma(scanner, ranges_of(scanner))[row], abs=2 * pitch
        )
    assert widths[1] > 1.25 * widths[0]


@pytest.mark.parametrize("attenuation", [0.1, 1.2])
def test_what_lies_behind_is_weakened_by_the_losses_before_it(scanner: Scanner, attenuation: float) -> None:
    tissue = uniform(scanner)
    rows, block = ranges_of(scanner), slice(60, 160)
    thickness = 10.0
    tissue.attenuation[(rows > 10) & (rows < 10 + thickness), block] = attenuation
    behind = np.stack([envelope(tissue, scanner, seed)[(rows > 22) & (rows < 38)] for seed in range(3)])
    difference = level(behind[:, :, 75:145]) - level(behind[:, :, 185:])
    loss = 2 * scanner.frequency * (attenuation - PARENCHYMA_ATTENUATION) * thickness / 10
    assert difference == pytest.approx(-loss, abs=0.7)


def test_electronic_noise_grows_with_depth_as_the_tgc_lifts_it(scanner: Scanner) -> None:
    silent = uniform(scanner)
    silent.echo -= 200
    noisy = envelope(silent, replace(scanner, noise=-60.0))
    rows = ranges_of(scanner)
    shallow, deep = level(noisy[(rows > 8) & (rows < 12)]), level(noisy[(rows > 28) & (rows < 32)])
    assert deep - shallow == pytest.approx(2 * PARENCHYMA_ATTENUATION * scanner.frequency * 2, abs=1)


def test_speckle_decorrelates_smoothly_across_the_sweep(scanner: Scanner) -> None:
    speckle = Speckle([1], scanner)
    here = speckle.at(0.0, 0, 0)

    def likeness(offset: float) -> float:
        there = speckle.at(offset, 0, 0)
        return float(
            np.abs(np.vdot(here, there)) / np.sqrt(np.vdot(here, here).real * np.vdot(there, there).real)
        )

    assert likeness(0.05) > 0.95
    assert 0.5 < likeness(0.5) < 0.9
    assert likeness(2.0) < 0.05
    assert np.abs(speckle.at(0.3, 0, 0)).std() == pytest.approx(np.abs(here).std(), rel=0.02)
    np.testing.assert_array_equal(speckle.at(0.0, 3, 0), np.roll(here, -3, axis=1))
