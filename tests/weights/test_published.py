"""The table of published models."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from raypose.errors import CheckpointError
from raypose.models.checkpoint_keys import key_digest
from raypose.weights import address_of, find_published, published_models, published_names
from raypose.weights.digests import digest_in_name
from raypose.weights.trunks import TRUNKS
from tests.golden_files import read_cases

# Aliases of MMPose's inferencers -> the names their models have there.
ALIASES = {
    "human": "rtmpose-m_8xb256-420e_body8-256x192",
    "body": "rtmpose-m_8xb256-420e_body8-256x192",
    "body17": "rtmpose-m_8xb256-420e_body8-256x192",
    "body26": "rtmpose-m_8xb512-700e_body8-halpe26-256x192",
    "rtmpose-l": "rtmpose-l_8xb256-420e_body8-384x288",
    "rtmo": "rtmo-l_16xb16-600e_body7-640x640",
    "edpose": "edpose_res50_8xb2-50e_coco-800x1333",
    "vitpose": "td-hm_ViTPose-base-simple_8xb64-210e_coco-256x192",
    "vitpose-s": "td-hm_ViTPose-small-simple_8xb64-210e_coco-256x192",
    "vitpose-b": "td-hm_ViTPose-base-simple_8xb64-210e_coco-256x192",
    "vitpose-l": "td-hm_ViTPose-large-simple_8xb64-210e_coco-256x192",
    "vitpose-h": "td-hm_ViTPose-huge-simple_8xb64-210e_coco-256x192",
    "face": "rtmpose-m_8xb256-120e_face6-256x256",
    "hand": "rtmpose-m_8xb256-210e_hand5-256x256",
    "animal": "rtmpose-m_8xb64-210e_ap10k-256x256",
    "wholebody": "rtmpose-m_8xb64-270e_coco-wholebody-256x192",
    "human3d": "motionbert_dstformer-ft-243frm_8xb32-120e_h36m",
    "hand3d": "internet_res50_4xb16-20e_interhand3d-256x256",
}


@pytest.mark.parametrize("alias", ALIASES)
def test_aliases_mean_what_they_mean_in_mmpose(alias: str) -> None:
    model = find_published(alias)
    assert model is not None
    assert model.name == ALIASES[alias]
    assert alias in model.aliases
    assert model is find_published(model.name) is find_published(model.config)


def test_names_are_unique() -> None:
    names = published_names()
    assert len(names) == len(set(names))
    files = [model.file_name for model in published_models().values()]
    # Two configs of one training share their weights.
    assert len(set(files)) == len(files) - 1


def test_weights_are_checked_by_the_digest_in_their_name() -> None:
    unchecked = [
        model.name for model in published_models().values() if not digest_in_name(model.file_name)
    ]
    assert sorted(unchecked) == [
        "edpose_res50_8xb2-50e_coco-800x1333",
        "rtmpose-m_8xb256-210e_hand5-256x256",
        "rtmw-l_8xb1024-270e_cocktail14-256x192",
        "rtmw-l_8xb320-270e_cocktail14-384x288",
        "rtmw-m_8xb1024-270e_cocktail14-256x192",
        "td-hm_hrnet-w32_8xb64-210e_exlpose-256x192",
    ]


@pytest.mark.parametrize(
    ("name", "alone", "with_date"),
    [
        ("hrnet_w32_coco_256x192-c78dce93_20200708.pth", "c78dce93", "c78dce93"),
        ("cid_hrnet-w32_coco-512x512_42b7e6e6-20230207.pth", "42b7e6e6", "42b7e6e6"),
        ("hrnet_w32-36af842e.pth", "36af842e", None),
        ("yolox_l_8x8_300e_coco_20211126_140236-d3bd2b23.pth", "d3bd2b23", None),
        ("rtmw-dw-l-m_simcc-cocktail14_270e-256x192-20231122.pth", None, None),
        ("best.pth", None, None),
    ],
)
def test_digests_in_names(name: str, alone: str | None, with_date: str | None) -> None:
    assert digest_in_name(name, without_date=True) == alone
    assert digest_in_name(name) == with_date


def test_the_table_knows_the_keys_of_its_models() -> None:
    checked = 0
    for case in read_cases("models", "state_keys"):
        model = find_published(Path(case["config"]).stem)
        if model is not None:
            keys = case["keys"].items()
            shapes = {key: torch.empty(entry[1], device="meta") for key, entry in keys}
            assert model.keys == key_digest(shapes)
            checked += 1
    assert checked >= 5


@pytest.mark.parametrize("url", TRUNKS.values())
def test_trunks_are_checked_by_the_digest_in_their_name(url: str) -> None:
    assert digest_in_name(url, without_date=True)


def test_addresses_of_names() -> None:
    url = "https://download.openmmlab.com/mmpose/v1/projects/rtmposev1/"
    assert address_of("rtmpose-m").startswith(url)
    assert address_of("https://example.org/a.pth") == "https://example.org/a.pth"
    assert address_of("mmcls://mobilenet_v2").endswith("_20200708-3b2dc3af.pth")
    with pytest.raises(CheckpointError, match=r"called 'rtmposem'\. Did you mean 'rtmpose-m'\?"):
        address_of("rtmposem")
