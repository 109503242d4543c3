"""A stand-in for the module ``cudnn``: graphs are recorded, and run by NumPy on the addresses that they are given.

It has the parts of nvidia-cudnn-frontend 1.22.1 that are used, with the same parameters (a test compares them where the
wheel is installed). So what is checked is what a caller decides: dims, strides, element types, numbers of tensors, the
order of addresses, and arguments of the steps. Sums are in float32 at least. It does not know what cuDNN supports.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np

from framework.kernels import layout
from framework.kernels.generic import conv
from tests.gpu.host import fake_cudnn_tensors
from tests.gpu.host.fake_cudnn_tensors import NOT_SET, PLAIN, TYPES, Run, several, tensor
from tests.gpu.host.fake_cudnn_tensors import attention_implementation as attention_implementation
from tests.gpu.host.fake_cudnn_tensors import build_plan_policy as build_plan_policy
from tests.gpu.host.fake_cudnn_tensors import convolution_mode as convolution_mode
from tests.gpu.host.fake_cudnn_tensors import cudnnGraphNotSupportedError as cudnnGraphNotSupportedError
from tests.gpu.host.fake_cudnn_tensors import data_type as data_type
from tests.gpu.host.fake_cudnn_tensors import diagonal_alignment as diagonal_alignment
from tests.gpu.host.fake_cudnn_tensors import numerical_note as numerical_note

built: list[pygraph] = []
"""The graphs that were built, in order."""
streams: list[tuple[int, int]] = []
"""The handles that were told of a stream, and the stream."""


__version__ = "1.22.1"
_handles = itertools.count(0x1000)


def backend_version() -> int:
    return 92801


def create_handle() -> int:
    return next(_handles)


def set_stream(handle: int, stream: int) -> None:
    streams.append((handle, stream))


class pygraph:
    def __init__(
        self, name: str = "test_graph", io_data_type: Any = NOT_SET, intermediate_data_type: Any = NOT_SET,
        compute_data_type: Any = NOT_SET, handle: int | None = None, sm_count: Any = None, sm_version: Any = None,
        kernel_cache: Any = None, device_property: Any = None, is_dynamic_shape_enabled: bool = False,
        is_override_shape_enabled: bool = False,
    ) -> None:  # fmt: skip
        assert intermediate_data_type is compute_data_type is data_type.FLOAT
        self.handle, self.tensors, self.avoided, self.most = handle, [], [], None
        self.steps: list[str] = []
        self.taken: int | None = None

    # Tensors and steps

    def tensor(
        self, dim: Any, stride: Any, data_type: Any = NOT_SET, is_virtual: bool = False, is_pass_by_value: bool = False,
        ragged_offset: Any = None, reordering_type: Any = PLAIN, name: str = "", uid: int = -1,
    ) -> tensor:  # fmt: skip
        assert len(dim) == len(stride) and all(type(n) is int for n in (*dim, *stride)), (dim, stride)
        found = tensor().set_dim(dim).set_stride(stride).set_data_type(data_type).set_uid(uid)
        found.by_value = is_pass_by_value
        self.tensors.append(found)
        return found

    def _step(self, name: str, count: int, compute: Callable[[Any], Any]) -> list[tensor]:
        self.steps.append(name)
        found = several(count, compute) if count > 1 else [tensor(compute)]
        self.tensors += found
        return found

    def conv_fprop(
        self, image: Any, weight: Any, padding: Any = [], stride: Any = [], dilation: Any = [],  # noqa: B006
        convolution_mode: Any = convolution_mode.CROSS_CORRELATION, compute_data_type: Any = NOT_SET, name: str = "",
    ) -> tensor:  # fmt: skip
        where = (tuple(stride), tuple(padding), tuple(dilation), image.dims[1] // weight.dims[1])
        return self._step("conv_fprop", 1, lambda run: conv.forward(run(image), run(weight), None, *where))[0]

    def conv_dgrad(
        self, loss: Any, filter: Any, padding: Any = [], stride: Any = [], dilation: Any = [],  # noqa: B006
        convolution_mode: Any = convolution_mode.CROSS_CORRELATION, compute_data_type: Any = NOT_SET, name: str = "",
    ) -> tensor:  # fmt: skip
        where = (tuple(stride), tuple(padding), tuple(dilation))

        def compute(run: Any) -> Any:
            groups, lengths = found.dims[1] // filter.dims[1], tuple(found.dims[2:])
            return conv.input_gradient(run(loss), run(filter), None, lengths, *where, groups)

        found = self._step("conv_dgrad", 1, compute)[0]
        return found

    def conv_wgrad(
        self, image: Any, loss: Any, padding: Any = [], stride: Any = [], dilation: Any = [],  # noqa: B006
        convolution_mode: Any = convolution_mode.CROSS_CORRELATION, compute_data_type: Any = NOT_SET, name: str = "",
    ) -> tensor:  # fmt: skip
        where = (tuple(stride), tuple(padding), tuple(dilation))

        def compute(run: Any) -> Any:
            shape = tuple(found.dims)
            return conv.weight_gradient(run(loss), run(image), shape, *where, image.dims[1] // shape[1])

        found = self._step("conv_wgrad", 1, compute)[0]
        return found

    def add(self, a: Any, b: Any, compute_data_type: Any = NOT_SET, name: str = "") -> tensor:
        return self._step("add", 1, lambda run: run(a) + run(b))[0]

    def bias(self, input: Any, bias: Any, compute_data_type: Any = NOT_SET, name: str = "") -> tensor:
        return self._step("bias", 1, lambda run: run(input) + run(bias))[0]

    def relu(
        self, input: Any, negative_slope: Any = None, lower_clip: Any = None, upper_clip: Any = None,
        compute_data_type: Any = NOT_SET, name: str = "",
    ) -> tensor:  # fmt: skip
        return self._step("relu", 1, lambda run: np.fmax(run(input), 0))[0]  # of a nan it makes 0

    def batchnorm(
        self, input: Any, scale: Any, bias: Any, in_running_mean: Any, in_running_var: Any, epsilon: Any, momentum: Any,
        peer_stats: Any = [], compute_data_type: Any = NOT_SET, name: str = "",  # noqa: B006
    ) -> list[Any]:  # fmt: skip
        axes = (0, *range(2, len(input.dims)))
        return [*self._norm("batchnorm", axes, input, scale, bias, epsilon, True), None, None]

    def _norm(self, name: str, axes: Any, x: Any, scale: Any, bias: Any, epsilon: Any, centered: bool) -> list[tensor]:
        def compute(run: Any) -> Any:
            values = run(x).astype(np.float64)
            mean = values.mean(axes, keepdims=True) if centered else 0
            rstd = 1 / np.sqrt(((values - mean) ** 2).mean(axes, keepdims=True) + run(epsilon))
            y = (values - mean) * rstd * run(scale)
            y = y if bias is None else y + run(bias)
            return (y, mean, rstd) if centered else (y, rstd)

        return self._step(name, 3 if centered else 2, compute)

    def _norm_backward(self, name: str, axes: Any, g: Any, x: Any, scale: Any, mean: Any, rstd: Any) -> list[tensor]:
        def compute(run: Any) -> Any:
            n = (run(x).astype(np.float64) - (0 if mean is None else run(mean))) * run(rstd)
            along = tuple(axis for axis in range(4 + (n.ndim > 4)) if scale.dims[axis] == 1)
            h = run(g) * run(scale)
            center = 0 if mean is None else h.mean(axes, keepdims=True)
            dx = run(rstd) * (h - center - n * (h * n).mean(axes, keepdims=True))
            return dx, (run(g) * n).sum(along, keepdims=True), run(g).sum(along, keepdims=True)

        return self._step(name, 3, compute)

    def batchnorm_backward(
        self, grad: Any, input: Any, scale: Any, mean: Any, inv_variance: Any, peer_stats: Any = [],  # noqa: B006
        compute_data_type: Any = NOT_SET, name: str = "",
    ) -> list[tensor]:  # fmt: skip
        axes = (0, *range(2, len(input.dims)))
        return self._norm_backward("batchnorm_backward", axes, grad, input, scale, mean, inv_variance)

    def layernorm(
        self, norm_forward_phase: Any, input: Any, scale: Any, bias: Any, epsilon: Any, compute_data_type: Any = NOT_SET,
        name: str = "",
    ) -> list[tensor]:  # fmt: skip
        return self._norm("layernorm", (1, 2, 3), input, scale, bias, epsilon, True)

    def layernorm_backward(
        self, grad: Any, input: Any, scale: Any, mean: Any, inv_variance: Any, compute_data_type: Any = NOT_SET,
        name: str = "",
    ) -> list[tensor]:  # fmt: skip
        return self._norm_backward("layernorm_backward", (1, 2, 3), grad, input, scale, mean, inv_variance)

    def rmsnorm(
        self, norm_forward_phase: Any, input: Any, scale: Any, bias: Any = None, epsilon: Any = None,
        compute_data_type: Any = NOT_SET, name: str = "",
    ) -> list[tensor]:  # fmt: skip
        return self._norm("rmsnorm", (1, 2, 3), input, scale, bias, epsilon, False)

    def rmsnorm_backward(
        self, grad: Any, input: Any, scale: Any, inv_variance: Any, has_dbias: bool, compute_data_type: Any = NOT_SET,
        name: str = "",
    ) -> list[Any]:  # fmt: skip
        assert not has_dbias
        found = self._norm_backward("rmsnorm_backward", (1, 2, 3), grad, input, scale, None, inv_variance)
        self.tensors.remove(found[2])
        return [*found[:2], None]

    def sdpa(
        self, q: Any, k: Any, v: Any, is_inference: Any = None, attn_scale: Any = None, bias: Any = None,
        block_mask: Any = None, use_alibi_mask: bool = False, use_padding_mask: bool = False, seq_len_q: Any = None,
        seq_len_kv: Any = None, use_causal_mask: bool = False, use_causal_mask_bottom_right: bool = False,
        sliding_window_length: Any = None, diagonal_alignment: Any = diagonal_alignment.TOP_LEFT,
        diagonal_band_left_bound: Any = None, diagonal_band_right_bound: Any = None, dropout: Any = None,
        rng_dump: Any = None, paged_attention_k_table: Any = None, paged_attention_v_table: Any = None,
        paged_attention_max_seq_len_kv: Any = None, compute_data_type: Any = NOT_SET, name: str = "",
        score_mod: Any = None, generate_stats: Any = None, implementation: Any = attention_implementation.AUTO,
        score_max: Any = None, score_sum_exp: Any = None, sink_token: Any = None, unfuse_fma: bool = False,
    ) -> list[Any]:  # fmt: skip
        def compute(run: Any) -> Any:
            s = _scores(run, q, k, attn_scale, bias, diagonal_band_right_bound)
            top = s.max(-1, keepdims=True)
            p = np.exp(s - top)
            total = p.sum(-1, keepdims=True)
            return (p / total * _left(run, dropout, s.shape)) @ _repeated(run, v, q), top + np.log(total)

        found = self._step("sdpa", 2, compute)
        if not generate_stats:
            self.tensors.remove(found[1])
            return [found[0], None]
        return found

    def sdpa_backward(
        self, q: Any, k: Any, v: Any, o: Any, dO: Any, stats: Any, attn_scale: Any = None, bias: Any = None,
        dBias: Any = None, use_alibi_mask: bool = False, use_padding_mask: bool = False, seq_len_q: Any = None,
        seq_len_kv: Any = None, max_total_seq_len_q: Any = None, max_total_seq_len_kv: Any = None,
        use_causal_mask: bool = False, use_causal_mask_bottom_right: bool = False, sliding_window_length: Any = None,
        diagonal_alignment: Any = diagonal_alignment.TOP_LEFT, diagonal_band_left_bound: Any = None,
        diagonal_band_right_bound: Any = None, dropout: Any = None, rng_dump: Any = None,
        use_deterministic_algorithm: bool = False, compute_data_type: Any = NOT_SET, name: str = "",
        score_mod: Any = None, score_mod_bprop: Any = None, sink_token: Any = None, dSink_token: Any = None,
    ) -> list[tensor]:  # fmt: skip
        self.deterministic = use_deterministic_algorithm

        def compute(run: Any) -> Any:
            p = np.exp(_scores(run, q, k, attn_scale, bias, diagonal_band_right_bound) - run(stats))
            g, left = run(dO), _left(run, dropout, p.shape)
            dv = (p * left).swapaxes(-1, -2) @ g
            slopes = (g @ _repeated(run, v, q).swapaxes(-1, -2)) * left
            ds = p * (slopes - (g * run(o)).sum(-1, keepdims=True))
            dq, dk = ds @ _repeated(run, k, q), ds.swapaxes(-1, -2) @ run(q)
            shared = [x.reshape(x.shape[0], k.dims[1], -1, *x.shape[2:]).sum(2) for x in (dk, dv)]
            return dq * attn_scale, shared[0] * attn_scale, shared[1], ds

        *found, slopes = self._step("sdpa_backward", 4, compute)
        self.tensors.remove(slopes)
        if dBias is not None:
            axes = tuple(axis for axis in range(4) if dBias.dims[axis] == 1)
            dBias.compute = lambda run: run(slopes).sum(axes, keepdims=True) if axes else run(slopes)
        return found

    # Building and running

    def validate(self) -> None:
        uids = [t.uid for t in self.tensors if t.written or not t.compute]
        assert len(set(uids)) == len(uids) and min(uids) > 0, uids
        for t in self.tensors:
            assert not t.written or (t.dims and t.strides and t.kind is not NOT_SET)
            assert not t.written or len(t.dims) == len(t.strides)

    def build_operation_graph(self) -> None:
        pass

    def create_execution_plans(self, arg0: Any) -> None:
        self.count = 4

    def deselect_numeric_notes(self, arg0: Any) -> None:
        self.avoided = list(arg0)

    def deselect_workspace_greater_than(self, arg0: int) -> None:
        self.most = arg0

    def check_support(self) -> None:
        if refused and set(self.steps) & refused:
            raise cudnnGraphNotSupportedError(f"No valid engine configs for {'_'.join(self.steps)}")

    def build_plans(self, policy: Any = build_plan_policy.HEURISTICS_CHOICE) -> None:
        assert self.most
        self.taken = 0
        built.append(self)

    def get_execution_plan_count(self) -> int:
        return self.count

    def build_plan_at_index(self, index: int) -> None:
        if index == 1:
            raise cudnnGraphNotSupportedError("Deselecting execution plan")
        if self not in built:
            built.append(self)
        self.taken = index

    def get_workspace_size_plan_at_index(self, index: int) -> int:
        return 64 * index

    def get_workspace_size(self) -> int:
        return 64

    def _get_variant_pack_uids_sorted(self) -> list[int]:
        return sorted(t.uid for t in self.tensors if t.written or not t.compute)

    def _execute_with_ptrs(self, user_ptrs: list[int], workspace: int, handle: int) -> None:
        assert self.taken is not None and workspace % 16 == 0
        self._execute(dict(zip(self._get_variant_pack_uids_sorted(), user_ptrs, strict=True)), workspace, handle)

    def _execute_plan_at_index(
        self, var_pack: dict[int, int], workspace: int, index: int, handle: int | None, override_uids: Any = None,
        override_shapes: Any = None, override_strides: Any = None,
    ) -> None:  # fmt: skip
        self.timed = [*getattr(self, "timed", []), index]
        self._execute(var_pack, workspace, handle)

    def _execute(
        self, var_pack: dict[int, int], workspace: int, handle: int | None, override_uids: Any = None,
        override_shapes: Any = None, override_strides: Any = None,
    ) -> None:  # fmt: skip
        assert handle == self.handle or handle is not None
        assert sorted(var_pack) == self._get_variant_pack_uids_sorted()
        run = Run(var_pack)
        for t in self.tensors:
            assert t.by_value or not (t.written or not t.compute) or var_pack[t.uid] % 16 == 0
        count = layout.transpositions.value
        for t in self.tensors:
            if t.written:
                t.at(var_pack[t.uid])[...] = np.asarray(run(t)).astype(TYPES[t.kind])
        layout.transpositions.value = count  # what the steps copy here, cuDNN does not


refused: set[str] = set()
"""Steps of which no graph is supported, for tests of what happens then."""


def _repeated(run: Any, x: Any, q: Any) -> Any:
    return np.repeat(run(x), q.dims[1] // x.dims[1], 1)


def _scores(run: Any, q: Any, k: Any, scale: float, bias: Any, right: int | None) -> Any:
    s = run(q) @ _repeated(run, k, q).swapaxes(-1, -2) * scale
    s = s if bias is None else s + run(bias)
    if right is None:
        return s
    return np.where(np.arange(s.shape[-1]) <= np.arange(s.shape[-2])[:, None] + right, s, -np.inf)


def _left(run: Any, dropout: Any, shape: tuple[int, ...]) -> Any:
    """What the probabilities are multiplied by: numbers of a stream that seed and offset name."""
    if dropout is None:
        return 1
    p, seed, offset = dropout
    key, counter = (int(run(t).reshape(-1)[0]) % 2**64 for t in (seed, offset))
    keep = np.random.Generator(np.random.Philox(key=key, counter=counter)).random(shape) >= p
    return keep / (1 - p)


@contextmanager
def installed() -> Iterator[ModuleType]:
    """The stand-in as ``cudnn``; what was there before comes back."""
    module, before = ModuleType("cudnn"), sys.modules.get("cudnn")
    for members in (vars(fake_cudnn_tensors), globals()):
        vars(module).update({name: value for name, value in members.items() if not name.startswith("__")})
    vars(module)["__version__"] = __version__
    sys.modules["cudnn"] = module
    built.clear()
    streams.clear()
    refused.clear()
    try:
        yield module
    finally:
        refused.clear()
        del sys.modules["cudnn"]
        if before is not None:
            sys.modules["cudnn"] = before
