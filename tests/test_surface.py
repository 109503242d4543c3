"""PyTorch's public names are here, or stand in the list of what is left out, with the reason.

A name of PyTorch in one of ``NAMESPACES`` that is neither here nor listed fails the test: so does a new PyTorch.
"""

from __future__ import annotations

import importlib
import inspect
import warnings
from fnmatch import fnmatchcase

import pytest

import framework

torch = pytest.importorskip("torch")

NAMESPACES = (
    "", "Tensor", "nn", "nn.functional", "nn.init", "nn.utils", "nn.utils.rnn", "nn.utils.parametrize",
    "nn.utils.parametrizations", "nn.utils.prune", "nn.Module", "optim", "optim.Optimizer", "optim.lr_scheduler",
    "optim.swa_utils", "linalg", "special", "random", "autograd", "autograd.functional", "autograd.graph",
    "func", "utils.data", "utils.checkpoint", "cuda", "backends", "backends.cuda",
    "backends.cudnn", "accelerator", "testing", "Generator",
)  # fmt: skip

# Left out, by reason: names, with "*" for any letters; "cuda.x" is a name in one namespace alone.
LEFT_OUT = {
    "sparse tensors": """
        *sparse* ccol_indices* col_indices* crow_indices* row_indices* indices indices_copy values values_copy coalesce
        is_coalesced dense_dim to_dense smm hsmm hspmm dsmm spmm sspaddmm saddmm SparseAdam *_sparse_*""",
    "quantized tensors": """
        q_* qint* quint* *quantize* qscheme int_repr per_channel_* per_tensor_* fbgemm_* choose_qparams_optimized
        fake_quantize_* fused_moving_avg_obs_fake_quant qat intrinsic quantizable quantized ao bits* int1 int2 int3 int4
        int5 int6 int7 uint1 uint2 uint3 uint4 uint5 uint6 uint7 bit float4_* float8_* complex32 chalf
        scaled_mm scaled_grouped_mm grouped_mm ScalingType SwizzleType""",
    "compiling, tracing, exporting": """
        compile compiler jit fx export _dynamo cond while_loop fork wait sym_* Sym* Script* AnyType AwaitType BoolType ClassType ComplexType DictType EnumType
        FloatType FutureType IntType InterfaceType ListType NoneType NumberType OptionalType RRefType StringType TensorType
        TupleType UnionType SymBoolType SymIntType PyObjectType DeviceObjType parse_* import_ir_*
        Graph* *Graph Node Block Value Use Code CallStack Capsule CompilationUnit CompleteArgumentSpec Argument*
        ConcreteModule* Deserialization* Serialization* ErrorReport ExecutionPlan FileCheck FunctionSchema Future* Gradient
        LiteScriptModule LoggerBase LockingLogger NoopLogger OperatorInfo PyObjectType PyTorchFile* StaticModule
        TracingState AliasDb AggregationType AVG SUM DispatchKey* ExcludeDispatchKeyGuard Tag IODescriptor JITException
        FatalError merge_type_from_type_comment unify_type_list functionalize debug_unwrap rearrange
        BroadcastingList* assert_int_or_pair boolean_dispatch is_traceable_wrapper_subclass is_opaque_reference_type
        OpaqueBase classes library package prepare_multiprocessing_environment get_file_path thread_safe_generator
        DeepCopyMemoTable InferredType Type is_view_replay_enabled PRIVATE_OPS T_destination""",
    "several machines or processes": "distributed DataParallel parallel multiprocessing futures *distributed*",
    "named tensors": "refine_names align_* rename rename_ names has_names",
    "subclasses that intercept every op": """
        overrides DisableTorchFunction* has_torch_function* handle_torch_function as_subclass TorchDispatchMode
        is_tensor_like LoggingTensorMode""",
    "fft and audio": "fft stft istft *_window signal",
    "nested and masked tensors": "nested masked to_padded_tensor jagged",
    "mixed precision": "amp *autocast* GradScaler",
    "probability distributions, hub and profiling: other packages, or none": """
        distributions hub profiler* Profiler* kineto_available monitor benchmark Benchmark* ThroughputBenchmark
        emit_nvtx emit_itt nvtx""",
    "other devices than CPU and CUDA": """
        xpu* mtia* mps* ipu* is_vulkan_available miopen* mkldnn_* cudnn_* to_mkldnn cpu kleidiai nnpack cusparselt
        opt_einsum mha m batch_norm_* Event Stream *StreamObjType DeviceObjType DeviceType get_device_module
        DEVICE_REQUIREMENT AcceleratorError python_native windows""",
    "rare linear algebra": """
        *lu lu_* ldl_* householder_product geqrf orgqr ormqr lobpcg svd_lowrank pca_lowrank""",
    "rare special functions": """
        airy_ai *bessel_* *_polynomial_*""",
    "functions that PyTorch has removed: they only raise there": """
        symeig eig lstsq solve matrix_rank reinforce""",
    "deprecated spellings": """
        storage storage_type *Storage StorageBase resize resize_as Container has_half has_magma has_lapack has_mkl
        has_openmp has_spectral reset_max_memory_cached assert_allclose cuda.*Tensor accelerator.get_device_capability
        copy_method_params legacy_contiguous_format quantization EPOCH_DEPRECATION_WARNING""",
    "raw forms with reductions as numbers, which nn.functional calls": """
        binary_cross_entropy_with_logits kl_div embedding embedding_bag segment_reduce""",
    "forward mode, and the engine's inner workings": """
        forward_ad fwAD NestedIOFunction SavedTensor enforce_grad_layout_policy *multithreading_enabled linearize
        allow_mutation_on_saved_tensors disable_saved_tensors_hooks get_gradient_edge GradientEdge increment_version
        region_activation_memory_budget register_multi_grad_hook save_on_cpu set_override_stale_capture_stream
        set_warn_on_accumulate_grad_stream_mismatch set_anomaly_enabled grad_dtype module_load const_data_ptr index
        name replace_all_batch_norm_modules_ variable slice_inverse native_norm *swap_module_params*
        view_as_complex_copy view_as_real_copy swap_in_optimizer_params_and_state bind PackedSequence_""",
    "selective checkpointing": """
        Checkpoint* DefaultDeviceType *Selective* *selective* SAC_IGNORED_OPS capture_logs check_backward_validity
        detach_variable *device_states noop_context_fn set_checkpoint_* tree_map""",
    "data pipes": """
        *DataPipe datapipes DataChunk argument_validation *datapipe* *determinism non_deterministic runtime_validation*
        graph_settings""",
    "the driver's and the allocator's inner workings": """
        CUDAPluggableAllocator *allocator* cudaStatus cudart check_error CudaError DeferredCudaCallError ExternalStream
        GreenContext green_contexts gds nccl tunable jiterator MemPool use_mem_pool *blas* *solver* *sdp* SDP* cuFFT*
        cufft* cuBLAS* can_use_* is_flash_attention_available is_ck_sdpa_available preferred_* get_arch_list
        get_gencode_flags *fraction ipc_collect list_gpu_processes memory_snapshot memory_summary memory_usage
        *_nested_dict *host_memory* *accumulated_memory_stats host_* power_draw temperature utilization clock_rate
        device_memory_used default_generators get_stream_from_external *sync_debug_mode graph_pool_handle graphs
        make_graphed_callables sparse cuda_* memory device_index empty_host_cache get_memory_info get_offset set_offset graphsafe_*
        PYTORCH_RELEASES_CODE_CC profile_hook_step""",
    "helpers that are visible in PyTorch's modules but no part of them": """
        types *_notes common_args common_types multi_dim_common F functional quasirandom cpp serialization BufferDict grad
        ModuleDict ParameterDict graph parametrize fx_traceback TYPE_CHECKING USE_* torch_version classproperty compiled_with_cxx11_abi
        init_num_threads from_file *_MODES factory_kwargs Variable Optimizer Tensor inf""",
}  # fmt: skip


