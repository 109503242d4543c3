"""What CuPy 14.2 has, written down from it: `tests/gpu/test_names.py` compares these tables with a CuPy where there is one."""

from __future__ import annotations

UFUNCS = {
    "?->? b->? B->? h->? H->? i->? I->? l->? L->? q->? Q->? e->? f->? d->?": ("logical_not "),
    "?->? b->b B->B h->h H->H i->i I->I l->l L->L q->q Q->Q": ("bitwise_invert bitwise_not invert "),
    "?->? b->b B->B h->h H->H i->i I->I l->l L->L q->q Q->Q e->e E->E f->f d->d": ("ceil fix floor trunc "),
    "?->? b->b B->B h->h H->H i->i I->I l->l L->L q->q Q->Q e->e E->E f->f d->d F->F D->D": ("negative positive "),
    "?->? b->b B->B h->h H->H i->i I->I l->l L->L q->q Q->Q e->e E->E f->f d->d F->f D->d": ("abs absolute "),
    "??->? bb->? BB->? hh->? HH->? ii->? II->? ll->? LL->? qq->? QQ->? ee->? ff->? dd->?": ("logical_xor "),
    "??->? bb->b BB->B hh->h HH->H ii->i II->I ll->l LL->L qq->q QQ->Q": (
        "bitwise_and bitwise_or bitwise_xor gcd lcm "
    ),
    "??->? bb->b BB->B hh->h HH->H ii->i II->I ll->l LL->L qq->q QQ->Q ee->e EE->E ff->f dd->d FF->F DD->D": (
        "add fmax fmin maximum minimum multiply subtract "
    ),
    "??->? qq->? QQ->? qQ->? Qq->? ee->? EE->? ff->? dd->?": ("logical_and logical_or "),
    "??->? qq->? QQ->? qQ->? Qq->? ee->? EE->? ff->? dd->? FF->? DD->?": ("greater greater_equal less less_equal "),
    "??->? qq->? QQ->? qQ->? Qq->? ee->? EE->? ff->? dd->? FF->? DD->? VV->?": ("equal not_equal "),
    "??->b bb->b BB->B hh->h HH->H ii->i II->I ll->l LL->L qq->q QQ->Q ee->e EE->E ff->f dd->d FF->F DD->D": (
        "pow power "
    ),
    "b->B B->B h->B H->B i->B I->B l->B L->B q->B Q->B": ("bitwise_count "),
    "b->b B->B h->h H->H i->i I->I l->l L->L q->q Q->Q e->e E->E f->f d->d F->F D->D": (
        "conj conjugate reciprocal sign square "
    ),
    "bb->b BB->B hh->h HH->H ii->i II->I ll->l LL->L qq->q QQ->Q": (
        "bitwise_left_shift bitwise_right_shift left_shift right_shift "
    ),
    "bb->b BB->B hh->h HH->H ii->i II->I ll->l LL->L qq->q QQ->Q ee->e EE->E ff->f dd->d": (
        "floor_divide fmod mod remainder "
    ),
    "bb->bb BB->BB hh->hh HH->HH ii->ii II->II ll->ll LL->LL qq->qq QQ->QQ ee->ee ff->ff dd->dd": ("divmod "),
    "dd->d FF->D DD->D": ("float_power "),
    "e->? E->? f->? d->?": ("signbit "),
    "e->? E->? f->? d->? F->? D->?": ("isfinite isinf isnan "),
    "e->d f->f d->d": (
        "special.erf special.erfc special.erfcx special.expit special.log_ndtr special.logit special.ndtr "
    ),
    "e->d l->d L->d f->f d->d": ("special.exp2 "),
    "e->d l->d L->d f->f d->d F->F D->D": ("special.expm1 "),
    "e->e E->E f->f d->d": ("cbrt deg2rad degrees fabs rad2deg radians "),
    "e->e E->E f->f d->d F->F D->D": (
        "acos acosh arccos arccosh arcsin arcsinh arctan arctanh asin asinh atan atanh cos cosh exp exp2 "
        "expm1 i0 log log10 log1p log2 rint sin sinc sinh sqrt tan tanh special.sinc "
    ),
    "e->ee E->EE f->ff d->dd": ("modf "),
    "e->ei E->Ei f->fi d->di": ("frexp "),
    "ee->d ll->d LL->d ff->f dd->d FF->F DD->D": ("special.xlog1py special.xlogy "),
    "ee->e EE->E ff->f dd->d": ("heaviside logaddexp logaddexp2 "),
    "ee->e EE->E ff->f dd->d FF->F DD->D": ("arctan2 atan2 copysign hypot nextafter "),
    "ei->e Ei->E fi->f el->e El->E fl->f di->d dq->d": ("ldexp "),
    "f->f d->d": ("special.entr special.erfcinv special.erfinv special.exp1 special.expi special.ndtri "),
    "ff->f dd->d": ("special.gammainc special.gammaincc special.kl_div special.poch special.rel_entr special.zeta "),
    "l->d L->d e->d f->f F->F d->d D->D": ("special.log1p "),
    "l->d L->d e->d f->f d->d": (
        "special.i0 special.i0e special.i1 special.i1e special.j0 special.j1 special.k0 special.k0e "
        "special.k1 special.k1e special.y0 special.y1 "
    ),
    "l->d e->d f->f d->d": ("special.gammaln "),
    "l->d e->d f->f d->d F->F D->D": ("special.digamma special.gamma special.loggamma special.psi special.rgamma "),
    "ll->d LL->d ee->d ff->f dd->d": ("special.beta special.betaln "),
    "qq->d qQ->d Qq->d QQ->d ee->e EE->E ff->f dd->d FF->F DD->D": ("divide true_divide "),
}
"""The loops of every ufunc, by dtype characters (E is bfloat16): the first to which the inputs cast safely is taken."""

