"""Which ops autocast runs in 16 bits, which in float32 and which in their widest input's type, on each kind of device.

The lists are PyTorch's and torchvision's, op for op, under the names of this library's functions. Where one function here
stands for a composition of PyTorch's, it stands on the list that gives the composition's result (``cross_entropy`` is a
log-softmax and a ``nll_loss``, both float32). A function that asks ``autocast`` and is on no list of a device runs there
as its inputs are, and so does everything it is made of.

Reference: https://docs.pytorch.org/docs/stable/amp.html#autocast-op-reference
"""

from __future__ import annotations

LOW, FLOAT32, FLOAT32_UNLESS_GIVEN, WIDEST, STATE, BANNED = range(6)
"""What becomes of an op: its inputs are cast to 16 bits; to float32; to float32 unless the call says ``dtype=``; to the
widest type among them; to float32, and its results to the type of its state, or else of its input; refused."""

PRODUCTS = (
    "conv1d conv2d conv3d conv_tbc conv_transpose1d conv_transpose2d conv_transpose3d prelu addmm matmul mm vecdot linear "
    "addbmm baddbmm bmm chain_matmul multi_dot scaled_dot_product_attention lstm rnn_relu rnn_tanh rnn_relu_cell "
    "rnn_tanh_cell"
)

LOSSES = (
    "binary_cross_entropy_with_logits cosine_embedding_loss cross_entropy hinge_embedding_loss huber_loss kl_div l1_loss "
    "margin_ranking_loss mse_loss multi_margin_loss multilabel_margin_loss nll_loss poisson_nll_loss smooth_l1_loss "
    "soft_margin_loss triplet_margin_loss"
)

CUDA = {
    LOW: f"{PRODUCTS} addmv addr convolution einsum gru gru_cell lstm_cell mv",
    FLOAT32: f"""
        {LOSSES} acos asin cosh erfinv exp expm1 log log10 log1p log2 pow reciprocal rsqrt sinh softplus tan
        group_norm layer_norm native_layer_norm rms_norm cosine_similarity cdist dist pdist frobenius_norm nuclear_norm
        renorm logsumexp interpolate""",
    FLOAT32_UNLESS_GIVEN: """
        cumprod cumsum log_softmax matrix_norm norm prod softmax softmin sum vector_norm""",
    WIDEST: """
        addcdiv addcmul atan2 bilinear cross dot grid_sample grid_sampler index_put scatter_add tensordot vdot""",
    STATE: "deform_conv2d",
    BANNED: "binary_cross_entropy",
}

CPU = {
    LOW: f"{PRODUCTS} tensordot",
    FLOAT32: f"""
        {LOSSES} binary_cross_entropy ctc_loss
        adaptive_avg_pool3d adaptive_max_pool3d avg_pool3d fractional_max_pool2d fractional_max_pool3d max_pool3d
        max_unpool1d max_unpool2d max_unpool3d grid_sample grid_sampler
        reflection_pad1d reflection_pad2d replication_pad1d replication_pad2d replication_pad3d
        cdist nanquantile polar prod quantile trace view_as_complex
        cholesky cholesky_ex cholesky_inverse cholesky_solve cond eig eigh eigvals eigvalsh inv inv_ex inverse
        linalg_cholesky linalg_qr linalg_svd lstsq matrix_rank pinverse qr solve svd svdvals tensorinv tensorsolve
        triangular_solve""",
    WIDEST: "cat index_copy stack",
    STATE: "gru gru_cell lstm_cell deform_conv2d",
}

POLICIES: dict[str, dict[str, int]] = {
    device: {name: policy for policy, names in lists.items() for name in names.split()}
    for device, lists in (("cpu", CPU), ("cuda", CUDA))
}

LISTED = frozenset(name for policies in POLICIES.values() for name in policies)
