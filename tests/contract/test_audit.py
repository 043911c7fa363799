"""Every change to the audit log is told by the number of its line."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from edge.cli import run
from edge.contract.audit import append, verify
from edge.errors import DataError, NoInputError, TransferError


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "state/audit.jsonl"
    for number in range(5):
        append(path, "refused", f"bundle {number}")
    return path


def altered(log, change):
    lines = log.read_bytes().splitlines(keepends=True)
    change(lines)
    log.write_bytes(b"".join(lines))
    return pytest.raises(DataError)


def test_entries_come_back_in_order(log, capsys):
    assert [entry.detail for entry in verify(log)] == [f"bundle {number}" for number in range(5)]
    assert run(["audit", "verify", str(log), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 5
    run(["audit", "verify", str(log)])
    assert "5 entries, the chain holds" in capsys.readouterr().out


def test_edited_byte_names_its_neighbour(log):
    def edit(lines):
        lines[2] = lines[2].replace(b"bundle 2", b"bundle 9")

    with altered(log, edit) as error:
        verify(log)
    assert "line 4 does not follow line 3" in str(error.value)


def test_removed_inserted_and_cut_lines_are_told(log):
    whole = log.read_bytes()
    for change, message in (
        (lambda lines: lines.pop(1), "line 2 does not follow line 1"),
        (lambda lines: lines.insert(3, lines[0]), "line 4 does not follow line 3"),
        (lambda lines: lines.__delitem__(slice(3, 5)), "end was cut"),
        (
            lambda lines: lines.__setitem__(4, lines[4].replace(b"bundle 4", b"bundle x")),
            "last line, 5, altered",
        ),
        (lambda lines: lines.__setitem__(1, b"{}\n"), "line 2 was altered"),
    ):
        log.write_bytes(whole)
        with altered(log, change) as error:
            verify(log)
        assert message in str(error.value)


def test_line_torn_by_a_power_cut_makes_room_and_the_chain_holds(log):
    with log.open("ab") as file:
        file.write(b'{"time":"2026')
    append(log, "running", "after the cut")
    assert [entry.event for entry in verify(log)] == ["refused"] * 5 + ["running"]


def test_power_cut_between_line_and_head_is_no_alteration(log):
    head = log.with_name("audit.jsonl.head")
    before = head.read_bytes()
    append(log, "running", "x")
    head.write_bytes(before)
    assert len(verify(log)) == 6


def test_writers_at_once_lose_nothing(log):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: append(log, "running", str(n)), range(20)))
    assert len(verify(log)) == 25


def test_missing_log_and_unwritable_folder_are_told(tmp_path):
    with pytest.raises(NoInputError):
        verify(tmp_path / "none.jsonl")
    (tmp_path / "file").write_text("")
    with pytest.raises(TransferError):
        append(tmp_path / "file/audit.jsonl", "x", "y")


def test_cut_end_stays_told_when_the_log_goes_on(log):
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(lines[:3]))
    append(log, "running", "bundle 9")
    entries = verify(log)
    assert [entry.event for entry in entries[3:]] == ["damaged", "running"]
    assert "3 lines were here; the head says 5" in entries[3].detail


def test_power_cut_between_line_and_head_is_no_damage(log):
    head = log.with_name(log.name + ".head")
    before = head.read_bytes()
    append(log, "running", "bundle 5")
    head.write_bytes(before)
    append(log, "running", "bundle 6")
    assert "damaged" not in {entry.event for entry in verify(log)}


def test_a_flipped_bit_that_leaves_no_text_names_its_line(log):
    lines = log.read_bytes().splitlines(keepends=True)
    at = lines[2].index(b"bundle 2")
    lines[2] = lines[2][:at] + bytes([lines[2][at] ^ 0x80]) + lines[2][at + 1 :]
    log.write_bytes(b"".join(lines))
    with pytest.raises(DataError, match="line 3 was altered"):
        verify(log)