FUNCTIONS = """
all(a, axis=0, out=0, keepdims=0); allclose(a, b, rtol=0, atol=0, equal_nan=0);
amax(a, axis=0, out=0, keepdims=0); amin(a, axis=0, out=0, keepdims=0); angle(z, deg=0);
any(a, axis=0, out=0, keepdims=0); append(arr, values, axis=0); arange(start, stop=0, step=0, dtype=0);
argmax(a, axis=0, dtype=0, out=0, keepdims=0); argmin(a, axis=0, dtype=0, out=0, keepdims=0);
argpartition(a, kth, axis=0); argsort(a, axis=0, kind=0); argwhere(a); around(a, decimals=0, out=0);
array(obj, dtype=0, copy=0, order=0, subok=0, ndmin=0, *, blocking=0); array_equal(a1, a2, equal_nan=0);
array_equiv(a1, a2); array_split(ary, indices_or_sections, axis=0);
asanyarray(a, dtype=0, order=0, *, copy=0, blocking=0); asarray(a, dtype=0, order=0, *, copy=0, blocking=0);
ascontiguousarray(a, dtype=0); asfortranarray(a, dtype=0); asnumpy(a, stream=0, order=0, out=0, *, blocking=0);
astype(x, dtype, *, copy=0); atleast_1d(*arys); atleast_2d(*arys); atleast_3d(*arys);
average(a, axis=0, weights=0, returned=0, *, keepdims=0); bincount(x, weights=0, minlength=0);
broadcast_arrays(*args); broadcast_shapes(*args); broadcast_to(array, shape); can_cast(from_, to, casting=0);
choose(a, choices, out=0, mode=0); clip(a, a_min, a_max, out=0); column_stack(tup); common_type(*arrays);
compress(condition, a, axis=0, out=0); concat(tup, axis=0, out=0, *, dtype=0, casting=0);
concatenate(tup, axis=0, out=0, *, dtype=0, casting=0); convolve(a, v, mode=0); copy(a, order=0);
copyto(dst, src, casting=0, where=0); corrcoef(a, y=0, rowvar=0, bias=0, ddof=0, *, dtype=0);
correlate(a, v, mode=0); count_nonzero(a, axis=0);
cov(a, y=0, rowvar=0, bias=0, ddof=0, fweights=0, aweights=0, *, dtype=0);
cross(a, b, axisa=0, axisb=0, axisc=0, axis=0); cumprod(a, axis=0, dtype=0, out=0);
cumsum(a, axis=0, dtype=0, out=0); cumulative_prod(x, *, axis=0, dtype=0, out=0, include_initial=0);
cumulative_sum(x, *, axis=0, dtype=0, out=0, include_initial=0); delete(arr, indices, axis=0); diag(v, k=0);
diag_indices(n, ndim=0); diag_indices_from(arr); diagflat(v, k=0); diagonal(a, offset=0, axis1=0, axis2=0);
diff(a, n=0, axis=0, prepend=0, append=0); digitize(x, bins, right=0); dot(a, b, out=0);
dsplit(ary, indices_or_sections); dstack(tup); ediff1d(arr, to_end=0, to_begin=0); einsum(*operands, **kwargs);
empty(shape, dtype=0, order=0); empty_like(prototype, dtype=0, order=0, subok=0, shape=0); expand_dims(a, axis);
extract(condition, a); eye(N, M=0, k=0, dtype=0, order=0); fill_diagonal(a, val, wrap=0); flatnonzero(a);
flip(a, axis=0); fliplr(a); flipud(a); full(shape, fill_value, dtype=0, order=0);
full_like(a, fill_value, dtype=0, order=0, subok=0, shape=0); get_array_module(*args); get_default_memory_pool();
get_default_pinned_memory_pool(); gradient(f, *varargs, axis=0, edge_order=0);
histogram(x, bins=0, range=0, density=0, weights=0); histogram2d(x, y, bins=0, range=0, weights=0, density=0);
histogramdd(sample, bins=0, range=0, weights=0, density=0); hsplit(ary, indices_or_sections);
hstack(tup, *, dtype=0, casting=0); identity(n, dtype=0); imag(val); indices(dimensions, dtype=0); inner(a, b);
interp(x, xp, fp, left=0, right=0, period=0); intersect1d(arr1, arr2, assume_unique=0, return_indices=0);
is_available(); isclose(a, b, rtol=0, atol=0, equal_nan=0); iscomplexobj(x); isdtype(dtype, kind); isfortran(a);
isin(element, test_elements, assume_unique=0, invert=0); isneginf(x, out=0); isposinf(x, out=0); isrealobj(x);
isscalar(element); issubdtype(arg1, arg2); iterable(y); ix_(*args); kron(a, b); lexsort(keys);
linspace(start, stop, num=0, endpoint=0, retstep=0, dtype=0, axis=0);
logspace(start, stop, num=0, endpoint=0, base=0, dtype=0, axis=0);
matmul(*args, axes=0, axis=0, keepdims=0, casting=0, dtype=0, signature=0, order=0, out=0); matrix_transpose(x);
max(a, axis=0, out=0, keepdims=0); may_share_memory(a, b, max_work=0);
mean(a, axis=0, dtype=0, out=0, keepdims=0); median(a, axis=0, out=0, overwrite_input=0, keepdims=0);
meshgrid(*xi, **kwargs); min(a, axis=0, out=0, keepdims=0); min_scalar_type(a); moveaxis(a, source, destination);
nan_to_num(x, copy=0, nan=0, posinf=0, neginf=0); nanargmax(a, axis=0, dtype=0, out=0, keepdims=0);
nanargmin(a, axis=0, dtype=0, out=0, keepdims=0); nancumprod(a, axis=0, dtype=0, out=0);
nancumsum(a, axis=0, dtype=0, out=0); nanmax(a, axis=0, out=0, keepdims=0);
nanmean(a, axis=0, dtype=0, out=0, keepdims=0); nanmedian(a, axis=0, out=0, overwrite_input=0, keepdims=0);
nanmin(a, axis=0, out=0, keepdims=0); nanprod(a, axis=0, dtype=0, out=0, keepdims=0);
nanstd(a, axis=0, dtype=0, out=0, ddof=0, keepdims=0); nansum(a, axis=0, dtype=0, out=0, keepdims=0);
nanvar(a, axis=0, dtype=0, out=0, ddof=0, keepdims=0); ndim(a); nonzero(a); ones(shape, dtype=0, order=0);
ones_like(a, dtype=0, order=0, subok=0, shape=0); outer(a, b, out=0); packbits(a, axis=0, bitorder=0);
pad(array, pad_width, mode=0, **kwargs); partition(a, kth, axis=0);
percentile(a, q, axis=0, out=0, overwrite_input=0, method=0, keepdims=0, *, interpolation=0);
permute_dims(a, axes=0); piecewise(x, condlist, funclist); place(arr, mask, vals);
prod(a, axis=0, dtype=0, out=0, keepdims=0); promote_types(type1, type2); ptp(a, axis=0, out=0, keepdims=0);
put(a, ind, v, mode=0); put_along_axis(arr, indices, values, axis); putmask(a, mask, values);
quantile(a, q, axis=0, out=0, overwrite_input=0, method=0, keepdims=0, *, interpolation=0); ravel(a, order=0);
ravel_multi_index(multi_index, dims, mode=0, order=0); real(val); repeat(a, repeats, axis=0);
require(a, dtype=0, requirements=0); reshape(a, newshape, order=0, *, copy=0); resize(a, new_shape);
result_type(*arrays_and_dtypes); roll(a, shift, axis=0); rollaxis(a, axis, start=0); rot90(a, k=0, axes=0);
round(a, decimals=0, out=0); searchsorted(a, v, side=0, sorter=0); select(condlist, choicelist, default=0);
setdiff1d(ar1, ar2, assume_unique=0); setxor1d(ar1, ar2, assume_unique=0); shape(a);
shares_memory(a, b, max_work=0); sort(a, axis=0, kind=0); sort_complex(a);
split(ary, indices_or_sections, axis=0); squeeze(a, axis=0); stack(tup, axis=0, out=0, *, dtype=0, casting=0);
std(a, axis=0, dtype=0, out=0, ddof=0, keepdims=0); sum(a, axis=0, dtype=0, out=0, keepdims=0);
swapaxes(a, axis1, axis2); take(a, indices, axis=0, out=0); take_along_axis(a, indices, axis);
tensordot(a, b, axes=0); tile(A, reps); trace(a, offset=0, axis1=0, axis2=0, dtype=0, out=0);
transpose(a, axes=0); trapezoid(y, x=0, dx=0, axis=0); tri(N, M=0, k=0, dtype=0); tril(m, k=0);
tril_indices(n, k=0, m=0); tril_indices_from(arr, k=0); trim_zeros(filt, trim=0); triu(m, k=0);
triu_indices(n, k=0, m=0); triu_indices_from(arr, k=0); union1d(arr1, arr2);
unique(ar, return_index=0, return_inverse=0, return_counts=0, axis=0, *, equal_nan=0); unique_all(x);
unique_counts(x); unique_inverse(x); unique_values(x); unpackbits(a, axis=0, bitorder=0);
unravel_index(indices, dims, order=0); unwrap(p, discont=0, axis=0, *, period=0);
var(a, axis=0, dtype=0, out=0, ddof=0, keepdims=0); vdot(a, b); vsplit(ary, indices_or_sections);
vstack(tup, *, dtype=0, casting=0); where(condition, x=0, y=0); zeros(shape, dtype=0, order=0);
zeros_like(a, dtype=0, order=0, subok=0, shape=0); linalg.cholesky(a); linalg.cond(x, p=0);
linalg.cross(x1, x2, *, axis=0); linalg.det(a); linalg.eig(a); linalg.eigh(a, UPLO=0); linalg.eigvals(a);
linalg.eigvalsh(a, UPLO=0); linalg.inv(a); linalg.lstsq(a, b, rcond=0);
linalg.matmul(*args, axes=0, axis=0, keepdims=0, casting=0, dtype=0, signature=0, order=0, out=0);
linalg.matrix_power(M, n); linalg.matrix_rank(M, tol=0); linalg.matrix_transpose(a);
linalg.norm(x, ord=0, axis=0, keepdims=0); linalg.pinv(a, rcond=0); linalg.qr(a, mode=0); linalg.slogdet(a);
linalg.solve(a, b); linalg.svd(a, full_matrices=0, compute_uv=0); linalg.tensorinv(a, ind=0);
linalg.tensorsolve(a, b, axes=0); lib.stride_tricks.as_strided(x, shape=0, strides=0);
lib.stride_tricks.sliding_window_view(x, window_shape, axis=0, *, subok=0, writeable=0);
from_dlpack(array, *, device=0, copy=0); size(a, axis=0)
"""
"""Functions, with their parameters; one that may be left out has a value."""

