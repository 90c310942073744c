"""What the documents show can be served."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from raypose.config.sections import ServeSection
from raypose.distributed.serving.answers import PoseAnswer

REPOSITORY = Path(__file__).resolve().parents[3]
SERVING = (REPOSITORY / "docs" / "serving.md").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


SERVE_FILES = [block for block in blocks(SERVING, "yaml") if "apiVersion" not in block]


@pytest.mark.parametrize("block", SERVE_FILES)
def test_yaml_of_the_document_is_a_serve_file(block: str) -> None:
    ServeSection.model_validate(yaml.safe_load(block))


def test_the_readme_shows_a_serve_file() -> None:
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    (block,) = [b for b in blocks(text, "yaml") if b.startswith("# serve.yaml")]
    section = ServeSection.model_validate(yaml.safe_load(block))
    assert section.detector is not None
    assert section.lifter is not None


def test_the_answer_of_the_document_has_the_keys_of_an_answer() -> None:
    (block,) = blocks(SERVING, "json")
    shown = re.sub(r', "\.\.\."', "", block)
    PoseAnswer.model_validate_json(shown)
    for key in PoseAnswer.model_json_schema()["$defs"]["Instance"]["properties"]:
        assert f'"{key}"' in shown
