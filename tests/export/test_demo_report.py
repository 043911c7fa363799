"""The demo's page says each thing once, and of whom."""

import json

from export.demo_report import FIGURES, write_report


def write_results(out):
    figure = {"value": 0.9, "low": 0.8, "high": 1.0}
    evaluation = {
        "n": {"benign": 30, "malignant": 18},
        "precision": "int8",
        "patients": 24,
        "operating_point": {"name": "balanced", "threshold": 0.4},
        "ceiling": {"auc": 0.953},
        **dict.fromkeys(FIGURES, figure),
    }
    agreement = {
        "agreement": {"images": 48, "flips": 0, "max_difference": 0.01, "mean_difference": 0.001},
        "gate": {"verdict": "passes"},
        "calibration_images": 100,
        "method": "max",
        "bytes": 1,
        "fp32_bytes": 4,
    }
    for folder in ("study", "run"):
        (out / folder).mkdir()
    (out / "evaluation.json").write_text(json.dumps(evaluation))
    (out / "agreement.json").write_text(json.dumps(agreement))
    (out / "study/study.json").write_text(json.dumps({"ceiling_auc": 0.938}))
    (out / "run/log.csv").write_text("train_loss,validation_loss,validation_auc\n0.5,0.5,0.7\n")


def test_each_ceiling_says_of_which_lesions_it_is(tmp_path):
    write_results(tmp_path)
    page = write_report(tmp_path).read_text()
    assert "0.953 on the lesions of these 24 patients" in page
    assert "0.938 on all lesions that the phantom can draw" in page


def test_a_reason_is_one_row_whatever_its_seconds(tmp_path):
    write_results(tmp_path)
    reasons = [None, *(f"last risk is {age} s old" for age in (0.5, 0.6, 0.7)), "frozen"]
    records = [
        {"captured_ns": n * 10**9, "risk": None if reason else 0.5, "low": 0.4, "high": 0.6, "reason": reason}
        for n, reason in enumerate(reasons)
    ]
    (tmp_path / "session.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    session = {"stages": {}, "engine": "CPU", "captured": 5, "presented": 5, "dropped": 0, "risks": 1}
    (tmp_path / "session.json").write_text(json.dumps(session))
    (tmp_path / "overlay.mp4").touch()
    page = write_report(tmp_path).read_text()
    assert page.count("withheld: last risk is") == 1
    assert "<td>withheld: last risk is … s old</td><td>3</td>" in page
