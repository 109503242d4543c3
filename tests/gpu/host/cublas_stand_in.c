/* A library with the interface of cuBLAS and cuBLASLt as far as it is used, in naive loops on the host's memory.

   Matrices are column-major. It refuses what the real ones refuse: leading dimensions that are too short, addresses
   less aligned than an algorithm was asked for, no workspace. For tests it notes the calls, and can be told to have no
   algorithm for an epilogue. */
#include <stdlib.h>

#include "stand_in_numbers.h"

enum { SUCCESS = 0, NOT_INITIALIZED = 1, INVALID_VALUE = 7, NOT_SUPPORTED = 15 };
enum { R_32F = 0, R_64F = 1, R_16F = 2, C_32F = 4, C_64F = 5, R_16BF = 14 };
enum { COMPUTE_32F = 68, COMPUTE_64F = 70, FAST_TF32 = 77 };

static char noted[1 << 14];
static int refused;

const char *stand_in_calls(void) { return noted; }
void stand_in_forget(void) { noted[0] = 0; }
void stand_in_refuse(int epilogue) { refused = epilogue; }

static void note(const char *name) {
    if (strlen(noted) + strlen(name) + 2 < sizeof noted) strcat(strcat(noted, name), " ");
}

static float tf32(float x) { return as_float((as_bits(x) + 0xFFF + (as_bits(x) >> 13 & 1)) & ~0x1FFFu); }

typedef struct { double re, im; } number;

static int width(int type) {
    switch (type) {
    case R_16F: case R_16BF: return 2;
    case R_32F: return 4;
    case R_64F: case C_32F: return 8;
    case C_64F: return 16;
    }
    return 0;
}

static number load(const void *base, int type, int64_t at, int compute) {
    number x = {0, 0};
    switch (type) {
    case R_16F: x.re = from_half(((const uint16_t *)base)[at]); break;
    case R_16BF: x.re = from_bfloat16(((const uint16_t *)base)[at]); break;
    case R_32F: x.re = ((const float *)base)[at]; break;
    case R_64F: x.re = ((const double *)base)[at]; break;
    case C_32F: x.re = ((const float *)base)[2 * at]; x.im = ((const float *)base)[2 * at + 1]; break;
    case C_64F: x.re = ((const double *)base)[2 * at]; x.im = ((const double *)base)[2 * at + 1]; break;
    }
    if (compute == FAST_TF32) x.re = tf32((float)x.re), x.im = tf32((float)x.im);
    return x;
}

static void store(void *base, int type, int64_t at, number x) {
    switch (type) {
    case R_16F: ((uint16_t *)base)[at] = to_half((float)x.re); break;
    case R_16BF: ((uint16_t *)base)[at] = to_bfloat16((float)x.re); break;
    case R_32F: ((float *)base)[at] = (float)x.re; break;
    case R_64F: ((double *)base)[at] = x.re; break;
    case C_32F: ((float *)base)[2 * at] = (float)x.re; ((float *)base)[2 * at + 1] = (float)x.im; break;
    case C_64F: ((double *)base)[2 * at] = x.re; ((double *)base)[2 * at + 1] = x.im; break;
    }
}

static int64_t place(int transposed, int64_t row, int64_t column, int64_t leading) {
    return transposed ? column + row * leading : row + column * leading;
}

static number scalar(const void *at, int type) { return load(at, type, 0, 0); }

static int scale_of(int type) { return width(type) == 2 ? R_32F : type; }

static number sum_of_products(
    int opa, int opb, int64_t i, int64_t j, int64_t k, const void *a, int ta, int64_t lda, const void *b, int tb,
    int64_t ldb, int compute) {
    number sum = {0, 0};
    for (int64_t l = 0; l < k; l++) {
        number x = load(a, ta, place(opa, i, l, lda), compute), y = load(b, tb, place(opb, l, j, ldb), compute);
        sum.re += x.re * y.re - x.im * y.im;
        sum.im += x.re * y.im + x.im * y.re;
        if (compute != COMPUTE_64F) sum.re = (float)sum.re, sum.im = (float)sum.im;
    }
    return sum;
}

