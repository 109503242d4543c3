"""The ops of neural networks under the names that users look for. Explicit re-exports, a family a group."""

# isort: off
# fmt: off
from typing import Any as _Any

from framework.tensor import missing as _missing
from framework.ops.matmul import bilinear as bilinear, linear as linear
from framework.ops.activation import (
    celu as celu, celu_ as celu_, elu as elu, elu_ as elu_, gelu as gelu, glu as glu, hardshrink as hardshrink,
    hardsigmoid as hardsigmoid, hardswish as hardswish, hardtanh as hardtanh, hardtanh_ as hardtanh_,
    leaky_relu as leaky_relu, leaky_relu_ as leaky_relu_, logsigmoid as logsigmoid, mish as mish, prelu as prelu,
    relu as relu, relu6 as relu6, relu_ as relu_, rrelu as rrelu, rrelu_ as rrelu_, selu as selu, selu_ as selu_,
    silu as silu, softplus as softplus, softshrink as softshrink, softsign as softsign, tanhshrink as tanhshrink,
    threshold as threshold, threshold_ as threshold_,
)
from framework.ops.exponential import sigmoid as sigmoid
from framework.ops.trigonometric import tanh as tanh
from framework.ops.dropout import (
    alpha_dropout as alpha_dropout, dropout as dropout, dropout1d as dropout1d, dropout2d as dropout2d,
    dropout3d as dropout3d, feature_alpha_dropout as feature_alpha_dropout,
)
from framework.ops.embedding import embedding as embedding, embedding_bag as embedding_bag
from framework.ops.rearrange import one_hot as one_hot
from framework.ops.padding import pad as pad
from framework.ops.similarity import (
    cosine_similarity as cosine_similarity, normalize as normalize, pairwise_distance as pairwise_distance,
)
from framework.ops.shuffle import (
    channel_shuffle as channel_shuffle, native_channel_shuffle as native_channel_shuffle, pixel_shuffle as pixel_shuffle,
    pixel_unshuffle as pixel_unshuffle,
)
from framework.ops.softmax import (
    gumbel_softmax as gumbel_softmax, log_softmax as log_softmax, softmax as softmax, softmin as softmin,
)
from framework.ops.loss import (
    binary_cross_entropy as binary_cross_entropy, binary_cross_entropy_with_logits as binary_cross_entropy_with_logits,
    gaussian_nll_loss as gaussian_nll_loss, huber_loss as huber_loss, kl_div as kl_div, l1_loss as l1_loss,
    mse_loss as mse_loss, poisson_nll_loss as poisson_nll_loss, smooth_l1_loss as smooth_l1_loss,
)
from framework.ops.loss_classes import (
    cross_entropy as cross_entropy, linear_cross_entropy as linear_cross_entropy, nll_loss as nll_loss,
)
from framework.ops.loss_margins import (
    cosine_embedding_loss as cosine_embedding_loss, hinge_embedding_loss as hinge_embedding_loss,
    margin_ranking_loss as margin_ranking_loss, multi_margin_loss as multi_margin_loss,
    multilabel_margin_loss as multilabel_margin_loss, multilabel_soft_margin_loss as multilabel_soft_margin_loss,
    soft_margin_loss as soft_margin_loss, triplet_margin_loss as triplet_margin_loss,
    triplet_margin_with_distance_loss as triplet_margin_with_distance_loss,
)
from framework.ops.distance import pdist as pdist
from framework.ops.ctc import ctc_loss as ctc_loss
from framework.ops.attention import scaled_dot_product_attention as scaled_dot_product_attention
from framework.ops.multihead import multi_head_attention_forward as multi_head_attention_forward
from framework.ops.conv import (
    conv1d as conv1d, conv2d as conv2d, conv3d as conv3d, conv_tbc as conv_tbc,
)
from framework.ops.conv_transpose import (
    conv_transpose1d as conv_transpose1d, conv_transpose2d as conv_transpose2d, conv_transpose3d as conv_transpose3d,
)
from framework.ops.fold import (
    fold as fold, unfold as unfold,
)
from framework.ops.pool import (
    avg_pool1d as avg_pool1d, avg_pool2d as avg_pool2d, avg_pool3d as avg_pool3d, lp_pool1d as lp_pool1d,
    lp_pool2d as lp_pool2d, lp_pool3d as lp_pool3d, max_pool1d as max_pool1d,
    max_pool1d_with_indices as max_pool1d_with_indices, max_pool2d as max_pool2d,
    max_pool2d_with_indices as max_pool2d_with_indices, max_pool3d as max_pool3d,
    max_pool3d_with_indices as max_pool3d_with_indices,
)
from framework.ops.pool_adaptive import (
    adaptive_avg_pool1d as adaptive_avg_pool1d, adaptive_avg_pool2d as adaptive_avg_pool2d,
    adaptive_avg_pool3d as adaptive_avg_pool3d, adaptive_max_pool1d as adaptive_max_pool1d,
    adaptive_max_pool1d_with_indices as adaptive_max_pool1d_with_indices, adaptive_max_pool2d as adaptive_max_pool2d,
    adaptive_max_pool2d_with_indices as adaptive_max_pool2d_with_indices, adaptive_max_pool3d as adaptive_max_pool3d,
    adaptive_max_pool3d_with_indices as adaptive_max_pool3d_with_indices,
    fractional_max_pool2d as fractional_max_pool2d,
    fractional_max_pool2d_with_indices as fractional_max_pool2d_with_indices,
    fractional_max_pool3d as fractional_max_pool3d,
    fractional_max_pool3d_with_indices as fractional_max_pool3d_with_indices,
)
from framework.ops.unpool import (
    max_unpool1d as max_unpool1d, max_unpool2d as max_unpool2d, max_unpool3d as max_unpool3d,
)
from framework.ops.batch_norm import (
    batch_norm as batch_norm,
)
from framework.ops.norm import (
    group_norm as group_norm, instance_norm as instance_norm, layer_norm as layer_norm,
    local_response_norm as local_response_norm, rms_norm as rms_norm,
)
from framework.ops.resize import (
    interpolate as interpolate, upsample as upsample, upsample_bilinear as upsample_bilinear,
    upsample_nearest as upsample_nearest,
)
from framework.ops.grid import (
    affine_grid as affine_grid, grid_sample as grid_sample,
)


def __getattr__(name: str) -> _Any:
    _missing("module 'framework.nn.functional'", name, globals())
