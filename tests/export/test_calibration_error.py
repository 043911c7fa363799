"""ECE beside what chance alone would give."""

import numpy as np

from export.calibration_error import perfect_calibration_error


def test_few_images_show_an_error_where_there_is_none_and_many_do_not():
    rng = np.random.default_rng(3)
    few, many = (perfect_calibration_error(rng.random(n)) for n in (50, 4000))
    assert 0.08 < few.mean < 0.16
    assert many.mean < 0.02
    assert few.high > few.mean


def test_certain_risks_that_hold_show_none():
    assert perfect_calibration_error(np.repeat([0.0, 1.0], 20)).high == 0
