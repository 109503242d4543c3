"""Pictures made of tensors: grids of images, and boxes, masks, keypoints and flows drawn for the eye."""

from vision.utils.boxes import draw_bounding_boxes
from vision.utils.flow import flow_to_image
from vision.utils.grid import make_grid, save_image
from vision.utils.keypoints import draw_keypoints
from vision.utils.masks import draw_segmentation_masks