static int wrong(int opa, int opb, int64_t m, int64_t n, int64_t k, int ta, int64_t lda, int tb, int64_t ldb, int tc,
                 int64_t ldc, int compute) {
    if ((opa | opb) & ~1 || m < 0 || n < 0 || k < 0 || !width(ta) || ta != tb) return INVALID_VALUE;
    if (lda < (opa ? k : m) || ldb < (opb ? n : k) || ldc < m || lda < 1 || ldb < 1 || ldc < 1) return INVALID_VALUE;
    if (tc != ta && !(width(ta) == 2 && tc == R_32F)) return NOT_SUPPORTED;
    if ((ta == R_64F || ta == C_64F) != (compute == COMPUTE_64F)) return NOT_SUPPORTED;
    if (compute == FAST_TF32 && ta != R_32F && ta != C_32F) return NOT_SUPPORTED;
    return compute == COMPUTE_32F || compute == COMPUTE_64F || compute == FAST_TF32 ? SUCCESS : INVALID_VALUE;
}

static void multiply(int opa, int opb, int64_t m, int64_t n, int64_t k, number alpha, const void *a, int ta, int64_t lda,
                     const void *b, int tb, int64_t ldb, number beta, void *c, int tc, int64_t ldc, int compute) {
    for (int64_t j = 0; j < n; j++)
        for (int64_t i = 0; i < m; i++) {
            number y = sum_of_products(opa, opb, i, j, k, a, ta, lda, b, tb, ldb, compute), z = {0, 0};
            if (beta.re || beta.im) z = load(c, tc, i + j * ldc, 0);
            number sum = {alpha.re * y.re - alpha.im * y.im + beta.re * z.re - beta.im * z.im,
                          alpha.re * y.im + alpha.im * y.re + beta.re * z.im + beta.im * z.re};
            store(c, tc, i + j * ldc, sum);
        }
}

/* cuBLAS */

typedef struct { void *stream, *workspace; size_t size; int mode; } handle;

int cublasCreate_v2(handle **made) { return (*made = calloc(1, sizeof(handle))) ? SUCCESS : NOT_INITIALIZED; }
int cublasDestroy_v2(handle *h) { free(h); return SUCCESS; }
int cublasSetMathMode(handle *h, int mode) { h->mode = mode; return SUCCESS; }

int cublasSetStream_v2(handle *h, void *stream) {
    note("stream");
    h->stream = stream;
    h->workspace = NULL; /* as the real one forgets it */
    return SUCCESS;
}

int cublasSetWorkspace_v2(handle *h, void *workspace, size_t size) {
    if ((uintptr_t)workspace % 16) return INVALID_VALUE;
    h->workspace = workspace;
    h->size = size;
    return SUCCESS;
}

int cublasGemmStridedBatchedEx_64(
    handle *h, int opa, int opb, int64_t m, int64_t n, int64_t k, const void *alpha, const void *a, int ta, int64_t lda,
    int64_t step_a, const void *b, int tb, int64_t ldb, int64_t step_b, const void *beta, void *c, int tc, int64_t ldc,
    int64_t step_c, int64_t count, int compute, int algorithm) {
    int status = wrong(opa, opb, m, n, k, ta, lda, tb, ldb, tc, ldc, compute);
    if (!h->workspace || h->mode != 16) return NOT_INITIALIZED;
    if (status) return status;
    if (count < 0 || algorithm != -1) return INVALID_VALUE;
    if (algorithm == -1 && count != 1) note("strided");
    int scale = scale_of(ta);
    for (int64_t l = 0; l < count; l++)
        multiply(opa, opb, m, n, k, scalar(alpha, scale), (const char *)a + l * step_a * width(ta), ta, lda,
                 (const char *)b + l * step_b * width(tb), tb, ldb, scalar(beta, scale),
                 (char *)c + l * step_c * width(tc), tc, ldc, compute);
    return SUCCESS;
}

