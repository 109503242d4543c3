"""How good predictions are: of classes, of pixels, and of boxes or masks."""

from vision.metrics.classification import ConfusionMatrix, TopKAccuracy, accuracy, confusion_matrix
from vision.metrics.detection import MeanAveragePrecision, mean_average_precision
from framework.utils.metric import Metric
from vision.metrics.segmentation import MeanIoU, mean_iou
from vision.metrics.voc import VOCAveragePrecision, voc_average_precision
