"""The structures are the kernel's: the header is compiled here and asked."""

import ctypes
import shutil
import subprocess
from pathlib import Path

import pytest

from edge.sources.card import videodev2 as v

HEADER = Path("/usr/include/linux/videodev2.h")
STRUCTS = {
    v.Capability: ("v4l2_capability", ("card", "bus_info", "device_caps")),
    v.FmtDesc: ("v4l2_fmtdesc", ("description", "pixelformat")),
    v.FrmSizeEnum: ("v4l2_frmsizeenum", ("type",)),
    v.FrmIvalEnum: ("v4l2_frmivalenum", ("width", "type")),
    v.PixFormat: ("v4l2_pix_format", ("sizeimage", "colorspace", "quantization")),
    v.Format: ("v4l2_format", ("fmt",)),
    v.RequestBuffers: ("v4l2_requestbuffers", ("memory",)),
    v.Buffer: ("v4l2_buffer", ("bytesused", "flags", "sequence", "memory", "length")),
    v.BtTimings: ("v4l2_bt_timings", ("interlaced", "pixelclock", "standards", "flags")),
    v.DvTimings: ("v4l2_dv_timings", ()),
    v.EnumDvTimings: ("v4l2_enum_dv_timings", ("timings",)),
    v.Input: ("v4l2_input", ("name", "status")),
    v.Event: ("v4l2_event", ("pending", "id")),
    v.EventSubscription: ("v4l2_event_subscription", ("id",)),
    v.StreamParm: ("v4l2_streamparm", ()),
}
REQUESTS = """
QUERYCAP ENUM_FMT G_FMT S_FMT REQBUFS QUERYBUF QBUF DQBUF STREAMON STREAMOFF G_PARM S_PARM ENUMINPUT
G_INPUT ENUM_FRAMESIZES ENUM_FRAMEINTERVALS S_DV_TIMINGS ENUM_DV_TIMINGS QUERY_DV_TIMINGS DQEVENT
SUBSCRIBE_EVENT
""".split()  # noqa: SIM905
CONSTANTS = """
CAP_VIDEO_CAPTURE CAP_VIDEO_CAPTURE_MPLANE CAP_STREAMING CAP_DEVICE_CAPS CAP_TIMEPERFRAME FIELD_NONE
EVENT_SOURCE_CHANGE BUF_FLAG_ERROR BUF_FLAG_TIMESTAMP_MASK BUF_FLAG_TIMESTAMP_MONOTONIC
FRMSIZE_TYPE_DISCRETE FRMIVAL_TYPE_DISCRETE IN_ST_NO_POWER IN_ST_NO_SIGNAL IN_ST_NO_SYNC
IN_ST_NO_H_LOCK COLORSPACE_REC709 COLORSPACE_JPEG COLORSPACE_BT2020 COLORSPACE_DCI_P3
YCBCR_ENC_DEFAULT YCBCR_ENC_601 YCBCR_ENC_709 YCBCR_ENC_XV601 YCBCR_ENC_XV709 YCBCR_ENC_SYCC
QUANTIZATION_DEFAULT QUANTIZATION_FULL_RANGE
""".split()  # noqa: SIM905
OFFSETS = {"tv_sec": "timestamp.tv_sec", "offset": "m.offset"}


@pytest.mark.skipif(not (HEADER.exists() and shutil.which("gcc")), reason="needs gcc and the kernel's header")
def test_sizes_offsets_numbers_and_constants_are_those_of_the_kernels_header(tmp_path):
    said, expected = [], {}

    def ask(expression, value):
        said.append(f'printf("%lu\\n", (unsigned long)({expression}));')
        expected[expression] = value

    for ours, (theirs, members) in STRUCTS.items():
        ask(f"sizeof(struct {theirs})", ctypes.sizeof(ours))
        for member in members:
            ask(f"offsetof(struct {theirs}, {member})", getattr(ours, member).offset)
    for ours, theirs in OFFSETS.items():
        ask(f"offsetof(struct v4l2_buffer, {theirs})", getattr(v.Buffer, ours).offset)
    parm = "offsetof(struct v4l2_streamparm, parm.capture.timeperframe)"
    ask(parm, v.StreamParm.timeperframe.offset)
    for name in REQUESTS:
        ask(f"VIDIOC_{name}", getattr(v, name))
    for name in CONSTANTS:
        ask(f"V4L2_{name}", getattr(v, name))
    ask("V4L2_BUF_TYPE_VIDEO_CAPTURE", v.CAPTURE)
    ask("V4L2_MEMORY_MMAP", v.MMAP)
    ask("V4L2_PIX_FMT_NV12", v.fourcc("NV12"))
    ask("V4L2_PIX_FMT_GREY", v.fourcc("GREY"))

    source = tmp_path / "ask.c"
    body = "\n".join(said)
    source.write_text(
        "#include <stdio.h>\n#include <stddef.h>\n#include <linux/videodev2.h>\n"
        f"int main(void) {{\n{body}\nreturn 0; }}\n"
    )
    subprocess.run(["gcc", "-o", tmp_path / "ask", source], check=True)
    answers = subprocess.run([tmp_path / "ask"], check=True, capture_output=True, text=True).stdout.split()
    assert dict(zip(expected, map(int, answers), strict=True)) == expected


def test_letters_of_a_pixel_format():
    assert v.letters(v.fourcc("YUYV")) == "YUYV"
    assert v.letters(v.fourcc("Y16")) == "Y16"
    assert v.letters(v.fourcc("Y16") | 1 << 31) == "Y16-BE"