int cublasGemmEx_64(handle *h, int opa, int opb, int64_t m, int64_t n, int64_t k, const void *alpha, const void *a,
                    int ta, int64_t lda, const void *b, int tb, int64_t ldb, const void *beta, void *c, int tc,
                    int64_t ldc, int compute, int algorithm) {
    note("gemm");
    return cublasGemmStridedBatchedEx_64(h, opa, opb, m, n, k, alpha, a, ta, lda, 0, b, tb, ldb, 0, beta, c, tc, ldc, 0,
                                         1, compute, algorithm);
}

int cublasGemmBatchedEx_64(handle *h, int opa, int opb, int64_t m, int64_t n, int64_t k, const void *alpha,
                           const void *const a[], int ta, int64_t lda, const void *const b[], int tb, int64_t ldb,
                           const void *beta, void *const c[], int tc, int64_t ldc, int64_t count, int compute,
                           int algorithm) {
    note("batched");
    for (int64_t l = 0; l < count; l++) {
        int status = cublasGemmStridedBatchedEx_64(h, opa, opb, m, n, k, alpha, a[l], ta, lda, 0, b[l], tb, ldb, 0, beta,
                                                   c[l], tc, ldc, 0, 1, compute, algorithm);
        if (status) return status;
    }
    return SUCCESS;
}

/* cuBLASLt */

typedef struct { int compute, scale, opa, opb; uint32_t epilogue; void *vector; } product;
typedef struct { int type; uint64_t rows, columns; int64_t leading; } layout;
typedef struct { uint64_t workspace; uint32_t schemes, alignment[4]; } search;
typedef struct { uint64_t data[8]; size_t workspace; int state; float waves; int reserved[4]; } found;
enum { MARK = 0x5EA4C4 };

int cublasLtCreate(void **made) { return (*made = malloc(1)) ? SUCCESS : NOT_INITIALIZED; }
int cublasLtDestroy(void *h) { free(h); return SUCCESS; }
int cublasLtMatmulDescDestroy(product *p) { free(p); return SUCCESS; }
int cublasLtMatrixLayoutDestroy(layout *l) { free(l); return SUCCESS; }
int cublasLtMatmulPreferenceDestroy(search *s) { free(s); return SUCCESS; }

int cublasLtMatmulDescCreate(product **made, int compute, int scale) {
    product p = {compute, scale, 0, 0, 1, NULL};
    *made = malloc(sizeof p);
    **made = p;
    return SUCCESS;
}

int cublasLtMatmulDescSetAttribute(product *p, int attribute, const void *value, size_t size) {
    void *const places[] = {[3] = &p->opa, [4] = &p->opb, [7] = &p->epilogue, [8] = &p->vector};
    const size_t sizes[] = {[3] = 4, [4] = 4, [7] = 4, [8] = 8};
    if (attribute > 8 || !sizes[attribute] || sizes[attribute] != size) return INVALID_VALUE;
    memcpy(places[attribute], value, size);
    return SUCCESS;
}

int cublasLtMatrixLayoutCreate(layout **made, int type, uint64_t rows, uint64_t columns, int64_t leading) {
    layout l = {type, rows, columns, leading};
    if (!rows || !columns || leading < (int64_t)rows) return INVALID_VALUE;
    *made = malloc(sizeof l);
    **made = l;
    return SUCCESS;
}

int cublasLtMatmulPreferenceCreate(search **made) {
    search s = {0, 7, {256, 256, 256, 256}};
    *made = malloc(sizeof s);
    **made = s;
    return SUCCESS;
}

