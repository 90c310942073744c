"""Typed sections: what each mistake says, and at which line."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.config.conftest import MODEL

LINES = MODEL.count("\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train: {epochs: ten}", "train.epochs: got 'ten', expected a whole number"),
        ("train: {epochs: '3'}", "train.epochs: got '3', expected a whole number"),
        ("train: {epochs: 2.5}", "train.epochs: got 2.5, expected a whole number"),
        ("train: {epochs: 0}", "train.epochs: got 0, expected greater than 0"),
        ("train: {epoch: 3}", "train.epoch: unknown key. Did you mean 'epochs'?"),
        ("train: {compile: 1}", "train.compile: got 1, expected true or false"),
        (
            "train: {amp: fp61}",
            "train.amp: got 'fp61', expected bf16 or fp16. Did you mean 'fp16'?",
        ),
        ("train: {save_best: 3}", "train.save_best: got 3, expected a text"),
        ("train: {clip_grad: -1}", "train.clip_grad: got -1, expected greater than 0"),
        (
            "train: {clip_grad: {norm_type: 2}}",
            "train.clip_grad: 'max_norm' is missing",
        ),
        (
            "train: {ema: {momentum: 2}}",
            "train.ema.momentum: got 2, expected less than or equal to 1",
        ),
        ("train: [1]", "train: got [1], expected a mapping"),
        ("trian: {}", "trian: unknown key. Did you mean 'train'?"),
        ("cluster: {use_gpu: 2}", "cluster.use_gpu: got 2, expected auto, true or false"),
        (
            "cluster: {placement_strategy: PAK}",
            "cluster.placement_strategy: got 'PAK', expected PACK, SPREAD, STRICT_PACK or "
            "STRICT_SPREAD. Did you mean 'PACK'?",
        ),
        (
            "cluster: {resources_per_worker: {CPU: two}}",
            "cluster.resources_per_worker.CPU: got 'two', expected a number",
        ),
        (
            "annotate: {max_errors: -1}",
            "annotate.max_errors: got -1, expected greater than or equal to 0",
        ),
        ("serve: {port: 70000}", "serve.port: got 70000, expected less than or equal to 65535"),
        ("serve: {detector: {bbox_thr: 0.5}}", "serve.detector: 'model' is missing"),
        ("skeleton: 3", "skeleton: got 3, expected the name of a skeleton, a file or a mapping"),
        ("metrics: {type: EPE}", "metrics: got a mapping with type, expected a list"),
        ("imports: user", "imports: got 'user', expected a list"),
        ("data: {val: {pipeline: []}}", "data.val: 'dataset' is missing"),
        ("optimizer: {type: Adam}", "optimizer: 'lr' is missing"),
        (
            "optimizer: {type: Adam, lr: 1.0, paramwise: {norm_decay: 0}}",
            "optimizer.paramwise.norm_decay: unknown key. Did you mean 'norm_decay_mult'?",
        ),
        (
            "optimizer: {type: Adam, lr: 1.0, paramwise: {custom_keys: {pos: {decay: 0}}}}",
            "optimizer.paramwise.custom_keys.pos.decay: unknown key. Did you mean 'decay_mult'?",
        ),
    ],
)
def test_a_section_says_what_was_expected(
    problems: Callable[..., list[str]], text: str, message: str
) -> None:
    assert problems(f"{MODEL}{text}\n") == [f"exp.yaml:{LINES + 1}: {message}"]


def test_an_unknown_key_without_a_near_one_lists_those_there_are(
    problems: Callable[..., list[str]],
) -> None:
    (line,) = problems(f"{MODEL}annotate: {{zzz: 1}}\n")
    assert line.startswith(f"exp.yaml:{LINES + 1}: annotate.zzz: unknown key, expected backend,")


def test_a_model_is_needed(problems: Callable[..., list[str]]) -> None:
    assert problems("train: {epochs: 1}\n") == ["exp.yaml:1: 'model' is missing"]


def test_each_mistake_is_at_the_line_of_its_own_key(problems: Callable[..., list[str]]) -> None:
    text = "train:\n  epochs: 1\n  batch_size: x\n  sed: 3\ncluster:\n\n  num_workers: -1\n"
    assert problems(MODEL + text) == [
        f"exp.yaml:{LINES + 3}: train.batch_size: got 'x', expected a whole number greater than 0, "
        "or auto",
        f"exp.yaml:{LINES + 4}: train.sed: unknown key. Did you mean 'seed'?",
        f"exp.yaml:{LINES + 7}: cluster.num_workers: got -1, expected a number of workers, or "
        "[min, max] of at least 1 and min <= max",
    ]
