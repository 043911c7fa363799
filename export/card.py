"""MODEL_CARD.md: what the model is for, what it was made from, and where it must not be believed."""

from __future__ import annotations

from edge.contract.spec import ModelSpec
from export.run_folder import Run

INTENDED_USE = (
    "Research on telling benign from malignant salivary-gland tumours in B-mode ultrasound. It shows a "
    "risk beside the picture; it does not diagnose and must not decide on treatment. Not a medical device."
)
LIMITS = (
    "Valid for pictures like those of its study only: same kind of scanner, settings, lesions and patients. "
    "It always gives a number, also for normal glands and other organs. Its probability holds for the "
    "prevalence of its study. Nothing is known of other sites before sonocart evaluate has been run there."
)


def model_card(spec: ModelSpec, run: Run) -> str:
    """The card as Markdown."""
    made = spec.provenance
    parts = "\n".join(f"| {part} | {number} | {made.groups[part]} |" for part, number in made.images.items())
    points = "\n".join(f"| {point.name} | {point.threshold:.4f} |" for point in spec.operating_points)
    size = spec.preprocessing
    return f"""# {spec.name}

**Intended use.** {spec.intended_use}

**Limits.** {spec.limits}

## Model
- Input: luma of the {size.region}, {size.width}x{size.height} pixels, uint8; `{size.id}`.
- Outputs: {"; ".join(f"`{output.name}` {output.shape}: {output.meaning}" for output in spec.outputs)}.
- Network: {made.network}, {made.parameters} parameters, seed {made.seed}, best epoch {run.best_epoch + 1}.
- Made {made.created} with sonocart {made.sonocart}, torch {made.torch}.
- Probability: temperature {spec.temperature:.3f}, fitted on the validation part.

## Data
Study {made.study_sha256[:12]}, {run.prevalence:.0%} of the training images malignant. A group is a patient,
or a cluster of near-duplicate images where patients are not known; no group is in two parts.

| part | images | groups |
|---|---|---|
{parts}

## Operating points
Malignant if the risk is at least the threshold. Chosen on the validation part only.
In use: {spec.operating_point}.

| name | threshold |
|---|---|
{points}

## Figures
Run `sonocart evaluate BUNDLE STUDY` for AUC, sensitivity, specificity, PPV and NPV with intervals.
"""
