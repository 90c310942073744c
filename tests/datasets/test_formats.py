"""Every data set that MMPose has a class for, read from files of its own format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from raypose.registry import DATASETS
from raypose.structures import Skeleton
from raypose.transforms import LoadImage


class Read(NamedTuple):
    """What a person reads in a file: how many samples, and of one its box and a keypoint."""

    name: str
    file: str
    skeleton: str
    count: int
    id: str
    bbox: Sequence[float]
    keypoint: tuple[int, Sequence[float]]
    options: dict[str, Any] = {}  # noqa: RUF012


INTERHAND = {
    "camera_param_file": "interhand2.6m/test_interhand2.6m_camera.json",
    "joint_file": "interhand2.6m/test_interhand2.6m_joint_3d.json",
}
WHOLE_IMAGE = [0, 0, 160, 160]
# fmt: off
FILES = [
    Read("CocoDataset", "coco/test_coco.json", "coco", 12, "442619",
         [280.79, 44.73, 499.49, 391.41], (0, [367, 81]), {"skeleton": "coco"}),
    Read("CocoWholeBodyDataset", "coco/test_coco_wholebody.json", "coco_wholebody", 12, "442619",
         [280.79, 44.73, 499.49, 391.41], (17, [439, 378])),
    Read("CocoWholeBodyFaceDataset", "coco/test_coco_wholebody.json", "coco_wholebody_face", 4,
         "442619", [358.2, 69.86, 384.56, 95.71], (0, [355.823, 75.36])),
    Read("CocoWholeBodyHandDataset", "coco/test_coco_wholebody.json", "coco_wholebody_hand", 10,
         "0", [280.43, 173.12, 308.29, 197.97], (0, [304.10366, 181.75134])),
    Read("HalpeDataset", "halpe/test_halpe.json", "halpe", 12, "442619",
         [280.79, 44.73, 499.49, 391.41], (0, [367, 81])),
    Read("AicDataset", "aic/test_aic.json", "aic", 9, "4", [279, 55, 492, 599], (0, [313, 201])),
    Read("CrowdPoseDataset", "crowdpose/test_crowdpose.json", "crowdpose", 4, "123803",
         [106.01, 13.43, 379.16, 365.85], (0, [0, 0])),
    Read("ExlposeDataset", "exlpose/test_exlpose.json", "exlpose", 6, "0",
         [1141.75, 169.89, 1471.57, 986.05], (0, [1399.73, 332.68])),
    Read("HumanArtDataset", "humanart/test_humanart.json", "humanart", 4, "2000000006746",
         [468.62, 828.96, 824.25, 1640.86], (0, [715.4305, 970.0197])),
    Read("HumanArt21Dataset", "humanart/test_humanart.json", "humanart21", 4, "2000000006746",
         [468.62, 828.96, 824.25, 1640.86], (17, [711.6695, 1391.3213])),
    Read("JhmdbDataset", "jhmdb/test_jhmdb_sub1.json", "jhmdb", 3, "1000002280001",
         [78, 61, 132, 220], (0, [97.851746, 91.59851])),
    Read("MhpDataset", "mhp/test_mhp.json", "mhp", 4, "7646",
         [3.74, 5.23, 173.42, 287.79], (0, [151.7425, 251.9075])),
    # 4.718488 x 200 pixels round (966 - 1, 340 - 1 + 15 x 4.718488).
    Read("MpiiDataset", "mpii/test_mpii.json", "mpii", 5, "0",
         [493.1512, -62.07148, 1436.8488, 881.62612], (0, [804, 711])),
    Read("MpiiTrbDataset", "mpii/test_mpii_trb.json", "mpii_trb", 5, "2736",
         [948.4393, 322.4393, 983.5607, 357.5607], (0, [1067, 253])),
    Read("OCHumanDataset", "ochuman/test_ochuman.json", "ochuman", 5, "1",
         [250, 112, 725, 863], (0, [371.57013, 188.86769])),
    Read("PoseTrack18Dataset", "posetrack18/annotations/test_posetrack18_val.json", "posetrack18",
         14, "1012834000000", [322.3, 488.60029, 488.7, 675.00866], (1, [409.52542, 555.35474])),
    Read("PoseTrack18VideoDataset", "posetrack18/annotations/test_posetrack18_val.json",
         "posetrack18", 14, "1012834000000", [322.3, 488.60029, 488.7, 675.00866],
         (1, [409.52542, 555.35474]),
         {"frame_sampler_mode": "fixed", "frame_indices": [-1, 0], "frame_weights": [0.5, 0.5]}),
    Read("AFLWDataset", "aflw/test_aflw.json", "aflw", 2, "3",
         [268, 140, 630, 502], (0, [337.28341, 205.78905])),
    Read("COFWDataset", "cofw/test_cofw.json", "cofw", 2, "1766",
         [38, 102, 143, 282], (0, [46.562535, 120.07576])),
    Read("Face300VWDataset", "300vw/anno_300vw.json", "300vw", 3, "0",
         [741.3955, 157.672, 880.3955, 296.672], (0, [743.224, 197.764])),
    Read("Face300WDataset", "300w/test_300w.json", "300w", 2, "197",
         [251, 265, 728, 742], (0, [268, 398.882])),
    Read("Face300WLPDataset", "300wlp/test_300wlp.json", "300wlp", 2, "1",
         [141.08, 224.82, 314.68, 373.86], (0, [144.78085, 253.39178])),
    Read("LapaDataset", "lapa/test_lapa.json", "lapa", 2, "40",
         [388, 541, 1040, 1195], (0, [406, 644])),
    Read("WFLWDataset", "wflw/test_wflw.json", "wflw", 4, "2",
         [440, 122, 525, 207], (0, [440.6961, 132.73256])),
    Read("DeepFashionDataset", "fld/test_fld.json", "deepfashion_full", 2, "128",
         [88, 21, 136, 163], (2, [95, 65])),
    Read("DeepFashion2Dataset", "deepfasion2/deepfasion2.json", "deepfashion2", 2, "429",
         [103, 80, 704, 749], (0, [0, 0])),
    Read("FreiHandDataset", "freihand/test_freihand.json", "freihand2d", 8, "17620",
         [0, 0, 224, 224], (0, [75.09007, 114.79035])),
    Read("OneHand10KDataset", "onehand10k/test_onehand10k.json", "onehand10k", 4, "9",
         [63, 92, 162, 286], (0, [0, 0])),
    Read("PanopticHand2DDataset", "panoptic/test_panoptic.json", "panoptic_hand2d", 4, "100586",
         [720.3247, 188.09908, 775.77014, 225], (0, [721, 224])),
    Read("Rhd2DDataset", "rhd/test_rhd.json", "rhd2d", 3, "111",
         [162.57, 63.86, 256.53, 185.32], (0, [245.8, 73.98])),
    Read("AnimalKingdomDataset", "ak/test_animalkingdom.json", "ak", 2, "1",
         [199.611, 136.184, 259.876, 268.679], (0, [220.99145, 135.68388])),
    Read("AnimalPoseDataset", "animalpose/test_animalpose.json", "animalpose", 2, "129",
         [13, 36, 297, 228], (0, [117, 95])),
    Read("AP10KDataset", "ap10k/test_ap10k.json", "ap10k", 2, "9284",
         [66, 192, 1158, 704], (0, [134, 415])),
    Read("ATRWDataset", "atrw/test_atrw.json", "atrw", 2, "3464",
         [0, 0, 1238, 730], (0, [225, 215])),
    Read("FlyDataset", "fly/test_fly.json", "fly", 2, "1400",
         [19, 18, 185, 139], (0, [146, 95])),
    Read("Horse10Dataset", "horse10/test_horse10.json", "horse10", 3, "100",
         [2, 38, 147, 135], (0, [126, 71.1])),
    Read("LocustDataset", "locust/test_locust.json", "locust", 2, "630",
         WHOLE_IMAGE, (0, [96.50168, 79.08306])),
    Read("MacaqueDataset", "macaque/test_macaque.json", "macaque", 2, "16169",
         [143.87, 147.04, 766.88, 682.26], (0, [641.06, 308.89])),
    Read("ZebraDataset", "zebra/test_zebra.json", "zebra", 2, "810",
         WHOLE_IMAGE, (0, [121.13824, 64.42828])),
    Read("InterHand2DDoubleDataset", "interhand2.6m/test_interhand2.6m_data.json", "interhand3d",
         4, "326750", [33.5684, 164.9237, 218.6263, 307.6494], (20, [48.9899, 241.6697]),
         INTERHAND),
    Read("UBody2dDataset", "coco/test_coco_wholebody.json", "ubody2d", 12, "442619",
         [280.79, 44.73, 499.49, 391.41], (17, [439, 378])),
]
# fmt: on


def built(read: Read, root: Path, **options: Any) -> Any:
    folder = read.file.split("/")[0].replace("halpe", "coco")
    cfg = {"type": read.name, "ann_file": read.file, "data_root": str(root)}
    cfg = {**cfg, "data_prefix": {"img": folder}}
    return DATASETS.build({**cfg, **read.options, **options})


@pytest.mark.parametrize("read", FILES, ids=lambda read: read.name)
def test_values_that_a_person_reads_in_the_file(read: Read, shared_data: Path) -> None:
    dataset = built(read, shared_data / "formats")
    assert type(dataset).__name__ == read.name
    assert dataset.skeleton == Skeleton.load(read.skeleton)
    assert len(dataset) == read.count
    sample = next(sample for sample in dataset if sample.id == read.id)
    np.testing.assert_allclose(sample.bboxes, [read.bbox], atol=6e-3)
    place, position = read.keypoint
    np.testing.assert_allclose(sample.keypoints[0, place, :2], position, atol=6e-3)
    assert sample.keypoints.shape[:2] == (1, dataset.skeleton.num_keypoints)
    assert sample.keypoints_visible.max() == 1
    # Human-Art's images lie elsewhere in the kit; MPII's file does not tell the sizes of its.
    if "humanart" not in read.file:
        said = sample.img_shape
        loaded = LoadImage()(sample)
        assert loaded is not None
        assert said in (None, loaded.img_shape)
    assert [s.id for s in built(read, shared_data / "formats", indices=1)] == [dataset[0].id]
    assert len(built(read, shared_data / "formats", indices=[-1, 0])) == 2


def test_the_file_has_every_class_of_mmpose_with_images() -> None:
    lifting = {"Human36mDataset", "H36MWholeBodyDataset", "UBody3dDataset", "InterHand3DDataset"}
    ours = {"HalpeHandDataset", "MocapDataset", "MpiInf3dhpDataset", "Body3DMpiInf3dhpDataset"}
    ours |= {"PackedDataset"}
    made_of_others = {"CombinedDataset", "RepeatDataset"}
    registered = {name for name in DATASETS if name.endswith("Dataset")}
    built_in = {
        name for name in registered if DATASETS.get(name).__module__.startswith("raypose.datasets")
    }
    assert {read.name for read in FILES} == built_in - lifting - ours - made_of_others


def test_lengths_that_metrics_measure_by(shared_data: Path) -> None:
    files = {read.name: read for read in FILES}
    aflw = built(files["AFLWDataset"], shared_data / "formats")
    assert aflw[0].meta["box_size"] == 362
    panoptic = built(files["PanopticHand2DDataset"], shared_data / "formats")
    assert panoptic[0].meta["head_size"] == 140


def test_frames_around_an_annotated_one(shared_data: Path) -> None:
    files = {read.name: read for read in FILES}
    read = files["PoseTrack18VideoDataset"]
    center = "images/val/012834_mpii_test/000000.jpg"
    folder = str(shared_data / "formats" / "posetrack18")
    options = {"frame_indices": [2, -1, 0], "frame_weights": [0.5, 0.25, 0.25]}
    dataset = built(read, shared_data / "formats", **options)
    paths = [Path(path).relative_to(folder) for path in dataset[0].meta["frame_paths"]]
    assert [path.name for path in paths] == ["000000.jpg", "000000.jpg", "000002.jpg"]
    assert str(paths[0]) == center
    found = built(
        read,
        shared_data / "formats",
        bbox_file="posetrack18/annotations/test_posetrack18_human_detections.json",
        test_mode=True,
    )
    assert len(found) == 278
    np.testing.assert_allclose(found[0].bboxes, [[1475.2755, 2.7197, 1572.2426, 255.6021]], 1e-4)
    assert len(found[0].meta["frame_paths"]) == 2


@pytest.mark.parametrize(
    ("part", "keypoint", "joint", "shape"),
    [
        ("train", [1158.79, 1315.87], [0.335526, 0.662066, 3.74773], (204, 2048)),
        ("test", [1074.4, 503.148], [0.104749, -0.991479, 2.75624], (2048, 2048)),
    ],
)
def test_mpi_inf_3dhp(
    part: str, keypoint: list[float], joint: list[float], shape: Any, shared_data: Path
) -> None:
    cfg = {
        "type": "MpiInf3dhpDataset",
        "ann_file": f"test_3dhp_{part}.npz",
        "camera_param_file": f"cameras_{part}.pkl",
        "data_root": str(shared_data / "formats" / "mpi_inf_3dhp"),
    }
    dataset = DATASETS.build(cfg)
    assert len(dataset) == 2
    assert dataset.skeleton.name == "mpi_inf_3dhp"
    np.testing.assert_allclose(dataset[0].keypoints[0, 0], keypoint, rtol=1e-5)
    np.testing.assert_allclose(dataset[0].meta["lifting_target"][0, 0], joint, rtol=1e-5)
    # The file of the training cameras says a height of 204.
    assert dataset[0].img_shape == shape
    assert type(DATASETS.build({**cfg, "type": "Body3DMpiInf3dhpDataset"})) is type(dataset)


def test_hands_of_interhand_in_space(shared_data: Path) -> None:
    files = {read.name: read for read in FILES}
    read = files["InterHand2DDoubleDataset"]._replace(name="InterHand3DDataset")
    dataset = built(read, shared_data / "formats")
    sample = dataset[0]
    assert sample.id == read.id
    np.testing.assert_allclose(sample.keypoints[0, 20], [*read.keypoint[1], 0], atol=6e-3)
    np.testing.assert_allclose(sample.meta["hand_type"], [[1, 1]])
