"""Autocast's lists beside PyTorch's: the names, and the type of what each op gives."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import pytest

import framework as F
from framework.autograd.autocast_lists import BANNED, CPU, CUDA, FLOAT32, FLOAT32_UNLESS_GIVEN, LOW, POLICIES, WIDEST

torch = pytest.importorskip("torch")
lists = pytest.importorskip("torch.testing._internal.autocast_test_lists")

from tests.amp.peers import kinds, ours  # noqa: E402

# ops of PyTorch's lists under another name here, or made of another listed one
ALIASES = {
    "_convolution": "convolution", "linalg_vecdot": "vecdot", "linalg_multi_dot": "multi_dot", "nll_loss2d": "nll_loss",
    "linalg_vector_norm": "vector_norm", "linalg_matrix_norm": "matrix_norm", "cross_entropy_loss": "cross_entropy",
    "grid_sampler_2d": "grid_sampler", "grid_sampler_3d": "grid_sampler", "linalg_cond": "cond", "linalg_eig": "eig",
    "linalg_eigh": "eigh", "linalg_eigvals": "eigvals", "linalg_eigvalsh": "eigvalsh", "linalg_inv": "inv",
    "linalg_inv_ex": "inv_ex", "linalg_lstsq": "lstsq", "linalg_matrix_rank": "matrix_rank", "linalg_solve": "solve",
    "linalg_svdvals": "svdvals", "linalg_tensorinv": "tensorinv", "linalg_tensorsolve": "tensorsolve",
    "linalg_cholesky_ex": "cholesky_ex", "mkldnn_rnn_layer": "lstm",
    **{f"{name}{axes}d": "interpolate" for name in ("upsample_nearest", "_upsample_nearest_exact") for axes in (1, 2, 3)},
    **dict.fromkeys(("upsample_linear1d", "upsample_bilinear2d", "upsample_bicubic2d", "upsample_trilinear3d",
                     "_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa"), "interpolate"),
}  # fmt: skip
# what this library does not have: see tests/test_surface.py
ABSENT = {
    "_addmm_activation", "_grid_sampler_2d_cpu_fallback", "_lu_with_info", "_native_multi_head_attention", "geqrf",
    "lu_solve", "orgqr", "ormqr", "fake_quantize_per_tensor_affine", "linalg_householder_product", "stft",
    "multilabel_margin_loss_forward", "_scaled_dot_product_flash_attention", "_thnn_fused_gru_cell",
    "_thnn_fused_lstm_cell", "cudnn_convolution", "cudnn_convolution_transpose",
}  # fmt: skip


def registered(key: str) -> set[str]:
    """The names of the ops that PyTorch's autocast has a rule for."""
    found = {
        name.removeprefix("aten::").split(".")[0]
        for name in torch._C._dispatch_get_all_op_names()
        if torch._C._dispatch_has_kernel_for_dispatch_key(name, key)
    }
    return {ALIASES.get(name, name) for name in found if name not in ABSENT and not name.startswith("fft_")}


@pytest.mark.parametrize(("device", "key"), [("cpu", "AutocastCPU"), ("cuda", "AutocastCUDA")])
def test_the_lists_have_pytorchs_names(device, key):
    here = set(POLICIES[device])
    assert registered(key) - here - {"_convolution"} <= ({"convolution"} if device == "cpu" else set())
    # beyond PyTorch's: what is one op here and made of listed ones there
    more = here - registered(key)
    composed = {"cross_entropy", "softmin", "chain_matmul", "multi_dot", "tensordot", "rnn_tanh_cell", "rnn_relu_cell",
                "rnn_tanh", "rnn_relu", "gru", "lstm", "gru_cell", "lstm_cell", "max_unpool1d", "grid_sample", "deform_conv2d"}  # fmt: skip
    assert more <= composed


def test_no_op_is_on_two_lists():
    for table in (CPU, CUDA):
        names = [name for entry in table.values() for name in entry.split()]
        assert len(names) == len(set(names))


NAMES = {LOW: "float16", FLOAT32: "float32", FLOAT32_UNLESS_GIVEN: "float32", WIDEST: "float32"}


