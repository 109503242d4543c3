"""PyTorch's public names are here, or stand in the list of what is left out, with the reason.

A name of PyTorch in one of ``NAMESPACES`` that is neither here nor listed fails the test: so does a new PyTorch.
"""

from __future__ import annotations

import importlib
import inspect
from fnmatch import fnmatchcase

import pytest

import framework

torch = pytest.importorskip("torch")

NAMESPACES = (
    "", "Tensor", "nn", "nn.functional", "nn.init", "nn.utils", "nn.utils.rnn", "nn.utils.parametrize",
    "nn.utils.parametrizations", "nn.utils.prune", "nn.Module", "optim", "optim.Optimizer", "optim.lr_scheduler",
    "optim.swa_utils", "linalg", "special", "random", "autograd", "autograd.functional", "autograd.graph",
    "func", "utils.data", "utils.checkpoint", "cuda", "backends", "backends.cuda",
    "backends.cudnn", "accelerator", "amp", "cuda.amp", "cpu.amp", "testing", "Generator", "profiler", "autograd.profiler",
)  # fmt: skip

# Left out, by reason: names, with "*" for any letters; "cuda.x" is left out of one namespace alone.
LEFT_OUT = {
    "sparse tensors": """
        ccol_indices* coalesce col_indices* crow_indices* dense_dim dsmm hsmm hspmm indices indices_copy is_coalesced
        resize_as_sparse_ row_indices* saddmm smm sparse_?* SparseAdam spmm sspaddmm to_dense to_sparse* values
        values_copy""",
    "quantized tensors": """
        bit bits* chalf choose_qparams_optimized complex32 dequantize empty_quantized fake_quantize_* fbgemm_*
        float4_* float8_* fused_moving_avg_obs_fake_quant grouped_mm int1 int2 int3 int4 int5 int6 int7 int_repr
        per_channel_* per_tensor_* q_* qint* qscheme quantize* *quantize_* quint* scaled_grouped_mm scaled_mm
        ScalingType SwizzleType uint1 uint2 uint3 uint4 uint5 uint6 uint7""",
    "compiling, tracing, exporting": """
        AggregationType AliasDb AnyType Argument* assert_int_or_pair AVG AwaitType Block boolean_dispatch BoolType
        BroadcastingList* CallStack Capsule ClassType Code CompilationUnit compile CompleteArgumentSpec ComplexType
        ConcreteModule* debug_unwrap DeepCopyMemoTable Deserialization* DeviceObjType DictType DispatchKey* EnumType
        ErrorReport ExcludeDispatchKeyGuard ExecutionPlan FatalError FileCheck FloatType fork functionalize
        FunctionSchema Future* FutureType get_file_path Gradient Graph* import_ir_* InferredType InterfaceType IntType
        IODescriptor is_opaque_reference_type is_traceable_wrapper_subclass is_view_replay_enabled JITException
        ListType LiteScriptModule LockingLogger LoggerBase merge_type_from_type_comment NoneType NoopLogger NumberType
        OpaqueBase OperatorInfo OptionalType parse_* prepare_multiprocessing_environment PRIVATE_OPS PyObjectType
        PyTorchFile* rearrange RRefType Script* Serialization* StaticModule StringType SUM Sym* sym_* SymBoolType
        SymIntType T_destination Tag TensorType thread_safe_generator torch.cond torch.Node TracingState TupleType
        Type unify_type_list UnionType Use Value wait while_loop""",
    "several machines or processes": "DataParallel",
    "subclasses that intercept every op": """
        as_subclass DisableTorchFunction* handle_torch_function has_torch_function* is_tensor_like LoggingTensorMode
        TorchDispatchMode""",
    "fft and audio": "*_window istft stft",
    "nested and masked tensors": "jagged to_padded_tensor",
    "the profiler's inner workings, and other tools that time": """
        autograd.Profiler* autograd.profiler.ProfilerC* autograd.profiler.ProfilerS* Benchmark* emit_itt emit_nvtx
        EnforceUnique ExecutionTraceObserver is_fbcode Kineto* kineto_available load_nvprof MEMORY_EVENT_NAME
        MemRecordsAcc OUT_OF_MEMORY_EVENT_NAME profiler.Optimizer profiler.register_* profiler_* RecordScope
        ThroughputBenchmark""",
    "other devices than CPU and CUDA": """
        *_autocast_ipu_* *_autocast_xla_* AcceleratorError batch_norm_* cudnn_* DEVICE_REQUIREMENT DeviceObjType DeviceType get_device_module ipu*
        is_vulkan_available miopen* mkldnn_* mtia* *StreamObjType to_mkldnn torch.Event torch.Stream xpu*""",
    "rare linear algebra": """
        geqrf householder_product ldl_* linalg.lu lobpcg lu_* orgqr ormqr pca_lowrank svd_lowrank Tensor.lu torch.lu""",
    "rare special functions": "*_polynomial_* airy_ai *bessel_*",
    "functions that PyTorch has removed: they only raise there": """
        reinforce symeig Tensor.eig Tensor.lstsq Tensor.solve torch.eig torch.lstsq torch.matrix_rank torch.solve""",
    "deprecated spellings": """
        *[!d]Storage accelerator.get_device_capability assert_allclose Container copy_method_params cuda.*Tensor
        EPOCH_DEPRECATION_WARNING has_half has_lapack has_magma has_mkl has_openmp has_spectral
        legacy_contiguous_format reset_max_memory_cached resize resize_as storage storage_type StorageBase
        TypedStorage""",
    "raw forms with reductions as numbers, which nn.functional calls": """
        segment_reduce torch.binary_cross_entropy_with_logits torch.embedding torch.embedding_bag torch.kl_div""",
    "forward mode, and the engine's inner workings": """
        allow_mutation_on_saved_tensors bind const_data_ptr disable_saved_tensors_hooks enforce_grad_layout_policy
        get_gradient_edge grad_dtype GradientEdge increment_version index linearize module_load
        *multithreading_enabled name native_norm NestedIOFunction PackedSequence_ region_activation_memory_budget
        register_multi_grad_hook replace_all_batch_norm_modules_ save_on_cpu SavedTensor set_anomaly_enabled
        set_override_stale_capture_stream set_warn_on_accumulate_grad_stream_mismatch slice_inverse
        swap_in_optimizer_params_and_state *swap_module_params* variable view_as_complex_copy view_as_real_copy""",
    "selective checkpointing": """
        capture_logs check_backward_validity Checkpoint* DefaultDeviceType detach_variable *device_states
        noop_context_fn SAC_IGNORED_OPS *selective* *Selective* set_checkpoint_* tree_map""",
    "data pipes": """
        argument_validation DataChunk *DataPipe *datapipe* *determinism non_deterministic runtime_validation*""",
    "the driver's and the allocator's inner workings": """
        *_nested_dict *accumulated_memory_stats *allocator* *blas* can_use_* check_error clock_rate cuBLAS* CudaError
        CUDAPluggableAllocator cudart cudaStatus cufft* cuFFT* default_generators DeferredCudaCallError device_index
        device_memory_used empty_host_cache ExternalStream get_arch_list get_gencode_flags get_memory_info get_offset
        get_per_process_memory_fraction get_stream_from_external graphsafe_* GreenContext host_*
        *host_memory* is_ck_sdpa_available is_flash_attention_available list_gpu_processes
        make_graphed_callables memory_snapshot memory_usage MemPool power_draw preferred_*
        profile_hook_step PYTORCH_RELEASES_CODE_CC *sdp* SDP* set_offset *solver* *sync_debug_mode temperature
        use_mem_pool utilization""",
    "helpers that are visible in PyTorch's modules but no part of them": """
        *_MODES *_notes amp_definitely_not_available autograd.graph.Variable BufferDict classproperty common_args compiled_with_cxx11_abi
        factory_kwargs from_file init_num_threads multi_dim_common nn.functional.Tensor optim.lr_scheduler.inf
        optim.lr_scheduler.Optimizer optim.lr_scheduler.Tensor special.Tensor torch.ModuleDict torch.ParameterDict
        TYPE_CHECKING USE_*""",
}  # fmt: skip


