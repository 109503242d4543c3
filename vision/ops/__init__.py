"""Blocks of models and the operations of detection, with torchvision's names and arguments."""

from vision.ops.boxes import (
    batched_nms,
    box_area,
    box_convert,
    box_iou,
    clip_boxes_to_image,
    complete_box_iou,
    distance_box_iou,
    generalized_box_iou,
    masks_to_boxes,
    nms,
    remove_small_boxes,
)
from vision.ops.deform_conv import DeformConv2d, deform_conv2d
from vision.ops.drop_block import DropBlock2d, DropBlock3d, drop_block2d, drop_block3d
from vision.ops.feature_pyramid_network import FeaturePyramidNetwork
from vision.ops.losses import (
    complete_box_iou_loss,
    distance_box_iou_loss,
    generalized_box_iou_loss,
    sigmoid_focal_loss,
)
from vision.ops.misc import (
    MLP,
    Conv2dNormActivation,
    Conv3dNormActivation,
    FrozenBatchNorm2d,
    Permute,
    SqueezeExcitation,
)
from vision.ops.poolers import MultiScaleRoIAlign
from vision.ops.roi_align import PSRoIAlign, RoIAlign, ps_roi_align, roi_align
from vision.ops.roi_pool import PSRoIPool, RoIPool, ps_roi_pool, roi_pool
from vision.ops.stochastic_depth import StochasticDepth, stochastic_depth