def called(name, args, options, low):
    """The dtypes of what an op gives under autocast; None for an op that is not here."""
    if name == "poisson_nll_loss":  # its last argument is a number that stands for "mean"
        args = args[:4]
    if name in ("hinge_embedding_loss", "margin_ranking_loss"):  # whose targets do not broadcast here
        args = (*args[:-1], args[-1].expand_as(args[0]))
    if name == "reflection_pad1d":
        name, args, options = "pad", (*args, (3, 3), "reflect"), {}
    if name == "einsum":  # the list's own operands do not fit its equation
        args = ("ij,jk->ik", options, options)
        options = {}
    name = ALIASES.get(name, name) if name != "_convolution" else name
    for place in (F, F.nn.functional, F.linalg, F.Tensor):
        if name in vars(place):
            with F.autocast("cpu", low):
                return kinds(vars(place)[name](*ours(args), **ours(options)))
    return None


def entries(theirs, *groups):
    for group in groups:
        for name, args, *rest in getattr(theirs, group):
            yield group, name, args if isinstance(args, tuple) else (args,), rest[0] if rest else {}


@pytest.mark.parametrize("low", [torch.bfloat16, torch.float16], ids=["bfloat16", "float16"])
def test_every_op_on_the_cpu_lists_gives_pytorchs_type(low):
    theirs, missing = lists.AutocastCPUTestLists("cpu"), set()
    wanted = {"torch_16": str(low).split(".")[-1], "nn_16": str(low).split(".")[-1], "torch_fp32": "float32",
              "nn_fp32": "float32"}  # fmt: skip
    for group, name, args, options in entries(theirs, *wanted):
        found = called(name, in_type(args, low), options, ours(low))
        assert found in (wanted[group], None), name
        missing |= {name} if found is None else set()
    assert missing <= {"_addmm_activation", "_native_multi_head_attention"}
    for name in ("cat", "stack"):
        assert called(name, ([torch.ones(2), torch.ones(2, dtype=low)],), {}, ours(low)) == "float32"


def in_type(value, low):
    """16-bit tensors in the type that is tried."""
    if isinstance(value, torch.Tensor):
        return value.to(low) if value.dtype in (torch.bfloat16, torch.float16) else value
    return type(value)(in_type(v, low) for v in value) if isinstance(value, list | tuple) else value


def test_every_op_on_the_cuda_lists_gives_pytorchs_type(monkeypatch):
    monkeypatch.setitem(POLICIES, "cpu", POLICIES["cuda"])  # the lists of a GPU, at work on the CPU
    theirs, missing = lists.AutocastTestLists("cpu"), set()
    wanted = {"torch_fp16": "float16", "nn_fp16": "float16", "linalg_fp16": "float16", "methods_fp16": "float16",
              "torch_fp32": "float32", "nn_fp32": "float32", "methods_fp32": "float32",
              "torch_need_autocast_promote": "float32"}  # fmt: skip
    for group, name, args, options in entries(theirs, *wanted):
        if isinstance(options, bool):  # whether to leave it out on other hardware
            options = {}
        if isinstance(options, tuple):
            options = options[0]
        found = called(name, args, options, F.float16)
        missing |= {name} if found is None else set()
        assert found is None or {found} == {wanted[group]} or set(found) == {wanted[group]}, name
    assert missing <= {"_convolution", "cudnn_convolution", "cudnn_convolution_transpose"}


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_ops_that_promote_by_themselves_still_do(device, monkeypatch):
    monkeypatch.setitem(POLICIES, "cpu", POLICIES[device])
    theirs = lists.AutocastCPUTestLists("cpu") if device == "cpu" else lists.AutocastTestLists("cpu")
    for group in ("torch_expect_builtin_promote", "methods_expect_builtin_promote"):
        for name, args, *_, wanted in getattr(theirs, group):
            function = vars(F).get(name) if group.startswith("torch") else vars(F.Tensor).get(name)
            if function is None:  # __div__, Python 2's
                continue
            with F.autocast("cpu", F.float16 if device == "cuda" else F.bfloat16):
                found = function(*ours(args))
            if name != "equal":
                assert kinds(found) == str(wanted).split(".")[-1], name


def test_the_unsafe_loss_is_refused(monkeypatch):
    monkeypatch.setitem(POLICIES, "cpu", POLICIES["cuda"])
    x = F.rand(4)
    with F.autocast("cpu", F.float16), pytest.raises(RuntimeError, match="binary_cross_entropy_with_logits"):
        F.nn.functional.binary_cross_entropy(x, x)
    assert POLICIES["cuda"]["binary_cross_entropy"] == BANNED


