from __future__ import annotations

import json
import shutil
from contextlib import suppress
from pathlib import Path

import av
import msgspec
import numpy as np
import pydicom
import pytest
from PIL import Image

from edge.cli import run
from edge.errors import (
    ConfigError,
    DataError,
    NoInputError,
    SonocartError,
    TransferError,
    UnavailableError,
    UsageError,
)
from edge.outputs.dicom.finding import Finding, read_finding
from edge.service import dicom_command as command
from edge.service.config import read_settings

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

FIELD = "40,30,200,150"


def test_the_help_shows_a_file_of_a_finding_that_can_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with suppress(SystemExit):
        run(["dicom", "write", "--help"])
    shown = capsys.readouterr().out
    path = tmp_path / "finding.json"
    path.write_text(shown[shown.index("{") : shown.rindex("}") + 1])
    assert read_finding(path).box is not None


@pytest.fixture(autouse=True)
def no_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the cart's configuration would be, whatever machine the tests run on."""
    path = tmp_path / "etc" / "sonocart.toml"
    monkeypatch.setattr("edge.service.dicom_command.SYSTEM_FILE", path)
    return path


@pytest.fixture
def inputs(tmp_path: Path, finding: Finding, monkeypatch: pytest.MonkeyPatch) -> Path:
    """still.png, clip.mkv, finding.json and order.json in the working folder."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(3)
    Image.fromarray(rng.integers(1, 256, (240, 320, 3)).astype(np.uint8)).save("still.png")
    with av.open("clip.mkv", "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "gray"
        for _ in range(3):
            picture = rng.integers(1, 256, (240, 320)).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="gray")))
        container.mux(stream.encode())
    Path("finding.json").write_bytes(msgspec.json.encode(finding))
    order = {
        "00080050": {"vr": "SH", "Value": ["ACC-1"]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Müller^Eva"}]},
        "00100020": {"vr": "LO", "Value": ["MRN-7"]},
    }
    Path("order.json").write_text(json.dumps(order))
    return tmp_path


def write(*more: str) -> int:
    return run(["dicom", "write", "--still", "still.png", "--out", "study", *more])


def test_a_study_is_written_and_reported(inputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more = [
        "--clip",
        "clip.mkv",
        "--finding",
        "finding.json",
        "--field",
        FIELD,
        "--pixel-mm",
        "0.1",
        "--json",
    ]
    assert write(*more) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["files"] == ["clean-still.dcm", "clean-clip.dcm", "report.dcm"]
    clip = pydicom.dcmread(inputs / "study" / "clean-clip.dcm")
    assert (clip.NumberOfFrames, clip.PhotometricInterpretation, float(clip.FrameTime)) == (
        3,
        "MONOCHROME2",
        40,
    )
    assert clip.PatientIdentityRemoved == "YES"


def test_an_identified_study_takes_its_names_from_the_worklist(inputs: Path) -> None:
    more = ["--finding", "finding.json", "--field", "whole", "--worklist", "order.json", "--identified"]
    assert write(*more) == 0
    assert str(pydicom.dcmread(inputs / "study" / "report.dcm").PatientName) == "Müller^Eva"


def test_a_patient_can_be_entered(inputs: Path) -> None:
    more = ["--at", "2026-11-20T10:11:12+01:00", "--field", FIELD, "--identified"]
    assert write(*more, "--patient-id", "MRN-8", "--patient-name", "Roe^Jo", "--accession", "ACC-2") == 0
    still = pydicom.dcmread(inputs / "study" / "clean-still.dcm")
    assert (still.PatientID, str(still.PatientName), still.AccessionNumber) == ("MRN-8", "Roe^Jo", "ACC-2")


@pytest.mark.parametrize(
    ("more", "error"),
    [
        (["--field", "whole"], UsageError),
        (["--field", "1,2", "--finding", "finding.json"], UsageError),
        (["--field", "whole", "--at", "yesterday"], UsageError),
        (["--field", "whole", "--finding", "finding.json", "--worklist", "order.json"], UsageError),
        (["--field", "whole", "--finding", "finding.json", "--identified"], UsageError),
        (["--field", "unmasked", "--finding", "finding.json"], DataError),
        (["--field", "whole", "--finding", "still.png"], DataError),
        (["--field", "whole", "--finding", "none.json"], NoInputError),
        (["--field", "whole", "--finding", "finding.json", "--clip", "none.mp4"], NoInputError),
        (["--field", "whole", "--finding", "finding.json", "--clip", "finding.json"], DataError),
        (["--field", "whole", "--finding", "finding.json", "--clip", "still.png"], DataError),
    ],
)
def test_bad_input_is_named_and_nothing_is_written(
    inputs: Path, more: list[str], error: type[SonocartError]
) -> None:
    with pytest.raises(error):
        write(*more)
    assert not (inputs / "study").exists()


def test_a_clip_that_is_cut_off_leaves_no_half_study(inputs: Path) -> None:
    raw = Path("clip.mkv").read_bytes()
    for length in (10, 200, len(raw) // 2):
        Path("cut.mkv").write_bytes(raw[:length])
        with suppress(DataError):
            write("--field", FIELD, "--finding", "finding.json", "--clip", "cut.mkv")
            assert pydicom.dcmread("study/clean-clip.dcm").NumberOfFrames in (1, 2)
            shutil.rmtree("study")
        assert not Path("study").exists()


def test_send_stores_now_or_later(inputs: Path, archives, capsys: pytest.CaptureFixture[str]) -> None:
    write("--field", FIELD, "--finding", "finding.json")
    with pytest.raises(UnavailableError, match="2 objects wait"):
        run(["dicom", "send", "study", "--to", "ARCHIVE@127.0.0.1:1", "--queue", "queue"])
    archive = archives()
    address = f"ARCHIVE@127.0.0.1:{archive.port}"
    assert run(["dicom", "echo", "--to", address]) == 0
    capsys.readouterr()
    assert run(["dicom", "send", "--to", address, "--queue", "queue", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["stored"] == 2
    assert len(archive.received) == 2


def test_a_refusal_is_reported_and_can_be_retried(
    inputs: Path, archives, capsys: pytest.CaptureFixture[str]
) -> None:
    write("--field", FIELD, "--finding", "finding.json")
    archive = archives(status=0xA900)
    send = ["dicom", "send", "--to", f"ARCHIVE@127.0.0.1:{archive.port}", "--queue", "queue"]
    with pytest.raises(TransferError, match="0xA900"):
        run([*send, "study"])
    capsys.readouterr()
    run(["dicom", "queue", "--queue", "queue", "--json"])
    assert [row["tries"] for row in json.loads(capsys.readouterr().out)["refused"]] == [1, 1]
    run(["dicom", "queue", "--queue", "queue", "--retry"])
    archive.status = 0
    assert run(send) == 0


def test_an_empty_folder_and_a_dead_pacs_are_named(inputs: Path) -> None:
    Path("empty").mkdir()
    with pytest.raises(NoInputError, match="empty"):
        run(["dicom", "send", "empty", "--to", "A@127.0.0.1:1", "--queue", "queue"])
    with pytest.raises(UnavailableError, match="does not answer"):
        run(["dicom", "echo", "--to", "A@127.0.0.1:1"])


@pytest.mark.parametrize("more", [[], ["--retry"]])
def test_a_queue_that_is_not_there_is_not_an_empty_one(inputs: Path, more: list[str]) -> None:
    with pytest.raises(NoInputError, match="is not a folder"):
        run(["dicom", "queue", "--queue", "none", *more])
    assert not Path("none").exists()


def test_faulty_configuration_is_read_only_for_what_is_not_given(
    inputs: Path, archives, no_configuration: Path
) -> None:
    archive = archives()
    no_configuration.parent.mkdir()
    no_configuration.write_text("[dicm]\n")
    write("--field", FIELD, "--at", "2026-11-20T10:11:12+01:00")
    to = ["--to", f"ARCHIVE@127.0.0.1:{archive.port}", "--from", "CART3"]
    assert run(["dicom", "echo", *to]) == 0
    assert run(["dicom", "send", "study", *to, "--queue", "queue"]) == 0
    assert run(["dicom", "queue", "--queue", "queue"]) == 0
    with pytest.raises(ConfigError):
        run(["dicom", "echo", *to[:2]])


def test_configuration_is_read_once(
    inputs: Path, archives, no_configuration: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, read = archives(), []
    no_configuration.parent.mkdir()
    no_configuration.write_text(f'[dicom]\nqueue = "q"\npacs = "ARCHIVE@127.0.0.1:{archive.port}"\n')
    monkeypatch.setattr(command, "read_settings", lambda *a: read.append(1) or read_settings(*a))
    assert run(["dicom", "send"]) == 0
    assert read == [1]


def test_queue_and_pacs_are_those_of_the_configuration(
    inputs: Path, archives, no_configuration: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = archives()
    no_configuration.parent.mkdir()
    (inputs / "cart.toml").write_text('[dicom]\nqueue = "waiting"\n')
    no_configuration.write_text(
        f'[dicom]\nqueue = "../waiting"\npacs = "ARCHIVE@127.0.0.1:{archive.port}"\nown_title = "CART3"\n'
    )
    write("--field", FIELD, "--at", "2026-11-20T10:11:12+01:00")
    with pytest.raises(UnavailableError, match="waiting"):
        run(["dicom", "send", "study", "--to", "ARCHIVE@127.0.0.1:1"])
    capsys.readouterr()
    assert run(["dicom", "queue", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["waiting"]) == 1
    assert run(["dicom", "queue", "--config", "cart.toml", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["waiting"]) == 1
    assert run(["dicom", "send", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["stored"] == 1
    assert run(["dicom", "echo"]) == 0


def test_a_pacs_that_nobody_names_is_asked_for(inputs: Path) -> None:
    with pytest.raises(UsageError, match=r"\[dicom\] pacs"):
        run(["dicom", "echo"])


def test_a_broken_configuration_is_an_error_as_for_the_service(inputs: Path, no_configuration: Path) -> None:
    no_configuration.parent.mkdir()
    no_configuration.write_text('[dicom]\nqeue = "x"\n')
    with pytest.raises(ConfigError, match="did you mean 'queue'"):
        run(["dicom", "queue"])
