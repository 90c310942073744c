"""Names of pretrained trunks that MMPose's configs use, such as `torchvision://resnet50`."""

from __future__ import annotations

from collections.abc import Mapping

_TORCHVISION = "https://download.pytorch.org/models/"
_MMCLS = "https://download.openmmlab.com/mmclassification/v0/"
_THIRD_PARTY = "https://download.openmmlab.com/pretrain/third_party/"

TRUNKS: Mapping[str, str] = {
    "torchvision://resnet18": f"{_TORCHVISION}resnet18-f37072fd.pth",
    "torchvision://resnet34": f"{_TORCHVISION}resnet34-b627a593.pth",
    "torchvision://resnet50": f"{_TORCHVISION}resnet50-0676ba61.pth",
    "torchvision://resnet101": f"{_TORCHVISION}resnet101-63fe2227.pth",
    "torchvision://resnet152": f"{_TORCHVISION}resnet152-394f9c45.pth",
    "open-mmlab://msra/hrnetv2_w18": f"{_THIRD_PARTY}hrnetv2_w18-00eb2006.pth",
    **{
        f"mmcls://{name}": f"{_MMCLS}{file}.pth"
        for name, file in {
            "mobilenet_v2": "mobilenet_v2/mobilenet_v2_batch256_imagenet_20200708-3b2dc3af",
            "resnest50": "resnest/resnest50_imagenet_converted-1ebf0afe",
            "resnest101": "resnest/resnest101_imagenet_converted-032caa52",
            "resnest200": "resnest/resnest200_imagenet_converted-581a60f2",
            "resnest269": "resnest/resnest269_imagenet_converted-59930960",
            "resnet50_v1d": "resnet/resnetv1d50_b32x8_imagenet_20210531-db14775a",
            "resnet101_v1d": "resnet/resnetv1d101_b32x8_imagenet_20210531-6e13bcd3",
            "resnet152_v1d": "resnet/resnetv1d152_b32x8_imagenet_20210531-278cf22a",
            "resnext50_32x4d": "resnext/resnext50_32x4d_b32x8_imagenet_20210429-56066e27",
            "resnext101_32x4d": "resnext/resnext101_32x4d_b32x8_imagenet_20210506-e0fa3dd5",
            "resnext152_32x4d": "resnext/resnext152_32x4d_b32x8_imagenet_20210524-927787be",
            "se-resnet50": "se-resnet/se-resnet50_batch256_imagenet_20200804-ae206104",
            "se-resnet101": "se-resnet/se-resnet101_batch256_imagenet_20200804-ba5b51d4",
            "shufflenet_v1": "shufflenet_v1/shufflenet_v1_batch1024_imagenet_20200804-5d6cec73",
            "shufflenet_v2": "shufflenet_v2/shufflenet_v2_batch1024_imagenet_20200812-5bf4721e",
            "vgg16_bn": "vgg/vgg16_bn_batch256_imagenet_20210208-7e55cd29",
        }.items()
    },
}