def build(F):
    """Calls whose parts autocast reaches, or must not: each in terms of one library, and its matrices."""
    f, half = F.nn.functional, F.bfloat16
    A, B = F.rand(8, 8), F.rand(8, 8)
    Ab, Bb = A.to(half), B.to(half)
    volume = F.rand(1, 1, 4, 4, 4).to(half)
    cell = (F.rand(4, 8), F.rand(32, 8), F.rand(32, 8), F.rand(32), F.rand(32))
    return {
        "einsum product": lambda: F.einsum("ij,jk->ik", A, B),
        "einsum of two types": lambda: F.einsum("ij,jk->ik", A, Bb),
        "einsum elementwise": lambda: F.einsum("i,i->i", A[0], B[0]),
        "einsum outer": lambda: F.einsum("i,j->ij", A[0], B[0]),
        "einsum transposed": lambda: F.einsum("ij->ji", A),
        "tensordot": lambda: F.tensordot(A, B, 1),
        "inner": lambda: F.inner(A, B),
        "inner of vectors": lambda: F.inner(A[0], B[0]),
        "outer": lambda: F.outer(A[0], B[0]),
        "mv": lambda: F.mv(A, B[0]),
        "dot": lambda: F.dot(A[0], B[0]),
        "addmv": lambda: F.addmv(A[0], A, B[0]),
        "addr": lambda: F.addr(A, A[0], B[0]),
        "matmul of vectors": lambda: F.matmul(A[0], B[0]),
        "multi_dot": lambda: F.linalg.multi_dot([A, B, A]),
        "matrix_power": lambda: F.linalg.matrix_power(A, 3),
        "bilinear": lambda: f.bilinear(F.rand(3, 2), F.rand(3, 2), F.rand(4, 2, 2)),
        "lstm_cell": lambda: F.lstm_cell(cell[0], (cell[0], cell[0]), *cell[1:]),
        "lstm_cell of a 16-bit state": lambda: F.lstm_cell(cell[0], (cell[0].to(half), cell[0].to(half)), *cell[1:]),
        "gru_cell": lambda: F.gru_cell(cell[0], cell[0], *(t[:24] for t in cell[1:])),
        "rnn_tanh_cell": lambda: F.rnn_tanh_cell(cell[0], cell[0], *(t[:8] for t in cell[1:])),
        "layer_norm": lambda: f.layer_norm(Ab, (8,), A[0], A[1]),
        "rms_norm": lambda: f.rms_norm(Ab, (8,), A[0]),
        "group_norm": lambda: f.group_norm(Ab[None], 2, A[0], A[1]),
        "batch_norm": lambda: f.batch_norm(Ab, A[0].clone(), A[1].clone(), A[2], A[3], True),
        "embedding": lambda: f.embedding(F.tensor([1, 2]), A),
        "normalize": lambda: f.normalize(Ab),
        "cosine_similarity": lambda: f.cosine_similarity(Ab, B),
        "pairwise_distance": lambda: f.pairwise_distance(Ab, Bb),
        "cdist": lambda: F.cdist(Ab, B),
        "cross_entropy": lambda: f.cross_entropy(Ab, F.zeros(8, dtype=F.int64)),
        "cross_entropy of shares": lambda: f.cross_entropy(Ab, B),
        "multilabel_soft_margin_loss": lambda: f.multilabel_soft_margin_loss(Ab, Bb),
        "softmax": lambda: Ab.softmax(-1),
        "sum": lambda: Ab.sum(),
        "mean": lambda: Ab.mean(),
        "prod": lambda: Ab.prod(),
        "prod in a type": lambda: Ab.prod(dtype=half),
        "std": lambda: Ab.std(),
        "gelu": lambda: f.gelu(Ab),
        "interpolate": lambda: f.interpolate(Ab[None, None], scale_factor=2),
        "interpolate by areas": lambda: f.interpolate(Ab[None, None], scale_factor=0.5, mode="area"),
        "avg_pool3d": lambda: f.avg_pool3d(volume, 2),
        "max_pool3d": lambda: f.max_pool3d(volume, 2),
        "max_pool3d with indices": lambda: f.max_pool3d(volume, 2, return_indices=True),
        "reflection in 2 dims": lambda: f.pad(Ab[None, None], (1, 1, 1, 1), mode="reflect"),
        "reflection in 3 dims": lambda: f.pad(volume, (1,) * 6, mode="reflect"),
        "replication in 3 dims": lambda: f.pad(volume, (1,) * 6, mode="replicate"),
        "circular padding": lambda: f.pad(Ab[None, None], (1, 1, 1, 1), mode="circular"),
        "grid_sample": lambda: f.grid_sample(Ab[None, None], F.rand(1, 3, 3, 2), align_corners=False),
        "cat": lambda: F.cat([A, Ab]),
        "vstack": lambda: F.vstack([A, Ab]),
        "index_copy": lambda: F.index_copy(A, 0, F.tensor([0]), Ab[:1]),
        "quantile": lambda: F.quantile(Ab, 0.5),
        "inverse": lambda: F.linalg.inv(Ab + 8 * F.eye(8)),
        "svd": lambda: F.linalg.svd(Ab),
        "product into a tensor": lambda: F.mm(A, B, out=F.empty(8, 8)),
        "product in place": lambda: A.clone().addmm_(A, B),
        "double product": lambda: F.mm(A.double(), B.double()),
        "double and single": lambda: F.cat([A, A.double()]),
        "integer product": lambda: F.mm(F.ones(2, 2, dtype=F.int64), F.ones(2, 2, dtype=F.int64)),
        "same padding": lambda: f.conv2d(F.rand(1, 2, 5, 5), F.rand(2, 2, 3, 3), padding="same"),
        "attention": lambda: f.scaled_dot_product_attention(A[None, None], Bb[None, None], A[None, None], attn_mask=B),
        "MultiheadAttention": lambda: F.nn.MultiheadAttention(8, 2)(A[None], A[None], A[None]),
        "TransformerEncoderLayer": lambda: F.nn.TransformerEncoderLayer(8, 2, 16)(A[None]),
        **{f"{kind} of {given}": lambda kind=kind, given=given: getattr(F.nn, kind)(8, 8)(A[None].to(getattr(F, given)))
           for kind in ("RNN", "LSTM", "GRU") for given in ("float32", "bfloat16")},
    }  # fmt: skip


