"""Vision: data sets, transforms, models, operators on boxes and regions, image files, pictures and metrics."""

from framework.utils.summary import summary
from vision import datasets, io, metrics, models, ops, transforms, tv_tensors, utils
from vision.cam import grad_cam
from vision.extraction import features