def fetch(root, path):
    for part in path.split(".") if path else ():
        found = getattr(root, part, None)
        root = importlib.import_module(f"{root.__name__}.{part}") if found is None else found
    return root


PATTERNS = [pattern for group in LEFT_OUT.values() for pattern in group.split()]


def left_out(name: str, namespace: str) -> list[str]:
    """The patterns that a name, or the name with its namespace in front, fits."""
    return [p for p in PATTERNS if fnmatchcase(name, p) or fnmatchcase(f"{namespace or 'torch'}.{name}", p)]


def names_of(namespace: str) -> list[str]:
    """The public names that PyTorch defines in a namespace, without what it merely imports there."""
    theirs = fetch(torch, namespace)
    found = []
    for name in dir(theirs):
        value = getattr(theirs, name, None)
        home = getattr(value, "__module__", "") or "torch"
        # modules come and go with what else is imported; those that matter are in NAMESPACES
        if not name.startswith("_") and not inspect.ismodule(value) and home.startswith("torch"):
            found.append(name)
    return found


@pytest.mark.filterwarnings("ignore")  # PyTorch warns when some names are looked at
def test_every_name_is_here_or_left_out_for_a_reason():
    missing, needed = [], set()
    for namespace in NAMESPACES:
        ours = framework.Generator() if namespace == "Generator" else fetch(framework, namespace)
        for name in names_of(namespace):
            patterns = left_out(name, namespace)
            if not hasattr(ours, name):
                needed.update(patterns)
                if not patterns:
                    missing.append(f"{namespace}.{name}".lstrip("."))
            elif patterns:
                missing.append(f"{namespace}.{name} is here, and listed as {patterns}")
    assert not missing, " ".join(missing)
    assert not set(PATTERNS) - needed, f"nothing needs {sorted(set(PATTERNS) - needed)}"


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
