"""What a check of data says: lines for people and records for machines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from raypose.inspection.finding import KINDS, Finding
from raypose.inspection.sources import Source
from raypose.inspection.statistics import split_statistics


def report_lines(source: Source, findings: Sequence[Finding], shown: int | None) -> Iterator[str]:
    """Yield the report, findings in groups of a kind.

    Args:
        source: what was read.
        findings: sorted by kind.
        shown: findings of a kind to list, None for all; the others are counted.
    """
    for labels in source.labels:
        numbers = split_statistics(labels)
        yield (
            f"{labels.split}: {labels.file}, {numbers['images']} images, "
            f"{numbers['instances']} instances, {numbers['keypoints_labelled']:.1%} of the "
            f"{labels.skeleton.num_keypoints} keypoints labelled"
        )
    yield from source.notes
    for kind, group in groupby(findings, key=lambda finding: finding.kind):
        members = list(group)
        severity, about = KINDS[kind]
        yield ""
        yield f"{severity}: {about} ({kind}, {len(members)})"
        for finding in members[:shown]:
            place = " ".join(word for word in (finding.file, finding.id) if word)
            yield f"  {place}: {finding.message}"
        if shown is not None and len(members) > shown:
            yield f"  and {len(members) - shown} more"
    yield ""
    yield _summary(findings)


def report_record(source: Source, findings: Sequence[Finding]) -> dict[str, Any]:
    """Return the whole report as plain data."""
    counts = {kind: sum(f.kind == kind for f in findings) for kind in KINDS}
    return {
        "splits": {labels.split: split_statistics(labels) for labels in source.labels},
        "counts": {kind: count for kind, count in counts.items() if count},
        "findings": [finding.to_dict() for finding in findings],
        "notes": list(source.notes),
    }


def _summary(findings: Sequence[Finding]) -> str:
    errors = sum(finding.severity == "error" for finding in findings)
    if not findings:
        return "nothing was found"
    warnings = len(findings) - errors
    return f"{errors} error{'s' * (errors != 1)}, {warnings} warning{'s' * (warnings != 1)}"