int cublasLtMatmulPreferenceSetAttribute(search *s, int attribute, const void *value, size_t size) {
    if (attribute == 1 && size == 8) memcpy(&s->workspace, value, 8);
    else if (attribute == 3 && size == 4) memcpy(&s->schemes, value, 4);
    else if (attribute >= 5 && attribute <= 8 && size == 4) memcpy(&s->alignment[attribute - 5], value, 4);
    else return INVALID_VALUE;
    return SUCCESS;
}

static int fits(const product *p, const layout *a, const layout *b, const layout *d) {
    uint64_t m = p->opa ? a->columns : a->rows, k = p->opa ? a->rows : a->columns;
    uint64_t n = p->opb ? b->rows : b->columns;
    if (d->rows != m || d->columns != n || (p->opb ? b->columns : b->rows) != k || p->scale != scale_of(a->type))
        return INVALID_VALUE;
    return wrong(p->opa, p->opb, m, n, k, a->type, a->leading, b->type, b->leading, d->type, d->leading, p->compute);
}

int cublasLtMatmulAlgoGetHeuristic(void *h, product *p, layout *a, layout *b, layout *c, layout *d, search *s, int asked,
                                   found *result, int *count) {
    int status = fits(p, a, b, d);
    *count = 0;
    if (status) return status;
    if (asked != 1 || c != d || s->schemes != 3 || s->workspace < (32 << 20)) return INVALID_VALUE;
    if (p->epilogue & ~(2 | 4 | 32 | 512)) return INVALID_VALUE;
    if ((p->epilogue & (4 | 512)) && !p->vector) return INVALID_VALUE;
    if (p->epilogue & refused) return NOT_SUPPORTED;
    memset(result, 0, sizeof *result);
    result->data[0] = MARK;
    for (int i = 0; i < 4; i++) {
        uint32_t bytes = s->alignment[i];
        if (!bytes || bytes & (bytes - 1) || bytes > 256) return INVALID_VALUE;
        result->data[i + 1] = bytes;
    }
    result->waves = 1;
    *count = 1;
    return SUCCESS;
}

static double activated(uint32_t epilogue, double x) {
    if (epilogue & 2) return x > 0 ? x : 0;
    if (epilogue & 32) return 0.5 * x * (1 + tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
    return x;
}

int cublasLtMatmul(void *h, product *p, const void *alpha, const void *a, layout *la, const void *b, layout *lb,
                   const void *beta, const void *c, layout *lc, void *d, layout *ld, const found *algorithm,
                   void *workspace, size_t size, void *stream) {
    int status = fits(p, la, lb, ld);
    const void *operands[] = {a, b, c, d};
    note("lt");
    if (status) return status;
    if (!algorithm || algorithm->data[0] != MARK || !workspace || size < (32 << 20) || c != d || lc != ld)
        return INVALID_VALUE;
    for (int i = 0; i < 4; i++)
        if ((uintptr_t)operands[i] % algorithm->data[i + 1]) return INVALID_VALUE;
    if (scalar(alpha, p->scale).re != 1 || scalar(beta, p->scale).re) return INVALID_VALUE;
    int64_t m = ld->rows, n = ld->columns, k = p->opa ? la->rows : la->columns;
    for (int64_t j = 0; j < n; j++)
        for (int64_t i = 0; i < m; i++) {
            number y = sum_of_products(p->opa, p->opb, i, j, k, a, la->type, la->leading, b, lb->type, lb->leading,
                                       p->compute);
            if (p->epilogue & 4) y.re += load(p->vector, ld->type, i, 0).re;
            y.re = activated(p->epilogue, y.re);
            store(d, ld->type, i + j * ld->leading, y);
        }
    for (int64_t j = 0; p->epilogue & 512 && j < n; j++) {
        number sum = {0, 0};
        for (int64_t l = 0; l < k; l++) sum.re += load(b, lb->type, place(p->opb, l, j, lb->leading), 0).re;
        store(p->vector, ld->type, j, sum);
    }
    return SUCCESS;
}
