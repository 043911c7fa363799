"""What is wrong with a study before anything is trained on it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.stats import fisher_exact

from edge.study.cases import LABELS, Study
from export.pairs import Pair, group


@dataclass(frozen=True, slots=True)
class Shortcut:
    """Shares of images of each class with a kind of mark, and Fisher's exact p that it tells the class."""

    kind: str
    benign: float
    malignant: float
    p_value: float


@dataclass(frozen=True, slots=True)
class Findings:
    """What a check found; indices are of the study's cases.

    Attributes:
        labels: number of images by label.
        pairs: near-duplicates.
        groups: clusters of near-duplicates with more than one image.
        contradicting: those of `groups` whose images have different labels.
        between_patients: near-duplicate pairs of different patients.
        in_two_parts: near-duplicate pairs, or images of one patient, that the manifest puts into two parts.
        shortcuts: marks by class.
    """

    labels: dict[str, int]
    pairs: tuple[Pair, ...]
    groups: tuple[tuple[int, ...], ...]
    contradicting: tuple[tuple[int, ...], ...]
    between_patients: tuple[Pair, ...]
    in_two_parts: tuple[tuple[int, int], ...]
    shortcuts: tuple[Shortcut, ...]

    @property
    def grave(self) -> bool:
        """True if a split of this study as it stands would leak or teach contradictions."""
        return bool(self.contradicting or self.between_patients or self.in_two_parts)


def check_study(study: Study, kinds: Sequence[Sequence[str]], pairs: Sequence[Pair]) -> Findings:
    """Put together what the images' `kinds` of marks, their near-duplicate `pairs` and the manifest say."""
    cases = study.cases
    clusters = defaultdict(list)
    for index, number in enumerate(group(len(cases), pairs)):
        clusters[number].append(index)
    groups = tuple(tuple(members) for members in clusters.values() if len(members) > 1)
    patients = defaultdict(list)
    for index, case in enumerate(cases):
        if case.patient is not None:
            patients[case.patient].append(index)
    together = [(pair.first, pair.second) for pair in pairs]
    together += [(own[0], other) for own in patients.values() for other in own[1:]]
    return Findings(
        labels=dict(Counter(case.label for case in cases)),
        pairs=tuple(pairs),
        groups=groups,
        contradicting=tuple(m for m in groups if len({cases[i].label for i in m}) > 1),
        between_patients=tuple(p for p in pairs if cases[p.first].patient != cases[p.second].patient),
        in_two_parts=tuple((a, b) for a, b in together if cases[a].part != cases[b].part),
        shortcuts=_shortcuts(study, kinds),
    )


def _shortcuts(study: Study, kinds: Sequence[Sequence[str]]) -> tuple[Shortcut, ...]:
    marked = defaultdict(Counter)  # type: defaultdict[str, Counter[str]]
    for case, own in zip(study.cases, kinds, strict=True):
        for kind in own:
            marked[kind][case.label] += 1
    number = [study.count(label) for label in LABELS]
    out = []
    for kind in ("calipers", "text", "colour"):
        hits = [marked[kind][label] for label in LABELS]
        table = [[hit, total - hit] for hit, total in zip(hits, number, strict=True)]
        out.append(
            Shortcut(kind, hits[0] / number[0], hits[1] / number[1], float(fisher_exact(table).pvalue))
        )
    return tuple(out)