def fetch(root, path):
    for part in path.split(".") if path else ():
        found = getattr(root, part, None)
        root = importlib.import_module(f"{root.__name__}.{part}") if found is None else found
    return root


def left_out(name: str, namespace: str = "") -> bool:
    """Whether a name, or with its namespace in front, is in the list."""

    patterns = [pattern for group in LEFT_OUT.values() for pattern in group.split()]
    return any(fnmatchcase(n, pattern) for pattern in patterns for n in (name, f"{namespace}.{name}"))


def names_of(namespace: str) -> list[str]:
    """The public names that PyTorch defines in a namespace, without what it merely imports there."""
    theirs = fetch(torch, namespace)
    found = []
    for name in dir(theirs):
        value = getattr(theirs, name, None)
        module = value.__name__ if inspect.ismodule(value) else getattr(value, "__module__", "") or "torch"
        if not name.startswith("_") and module.startswith("torch") and value is not torch:
            found.append(name)
    return found


@pytest.mark.parametrize("namespace", NAMESPACES, ids=lambda n: n or "torch")
def test_every_name_is_here_or_left_out_for_a_reason(namespace):
    ours = framework.Generator() if namespace == "Generator" else fetch(framework, namespace)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        names = names_of(namespace)
    missing = [name for name in names if not hasattr(ours, name) and not left_out(name, namespace)]
    assert not missing, f"{namespace}: {' '.join(missing)}"


@pytest.mark.parametrize(
    "namespace",
    [n for n in NAMESPACES if n and n[0].islower() and n.rpartition(".")[2][0].islower()] + ["utils"],
)
def test_a_missing_name_in_a_namespace_says_so_and_names_the_nearest(namespace):
    ours = fetch(framework, namespace)
    name = next(n for n in vars(ours) if not n.startswith("_") and len(n) > 4 and n != "annotations")
    with pytest.raises(AttributeError, match=f"framework.{namespace}.*'{name}z'.*nearest: .*{name}"):
        getattr(ours, f"{name}z")
    assert not hasattr(ours, "__no_such_dunder__")


def test_what_is_left_out_is_not_everyday():
    everyday = (
        "tensor zeros ones cat stack matmul einsum save load no_grad nn optim manual_seed Generator where topk gather "
        "is_tensor set_num_threads use_deterministic_algorithms set_float32_matmul_precision arange"
    ).split()
    assert not [name for name in everyday if left_out(name)]
    for path in ("Linear", "Conv2d", "LSTM", "Transformer", "CrossEntropyLoss"):
        assert not left_out(path) and hasattr(framework.nn, path)
