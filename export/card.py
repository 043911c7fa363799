"""MODEL_CARD.md: what the model is for, what it was made from, and where it must not be believed.

The headings follow the example of a model card in the FDA's draft guidance "Artificial Intelligence-Enabled
Device Software Functions: Lifecycle Management and Marketing Submission Recommendations" (January 2025).
"""

from __future__ import annotations

from typing import Any

from edge.contract.spec import ModelSpec

INTENDED_USE = (
    "Research on telling benign from malignant salivary-gland tumours in B-mode ultrasound. It shows a "
    "risk beside the picture; it does not diagnose and must not decide on treatment. Not a medical device."
)
LIMITS = (
    "Valid for pictures like those of its study only: same kind of scanner, settings, lesions and patients. "
    "Its distance from the training images tells many other pictures, but not all: a normal gland may pass. "
    "Its probability holds for the prevalence of its study. Nothing is known of other sites before sonocart "
    "evaluate has been run there."
)
UNTESTED = "Not judged yet. Run: sonocart evaluate BUNDLE STUDY --card MODEL_CARD.md"
FIGURES = ("auc", "sensitivity", "specificity", "accuracy", "ppv", "npv", "training_accuracy")
"""The seven that the study behind the project reports."""

WRITTEN = {"training_accuracy": "in training"}


def model_card(spec: ModelSpec, judgement: dict[str, Any] | None = None) -> str:
    """The card as Markdown.

    Args:
        spec: of the model.
        judgement: what `sonocart evaluate` found; None before the model has been judged.
    """
    made, size = spec.provenance, spec.preprocessing
    parts = "\n".join(f"| {part} | {number} | {made.groups[part]} |" for part, number in made.images.items())
    points = "\n".join(f"| {point.name} | {point.threshold:.4f} |" for point in spec.operating_points)
    return f"""# Model card: {spec.name}

## Device information
- Name: {spec.name}; made {made.created} with sonocart {made.sonocart}, torch {made.torch}.
- Manufacturer: whoever ran the training; the kit is a tool and no manufacturer.
- Regulatory status: **research only**. Neither cleared nor approved by any authority.

## Intended use
{spec.intended_use}

- Users: researchers who know the study; not for patients, not for screening, not unattended.
- Input: live or recorded B-mode video of a lesion that a clinician has found.
- Place in the workflow: beside the scanner's picture, or hidden until the reader has graded.

## Model description
- Input tensor: luma of the {size.region}, {size.width}x{size.height} pixels, uint8; `{size.id}`.
- Outputs: {"; ".join(f"`{output.name}` {output.shape}: {output.meaning}" for output in spec.outputs)}.
- Network: {made.network}, {made.parameters} parameters, seed {made.seed}.
- Probability: temperature {spec.temperature:.3f}, fitted on held-out images of the study.
- Learning: locked; it does not change in use.

Malignant if the risk is at least the threshold of the operating point; chosen on validation images only.
In use: {spec.operating_point}.

| operating point | threshold |
|---|---|
{points}

## Data
Study {made.study_sha256[:12]}. A group is a patient, or a cluster of near-duplicate images where patients
are not known; no group is in two parts. Reference standard: pathology, as the study's labels say.

| part | images | groups |
|---|---|---|
{parts}

Age, sex, ethnicity, scanner settings and how patients were selected: not recorded in the study's manifest, so
nothing can be said of them. Add them here before the card leaves the site.

## Performance
{UNTESTED if judgement is None else _performance(judgement)}

## Limitations
{spec.limits}

- Subgroups are small: a difference between sites or scanners that the report does not show may exist.
- Frames with `ood` above {spec.ood_threshold:.2f} get no risk; the threshold withholds one in twenty of the
  validation images.
- Colour Doppler, elastography, calipers, menus and lost contact are withheld by gates that look at the frame.

## Risk management
| hazard | measure |
|---|---|
| a malignant lesion called benign | shown with an interval, never as a verdict; contradiction flag |
| a number without meaning on another organ | `ood`, gates, "not ultrasound"; reason on the screen |
| a stale or frozen picture | age on the screen, risk withheld after 0.5 s |
| a damaged or exchanged model | hash chain, signature, golden frames at every start |
| a reader who leans on the number | second-reader mode; research notice on every picture |
| loss of accuracy by quantising | clinical gate on sensitivity before a precision is admitted |

## Lifecycle and maintenance
- Before use at a site: `sonocart evaluate` on its own cases, and again after a change of scanner or software.
- The bundle's id changes with any byte; an update is a new bundle with a new card.
- Report wrong or missing results to whoever made the model; keep the session log.
"""


def _performance(judgement: dict[str, Any]) -> str:
    number, point = judgement["n"], judgement["operating_point"]
    matrix, perfect = judgement["confusion_matrix"], judgement["expected_calibration_error_if_perfect"]
    of = f" of {judgement['patients']} patients" if judgement["patients"] else ""
    rows = "\n".join(f"| {WRITTEN.get(name, name)} | {_figure(judgement[name])} |" for name in FIGURES)
    counts = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in matrix.items())
    error = judgement["expected_calibration_error"]
    images = f"{number['benign']} benign and {number['malignant']} malignant images{of}"
    return f"""{judgement["precision"]}, {images} that the model was not made with, at
"{point["name"]}" (risk {point["threshold"]:.3f}). All proportions come from one confusion matrix: {counts}.

| figure | value (95 % interval by image: DeLong, Wilson) | 95 % interval by patient: bootstrap |
|---|---|---|
{rows}
| expected calibration error | {error:.3f}; a perfect model would show {perfect["mean"]:.3f} | |
| Brier score | {judgement["brier"]:.3f} | |

"In training" is the accuracy on images that the network has learnt: it says nothing of others."""


def _figure(figure: dict[str, Any] | None) -> str:
    if figure is None:
        return "not recorded | "
    if figure["value"] is None:
        return "nothing counted | "
    over = figure["over_patients"]
    by_patient = "patients not known" if over is None else f"{over['low']:.3f} to {over['high']:.3f}"
    return f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f}) | {by_patient}"
