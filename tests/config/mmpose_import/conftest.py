"""A small MMPose-like config tree, written for the tests."""

from __future__ import annotations

from pathlib import Path

import pytest

RUNTIME = """\
default_scope = 'mmpose'
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=20),
    checkpoint=dict(type='CheckpointHook', interval=10),
    visualization=dict(type='PoseVisualizationHook', enable=False))
custom_hooks = [dict(type='SyncBuffersHook')]
env_cfg = dict(cudnn_benchmark=False)
load_from = None
train_cfg = dict(by_epoch=True)
"""

INFO = """\
dataset_info = dict(
    dataset_name='mouse',
    keypoint_info={
        1: dict(name='left_ear', id=1, color=[0, 255, 0], type='upper', swap='right_ear'),
        0: dict(name='nose', id=0, color=[255, 0, 0], type='upper', swap=''),
        2: dict(name='right_ear', id=2, color=[0, 0, 255], type='upper', swap='left_ear'),
    },
    skeleton_info={0: dict(link=('nose', 'left_ear'), id=0, color=[1, 2, 3])},
    joint_weights=[1., 1.5, 1.5],
    sigmas=[0.025, 0.05, 0.05])
"""

EXPERIMENT = """\
_base_ = ['../_base_/default_runtime.py']
max_epochs = 40
train_cfg = dict(max_epochs=max_epochs, val_interval=5)
randomness = dict(seed=7)
optim_wrapper = dict(
    type='AmpOptimWrapper',
    optimizer=dict(type='AdamW', lr=4e-3, betas=(0.9, 0.99)),
    paramwise_cfg=dict(norm_decay_mult=0, bypass_duplicate=True),
    clip_grad=dict(max_norm=1., norm_type=2),
    accumulative_counts=2)
param_scheduler = [
    dict(type='LinearLR', begin=0, end=500, start_factor=0.001, by_epoch=False),
    dict(type='MultiStepLR', milestones=[20, 30], gamma=0.1, by_epoch=True)]
auto_scale_lr = dict(base_batch_size=256)
codec = dict(type='MSRAHeatmap', input_size=(192, 256), heatmap_size=(48, 64), sigma=2)
model = dict(
    type='TopdownPoseEstimator',
    data_preprocessor=dict(
        type='PoseDataPreprocessor', mean=[1., 2., 3.], std=[1., 1., 1.], bgr_to_rgb=True),
    backbone=dict(type='mmdet.ResNet', _scope_='mmdet', depth=18),
    head=dict(
        type='HeatmapHead', in_channels=512, out_channels=3,
        loss=dict(type='KeypointMSELoss', use_target_weight=True), decoder=codec),
    test_cfg=dict(flip_test=True))
data_root = 'data/mouse/'
train_pipeline = [
    dict(type='LoadImage', backend_args=dict(backend='local')),
    dict(type='GetBBoxCenterScale'),
    dict(type='TopdownAffine', input_size=codec['input_size']),
    dict(type='GenerateTarget', encoder=codec, use_dataset_keypoint_weights=True),
    dict(type='PackPoseInputs')]
val_pipeline = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='TopdownAffine', input_size=codec['input_size']),
    dict(type='PackPoseInputs')]
dataset = dict(
    type='CocoDataset', data_root=data_root, data_mode='topdown',
    metainfo=dict(from_file='configs/_base_/datasets/mouse.py'))
train_dataloader = dict(
    batch_size=64, num_workers=3, persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(**dataset, ann_file='train.json', data_prefix=dict(img='train/'),
                 pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=32, num_workers=3, drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(**dataset, ann_file='val.json', data_prefix=dict(img='val/'), test_mode=True,
                 bbox_file='data/mouse/boxes/val.json', pipeline=val_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(type='CocoMetric', ann_file=data_root + 'val.json', nms_mode='none')
test_evaluator = val_evaluator
default_hooks = dict(checkpoint=dict(save_best='coco/AP', rule='greater', max_keep_ckpts=1))
custom_hooks = [
    dict(type='EMAHook', ema_type='ExpMomentumEMA', momentum=0.0002, update_buffers=True),
    dict(type='mmdet.PipelineSwitchHook', switch_epoch=30, switch_pipeline=val_pipeline)]
"""


@pytest.fixture
def configs(tmp_path: Path) -> Path:
    """Folder `configs` with a runtime, a skeleton and an experiment."""
    root = tmp_path / "configs"
    for name, text in (
        ("_base_/default_runtime.py", RUNTIME),
        ("_base_/datasets/mouse.py", INFO),
        ("mouse/exp.py", EXPERIMENT),
    ):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root
