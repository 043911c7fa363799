"""Everything that `sonocart run` can be told, by a TOML file or on the command line.

To add a setting, add one line to its section below:

    quality: Annotated[Percent, says("JPEG quality of the page", option="--page-quality", metavar="N")] = 80

That alone gives the key `quality` in the file, checked by its type, the option `--page-quality` on the
command line (none without `option`), its line in `sonocart config example`, and `settings.page.quality` in
`edge/daemon.py`. The type does the checking: `Annotated[int, Meta(ge=1, le=100)]`, a Literal, an Enum, a
Path (which starts from the file's folder). A new section is one more struct here and one more line in
`Settings`. A setting needs a restart to change unless the daemon registers how to change it live:
`reload.on("page.quality", lambda new: ...)`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edge.sources.pace import Pace

Seconds = Annotated[float, Meta(gt=0, lt=1e6)]
Pixels = Annotated[int, Meta(ge=0)]
Threads = Annotated[int, Meta(ge=1, le=64)]
Precision = Literal["fp32", "fp16", "int8", "int8+fp16"]


def says(text: str, *, option: str | None = None, metavar: str | None = None, example: object = None) -> Meta:
    """What a setting means, its option on the command line if it has one, and an example where the default
    is None or shows nothing.
    """
    return Meta(description=text, extra={"option": option, "metavar": metavar, "example": example})


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file. Every setting has a default; None means that it is not set."""


class SourceSettings(Section, frozen=True):
    """Where the picture comes from."""

    address: Annotated[
        str | None,
        says(
            "a video, image or DICOM file, a folder of images as a clip, v4l2:DEVICE, rtsp://, igtl://, "
            "images:FOLDER,fps=N, phantom: for the synthetic scanner; faults:SCRIPT; in front of any",
            option="--source",
            metavar="SOURCE",
            example="v4l2:/dev/video0",
        ),
    ] = None
    profiles: Annotated[
        Path | None,
        says(
            "JSON file of known screens and their ultrasound fields",
            option="--profiles",
            metavar="FILE",
            example="/var/lib/sonocart/profiles.json",
        ),
    ] = None
    loop: Annotated[bool, says("begin a file again at its end", option="--loop")] = False
    pace: Annotated[
        Pace,
        says(
            "live: as a scanner, newest frame only; max: every frame, as fast as possible",
            option="--pace",
            metavar="{live,max}",
        ),
    ] = Pace.LIVE


class ModelSettings(Section, frozen=True):
    """Which model looks at it, and where."""

    bundle: Annotated[
        Path | None, says("folder made by sonocart export", example="/var/lib/sonocart/bundle")
    ] = None
    precision: Annotated[
        Precision, says("of the network", option="--precision", metavar="{fp32,fp16,int8,int8+fp16}")
    ] = "fp32"
    operating_point: Annotated[
        str | None,
        says(
            "name of one of the model's own", option="--operating-point", metavar="NAME", example="balanced"
        ),
    ] = None
    roi: Annotated[
        tuple[Pixels, Pixels, Pixels, Pixels] | None,
        says(
            "region in pixels; default: found", option="--roi", metavar="X,Y,W,H", example=[320, 90, 960, 720]
        ),
    ] = None
    trust: Annotated[
        Path | None,
        says(
            "refuse a bundle that no key in this folder signed",
            option="--trust",
            metavar="FOLDER",
            example="/etc/sonocart/trust",
        ),
    ] = None
    last_good: Annotated[
        Path | None,
        says(
            "folder for a copy of the bundle that last passed, run where another one fails",
            example="/var/lib/sonocart/last-good",
        ),
    ] = None
    baseline: Annotated[
        Path | None,
        says(
            "what sonocart accept wrote; drift is watched against it",
            option="--baseline",
            metavar="FILE",
            example="/var/lib/sonocart/baseline.json",
        ),
    ] = None
    passport: Annotated[
        Path | None,
        says(
            "passport.json of this cart; its id is shown",
            option="--passport",
            metavar="FILE",
            example="/etc/sonocart/passport.json",
        ),
    ] = None
    audit: Annotated[
        Path | None,
        says(
            "append-only log of bundles run, refused and restored",
            option="--audit",
            metavar="FILE",
            example="/var/lib/sonocart/audit.jsonl",
        ),
    ] = None
    threads: Annotated[
        Threads | None,
        says(
            "of one inference on the CPU; default: half of the cores; sonocart bench threads measures",
            option="--threads",
            metavar="N",
            example=2,
        ),
    ] = None
    spin: Annotated[bool, says("these threads wait busily for the next picture, see threads")] = False
    own_process: Annotated[
        bool, says("run the network in a process of its own, which is killed and replaced where it hangs")
    ] = True