SPECIAL = """
log_softmax(x, axis=0); logsumexp(a, axis=0, b=0, keepdims=0, return_sign=0); multigammaln(a, d);
polygamma(n, x); softmax(x, axis=0)
"""
"""Functions of cupyx.scipy.special that are no ufuncs."""

METHODS = """
all(axis=0, out=0, keepdims=0); any(axis=0, out=0, keepdims=0); argmax(axis=0, out=0, dtype=0, keepdims=0);
argmin(axis=0, out=0, dtype=0, keepdims=0); argpartition(kth, axis=0); argsort(axis=0, kind=0);
astype(dtype, order=0, casting=0, subok=0, copy=0); byteswap(inplace=0); choose(choices, out=0, mode=0);
clip(min=0, max=0, out=0); compress(condition, axis=0, out=0); conj(); conjugate(); copy(order=0);
cumprod(axis=0, dtype=0, out=0); cumsum(axis=0, dtype=0, out=0); diagonal(offset=0, axis1=0, axis2=0);
dot(b, out=0); dump(file); dumps(); fill(value); flatten(order=0); get(stream=0, order=0, out=0, blocking=0);
item(); max(axis=0, out=0, keepdims=0); mdspan(*, index_type, allow_unsafe=0);
mean(axis=0, dtype=0, out=0, keepdims=0); min(axis=0, out=0, keepdims=0); nonzero(); partition(kth, axis=0);
prod(axis=0, dtype=0, out=0, keepdims=0); ptp(axis=0, out=0, keepdims=0); put(indices, values, mode=0);
ravel(order=0); reduced_view(dtype=0); repeat(repeats, axis=0); reshape(*shape, order=0, copy=0);
round(decimals=0, out=0); scatter_add(slices, value); scatter_max(slices, value); scatter_min(slices, value);
searchsorted(v, side=0, sorter=0); set(arr, stream=0); sort(axis=0, kind=0); squeeze(axis=0);
std(axis=0, dtype=0, out=0, ddof=0, keepdims=0); sum(axis=0, dtype=0, out=0, keepdims=0); swapaxes(axis1, axis2);
take(indices, axis=0, out=0); toDlpack(); tobytes(order=0); tofile(fid, sep=0, format=0); tolist();
trace(offset=0, axis1=0, axis2=0, dtype=0, out=0); transpose(*axes);
var(axis=0, dtype=0, out=0, ddof=0, keepdims=0); view(dtype=0, type=0)
"""
"""Methods of an array."""

ATTRIBUTES = "T base cstruct data device dtype flags flat imag itemsize mT nbytes ndim real shape size strides"
"""What else an array has."""
