"""The display window of a grey DICOM picture, straight to 8 bits (PS3.3 C.11.1 and C.11.2).

Whatever range the stored values have, signed or rescaled, the window's ends are black and white.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pydicom import Dataset

Grey = NDArray[np.float64]


def has_window(dataset: Dataset) -> bool:
    """True if the file says how its values become grey levels."""
    if dataset.get("VOILUTSequence"):
        return True
    return all(dataset.get(name) not in (None, "") for name in ("WindowCenter", "WindowWidth"))


def through_window(dataset: Dataset, stored: NDArray[Any]) -> Grey:
    """Stored values as grey levels, 0 to 255: the first lookup table, or else the first window.

    Raises:
        ValueError: the window or the table makes no sense.
    """
    from pydicom.pixels.processing import apply_modality_lut

    values = np.asarray(apply_modality_lut(stored, dataset), np.float64)
    if dataset.get("VOILUTSequence"):
        return _looked_up(dataset, values)
    centre, width = (float(np.atleast_1d(dataset[name].value)[0]) for name in ("WindowCenter", "WindowWidth"))
    function = str(dataset.get("VOILUTFunction") or "LINEAR").upper()
    if not width >= 1 and not (width > 0 and function != "LINEAR"):
        raise ValueError(f"the display window is {width:g} wide, expected 1 or more")
    if function == "LINEAR":
        return _ramp(values, centre - 0.5, width - 1)
    if function == "LINEAR_EXACT":
        return _ramp(values, centre, width)
    if function == "SIGMOID":
        return 127.5 * (1 + np.tanh(2 * (values - centre) / width))  # as 255 / (1 + exp(-4 ...))
    raise ValueError(f"display windows by '{function}' are not known")


def _ramp(values: Grey, centre: float, width: float) -> Grey:
    if width == 0:
        return np.where(values > centre, 255.0, 0.0)
    return 255.0 * np.clip((values - centre) / width + 0.5, 0.0, 1.0)


def _looked_up(dataset: Dataset, values: Grey) -> Grey:
    """Through the table, whose entries have as many bits as its descriptor says, whatever the pixels have."""
    item = dataset.VOILUTSequence[0]
    count, first, bits = (int(number) for number in item.LUTDescriptor)
    count = count or 1 << 16
    data = item.LUTData
    if isinstance(data, bytes):
        narrow = len(data) < 2 * count
        data = np.frombuffer(data, np.uint8 if narrow else _word(dataset))
    table = np.asarray(data, np.float64)[:count]
    if len(table) < count:
        raise ValueError(f"the lookup table has {len(table)} of {count} entries")
    index = np.clip(np.rint(values) - first, 0, count - 1).astype(np.intp)
    grey: Grey = np.minimum(table[index] * (255.0 / (2**bits - 1)), 255.0)
    return grey


def _word(dataset: Dataset) -> str:
    little = dataset.file_meta.TransferSyntaxUID.is_little_endian
    return "<u2" if little else ">u2"