OURS, THEIRS = build(F), build(torch)


@pytest.mark.parametrize("name", OURS)
def test_compositions_give_pytorchs_type(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with torch.autocast("cpu", torch.bfloat16):
            wanted = kinds(THEIRS[name]())
    with F.autocast("cpu", F.bfloat16):
        assert kinds(OURS[name]()) == wanted


def test_torchvisions_ops_compute_in_float32():
    from vision.ops import deform_conv2d, roi_align

    x, weight = F.rand(1, 3, 8, 8).to(F.bfloat16), F.rand(4, 3, 3, 3)
    boxes = [F.tensor([[0.0, 0.0, 6.0, 6.0]])]
    offset = F.rand(1, 18, 6, 6).to(F.bfloat16)
    with F.autocast("cpu"):
        moved, pooled = deform_conv2d(x, offset, weight), roi_align(x, boxes, 2)
        assert deform_conv2d(x.float(), offset, weight).dtype is F.float32
    exact = deform_conv2d(x.float(), offset.float(), weight)
    assert kinds([moved, pooled]) == ("bfloat16", "bfloat16")
    assert F.equal(moved, exact.to(F.bfloat16))


def test_what_is_listed_asks():
    """Every name on a list is that of a function that hands itself over, or of one made of such functions."""
    folders = Path(F.__file__).parent / "ops", Path(F.__file__).parents[1] / "vision" / "ops"
    sources = [path.read_text() for folder in folders for path in folder.glob("*.py")]
    names = {name for table in POLICIES.values() for name in table}
    asking = {name for name in names for text in sources if f"recast({name}," in text}
    made = {name for name in names for text in sources if re.search(rf"@(unary|binary)\([^@]*?\)\ndef {name}\(", text)}
    wide = {"addmm", "addmv", "addbmm", "baddbmm"}  # by the decorator that they share
    named = {"lstm", "gru", "rnn_tanh", "rnn_relu", "chain_matmul"}
    padding = {name for name in names if "_pad" in name}
    assert names == asking | made | wide | named | padding