class PageSettings(Section, frozen=True):
    """The live picture in a browser."""

    address: Annotated[
        str | None,
        says(
            "serve the live picture; on loopback, unless there are tokens",
            option="--page",
            metavar="HOST:PORT",
            example="127.0.0.1:8765",
        ),
    ] = None
    tokens: Annotated[
        Path | None,
        says(
            'JSON file with an "operator" and perhaps a "viewer" token that visitors have to show',
            option="--page-tokens",
            metavar="FILE",
            example="/etc/sonocart/tokens.json",
        ),
    ] = None
    certificate: Annotated[
        Path | None,
        says(
            "PEM file; serve over TLS",
            option="--page-certificate",
            metavar="FILE",
            example="/etc/sonocart/cart.pem",
        ),
    ] = None
    key: Annotated[
        Path | None,
        says(
            "PEM file of the certificate's key, unless it is in the same file",
            option="--page-key",
            metavar="FILE",
            example="/etc/sonocart/cart.key",
        ),
    ] = None
    hosts: Annotated[
        tuple[str, ...],
        says(
            "further names of this machine that the page answers to, without the port",
            option="--page-hosts",
            metavar="NAME,NAME",
        ),
    ] = ()
    viewers: Annotated[int, Meta(ge=1, le=200), says("at a time, at most")] = 64
    megabits: Annotated[
        float,
        Meta(ge=1, le=100_000),
        says(
            "a second, for all viewers together; where they are too many for it, each gets fewer pictures, "
            "and smaller ones before fewer than two a second"
        ),
    ] = 400.0


class ScreenSettings(Section, frozen=True):
    """The picture on the cart's own display."""

    full: Annotated[
        bool,
        says("show the picture full-screen, on Wayland, X11 or bare KMS", option="--screen"),
    ] = False


class RecordingSettings(Section, frozen=True):
    """What is kept of a session."""

    video: Annotated[
        Path | None,
        says(
            "record the picture with the overlay, as MP4",
            option="--record",
            metavar="OUT.mp4",
            example="/var/lib/sonocart/session.mp4",
        ),
    ] = None
    log: Annotated[
        Path | None,
        says(
            "one JSON object a presented frame",
            option="--log",
            metavar="OUT.jsonl",
            example="/var/lib/sonocart/session.jsonl",
        ),
    ] = None
    folder: Annotated[
        Path | None,
        says(
            "keep clean and annotated recordings with all estimates here, when asked for on the page",
            option="--recordings",
            metavar="FOLDER",
            example="/var/lib/sonocart/recordings",
        ),
    ] = None
    always: Annotated[bool, says("record into the folder from the start", option="--record-always")] = False
    before_s: Annotated[
        float,
        Meta(ge=0, le=60),
        says("seconds from before the start that are recorded too", option="--record-before", metavar="S"),
    ] = 0.0
    cap_gb: Annotated[
        float, Meta(gt=0, le=100_000), says("all recordings together; the oldest unprotected go first")
    ] = 20.0
    raw: Annotated[
        bool,
        says(
            "record the picture outside the ultrasound field too, patient text and all; is put on record",
            option="--record-raw",
        ),
    ] = False
    black_box: Annotated[
        Path | None,
        says(
            "folder for the last minute with all that was computed, written on SIGUSR1 and on a fault",
            option="--black-box",
            metavar="FOLDER",
            example="/var/lib/sonocart/black-box",
        ),
    ] = None


class DicomSettings(Section, frozen=True):
    """Snapshots and recordings for the hospital's archive, without identity unless `identified` is set."""

    queue: Annotated[
        Path | None,
        says(
            "queue snapshots and recordings as DICOM here",
            option="--dicom",
            metavar="FOLDER",
            example="/var/lib/sonocart/dicom",
        ),
    ] = None
    pacs: Annotated[
        str | None,
        says(
            "send what is queued there",
            option="--pacs",
            metavar="AET@HOST:PORT",
            example="ARCHIVE@10.0.0.5:104",
        ),
    ] = None
    own_title: Annotated[str, says("application entity title of this cart")] = "SONOCART"
    identified: Annotated[
        bool, says("write the name, order and dates of the patient whom these settings name", example=True)
    ] = False
    worklist: Annotated[
        Path | None,
        says(
            "file with the order, read once, when a case begins; and with those to choose from on the page",
            example="/var/lib/sonocart/order.wl",
        ),
    ] = None
    accession: Annotated[str | None, says("which order of the worklist", example="A1234")] = None
    patient_id: Annotated[str | None, says("the patient, where there is no worklist", example="12345")] = None
    patient_name: Annotated[str, says("in DICOM's form, Family^Given")] = ""
    subject: Annotated[str, says("code instead of a name in a study without identity")] = "ANONYMOUS"


class LimitSettings(Section, frozen=True):
    """How much of anything."""

    seconds: Annotated[
        Seconds | None,
        says("end after so many seconds of video", option="--seconds", metavar="N", example=3600.0),
    ] = None


class ServiceSettings(Section, frozen=True):
    """The process itself."""

    lock: Annotated[
        Path | None,
        says(
            "a second instance with the same lock file ends with exit code 75", example="/run/sonocart/lock"
        ),
    ] = None
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        says("what is written to stderr, which is the journal", option="--log-level", metavar="LEVEL"),
    ] = "info"


class Settings(Section, frozen=True):
    """The whole of it: what the file says, with what the command line says in its place."""

    source: SourceSettings = SourceSettings()
    model: ModelSettings = ModelSettings()
    page: PageSettings = PageSettings()
    screen: ScreenSettings = ScreenSettings()
    recording: RecordingSettings = RecordingSettings()
    dicom: DicomSettings = DicomSettings()
    limits: LimitSettings = LimitSettings()
    service: ServiceSettings = ServiceSettings()
