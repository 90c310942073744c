"""ED-Pose in small: groups, masks, padded images, mistakes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from raypose.errors import ConfigError, RayposeError
from raypose.registry import MODELS
from raypose.structures import CropTransform, PoseBatch
from tests.models.drawn_weights import draw_weights

C, K, G, Q = 16, 3, 4, 10
ATTENTION = {"embed_dims": C, "num_heads": 2}
DEFORMABLE = {**ATTENTION, "num_levels": 2, "num_points": 2}
FFN = {"embed_dims": C, "feedforward_channels": 24}
CONFIG: dict[str, Any] = {
    "type": "EDPoseHead",
    "num_queries": Q,
    "num_feature_levels": 2,
    "num_keypoints": K,
    "as_two_stage": True,
    "encoder": {"num_layers": 2, "layer_cfg": {"self_attn_cfg": DEFORMABLE, "ffn_cfg": FFN}},
    "decoder": {
        "num_layers": 3,
        "embed_dims": C,
        "num_box_decoder_layers": 1,
        "num_group": G,
        "layer_cfg": {
            "self_attn_cfg": {**ATTENTION, "batch_first": True},
            "cross_attn_cfg": DEFORMABLE,
            "ffn_cfg": FFN,
        },
    },
    "out_head": {"num_classes": 2},
    "positional_encoding": {"num_pos_feats": C // 2, "normalize": True},
    "data_decoder": {"type": "EDPoseLabel", "num_select": 5, "num_keypoints": K},
}


def build(**changes: Any) -> Any:
    return draw_weights(MODELS.build({**CONFIG, **changes})).eval()


def features(B: int = 2, height: int = 8, width: int = 8, seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(B, C, height // n, width // n, generator=generator) for n in (1, 2)]


def batch(sizes: list[tuple[int, int]], height: int = 64, width: int = 64) -> PoseBatch:
    crops = [CropTransform.identity(size) for size in sizes]
    return PoseBatch(inputs=torch.zeros(len(sizes), 3, height, width), transforms=crops)


@pytest.mark.parametrize("as_two_stage", [True, False])
def test_outputs_are_groups_inside_the_image(as_two_stage: bool) -> None:
    head = build(as_two_stage=as_two_stage)

    logits, boxes, keypoints = head(features())

    assert (logits.shape, boxes.shape) == ((2, G, 2), (2, G, 4))
    assert keypoints.shape == (2, G, 3 * K)
    for values in (boxes, keypoints):
        assert ((values > 0) & (values < 1)).all()


def test_people_do_not_depend_on_the_batch_size() -> None:
    head, feats = build(), features(3)
    together = head.predict(feats, batch([(64, 64)] * 3))

    for i, poses in enumerate(together):
        (alone,) = head.predict([x[i : i + 1] for x in feats], batch([(64, 64)]))
        assert poses.keypoints.shape == (5, K, 2)
        assert (np.diff(poses.scores) <= 0).all()
        np.testing.assert_allclose(alone.keypoints, poses.keypoints, rtol=1e-4, atol=1e-3)
        np.testing.assert_allclose(alone.bboxes, poses.bboxes, rtol=1e-4, atol=1e-3)


def test_what_is_padded_is_not_seen() -> None:
    head, small = build(), features(1)
    large = [torch.nn.functional.pad(x, (0, x.shape[-1] // 2)) for x in small]
    noisy = [x.clone() for x in large]
    for x, original in zip(noisy, small, strict=True):
        x[..., original.shape[-1] :] = 100
    sized = batch([(64, 64)], width=96)

    (one,), (other,) = head.predict(large, sized), head.predict(noisy, sized)

    np.testing.assert_allclose(one.keypoints, other.keypoints, atol=1e-4)
    (whole,) = head.predict(noisy, batch([(96, 64)], width=96))
    assert np.abs(whole.keypoints - one.keypoints).max() > 1


def test_groups_see_themselves_and_people_each_other() -> None:
    hidden = build().decoder._hidden(torch.device("cpu"))
    person, keypoint, other, others_keypoint = 0, 1, K + 1, K + 2
    assert hidden.shape == (G * (K + 1),) * 2
    assert not hidden[person, other]
    assert not hidden[person, keypoint]
    assert not hidden[keypoint, person]
    assert hidden[keypoint, other]
    assert hidden[person, others_keypoint]


def test_layers_that_predict_are_shared_with_the_decoder() -> None:
    head = build(dec_pred_class_embed_share=True, dec_pred_bbox_embed_share=True)
    assert head.decoder.bbox_embed is head.out_head.bbox_embed
    assert head.out_head.bbox_embed[0] is head.out_head.bbox_embed[2]
    assert head.enc_out_bbox_embed is head.out_head.bbox_embed[0]
    assert build().enc_out_bbox_embed is not build().out_head.bbox_embed[0]


def test_untrained_boxes_stay_where_they_are() -> None:
    head = MODELS.build(CONFIG).eval()
    head.init_weights()
    box = head.out_head.bbox_embed[0](torch.randn(2, C))
    assert (box == 0).all()
    assert head.encoder.layers[0].self_attn.sampling_offsets.weight.abs().sum() == 0


def test_mistakes_are_named() -> None:
    head, feats = build(), features()
    with pytest.raises(RayposeError, match="EDPoseHead has no loss"):
        head.loss(feats, batch([(64, 64)] * 2))
    with pytest.raises(RayposeError, match="has no flip test"):
        head.predict(feats, batch([(64, 64)] * 2).replace(flip_test=True))
    with pytest.raises(RayposeError, match="without a data_decoder"):
        build(data_decoder=None).predict(feats, batch([(64, 64)] * 2))
    with pytest.raises(ConfigError, match="query_dim is 4"):
        build(decoder={**CONFIG["decoder"], "query_dim": 2})
    with pytest.raises(ConfigError, match=r"encoder: .* takes no argument 'num_layer'"):
        build(encoder={"num_layer": 2, "layer_cfg": {}})


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ({"self_attn_cfg": {"batch_first": False}}, "batch_first cannot be false"),
        ({"ffn_cfg": {"num_fcs": 3}}, "num_fcs is 2, got 3"),
        ({"self_attn_cfg": {"embed_dims": 16, "num_heads": 3}}, "3 heads cannot share 16 channels"),
    ],
)
def test_mistakes_of_layers_are_named(layer: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(encoder={"num_layers": 1, "layer_cfg": layer})
