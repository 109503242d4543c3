/* A library with the interface of cuDNN's recurrent nets as far as it is used, in plain loops on the host's memory.

   Weights lie as in the real one: the matrices of each layer and direction, then the biases. What the backward pass
   reads goes through the reserve space, which one backward pass uses up. For tests it can refuse an algorithm. */
#include <stdlib.h>

#include "stand_in_numbers.h"

enum { SUCCESS = 0, BAD_PARAM = 2000, NOT_SUPPORTED = 3000, EXECUTION_FAILED = 5000 };
enum { FLOAT = 0, DOUBLE = 1, HALF = 2, BFLOAT16 = 9 };
enum { RELU = 0, TANH = 1, LSTM = 2, GRU = 3 };
enum { UNPACKED = 0, PACKED = 1 };
enum { MARK = 0x5EA4C4, SPENT = 0x5EA4C5 };

typedef struct { void *stream; } handle;
typedef struct { int kind, count, dims[5], strides[5]; } tensor;
typedef struct { int kind, layout, steps, batch, width, *lengths; } data;
typedef struct {
    int algorithm, cell, biased, directions, input, kind, precision, math, features, hidden, projected, layers;
    uint32_t flags;
    void *dropout;
} net;

static int refused = -1, algorithm_used = -1, math_used = -1;

void stand_in_refuse(int algorithm) { refused = algorithm; }
int stand_in_algorithm(void) { return algorithm_used; }
int stand_in_math(void) { return math_used; }

static int size_of(int kind) { return kind == DOUBLE ? 8 : kind == FLOAT ? 4 : 2; }

static double load(const void *base, int kind, long at) {
    if (kind == DOUBLE) return ((const double *)base)[at];
    if (kind == FLOAT) return ((const float *)base)[at];
    uint16_t bits = ((const uint16_t *)base)[at];
    return kind == HALF ? from_half(bits) : from_bfloat16(bits);
}

static void store(void *base, int kind, long at, double x) {
    if (kind == DOUBLE) ((double *)base)[at] = x;
    else if (kind == FLOAT) ((float *)base)[at] = (float)x;
    else ((uint16_t *)base)[at] = kind == HALF ? to_half((float)x) : to_bfloat16((float)x);
}

/* Objects */

int cudnnCreate(handle **made) { *made = calloc(1, sizeof **made); return SUCCESS; }
int cudnnDestroy(handle *h) { free(h); return SUCCESS; }
int cudnnSetStream(handle *h, void *stream) { h->stream = stream; return SUCCESS; }
int cudnnCreateTensorDescriptor(tensor **made) { *made = calloc(1, sizeof **made); return SUCCESS; }
int cudnnDestroyTensorDescriptor(tensor *t) { free(t); return SUCCESS; }
int cudnnCreateRNNDataDescriptor(data **made) { *made = calloc(1, sizeof **made); return SUCCESS; }
int cudnnDestroyRNNDataDescriptor(data *d) { free(d->lengths); free(d); return SUCCESS; }
int cudnnCreateRNNDescriptor(net **made) { *made = calloc(1, sizeof **made); return SUCCESS; }
int cudnnDestroyRNNDescriptor(net *n) { free(n); return SUCCESS; }
int cudnnCreateDropoutDescriptor(void **made) { *made = calloc(1, 4); return SUCCESS; }
int cudnnDestroyDropoutDescriptor(void *d) { free(d); return SUCCESS; }
int cudnnSetDropoutDescriptor(void *d, handle *h, float p, void *states, size_t size, unsigned long long seed) {
    return d && h && p == 0 && !states && !size && !seed ? SUCCESS : BAD_PARAM;
}

int cudnnSetTensorNdDescriptor(tensor *t, int kind, int count, const int dims[], const int strides[]) {
    t->kind = kind;
    t->count = count;
    memcpy(t->dims, dims, count * sizeof(int));
    memcpy(t->strides, strides, count * sizeof(int));
    return SUCCESS;
}

int cudnnGetTensorNdDescriptor(tensor *t, int asked, int *kind, int *count, int dims[], int strides[]) {
    *kind = t->kind;
    *count = t->count;
    for (int i = 0; i < t->count && i < asked; i++) dims[i] = t->dims[i], strides[i] = t->strides[i];
    return SUCCESS;
}

int cudnnSetRNNDataDescriptor(data *d, int kind, int layout, int steps, int batch, int width, const int lengths[],
                              void *fill) {
    if (fill || layout > PACKED || steps < 1 || batch < 1 || width < 1) return BAD_PARAM;
    for (int i = 0; i < batch; i++)
        if (lengths[i] < 1 || lengths[i] > steps || (layout == PACKED && i && lengths[i] > lengths[i - 1]))
            return BAD_PARAM;
    if (layout == PACKED && lengths[0] != steps) return BAD_PARAM;
    data made = {kind, layout, steps, batch, width, malloc(batch * sizeof(int))};
    memcpy(made.lengths, lengths, batch * sizeof(int));
    *d = made;
    return SUCCESS;
}

int cudnnSetRNNDescriptor_v8(net *n, int algorithm, int cell, int bias, int direction, int input, int kind,
                             int precision, int math, int features, int hidden, int projected, int layers, void *dropout,
                             uint32_t flags) {
    if (precision != (kind == DOUBLE ? DOUBLE : FLOAT) || !dropout) return NOT_SUPPORTED;
    if (input || (bias != 0 && bias != 2) || projected > hidden || (cell != LSTM && projected != hidden)) return BAD_PARAM;
    if (algorithm && (projected != hidden || kind == DOUBLE)) return NOT_SUPPORTED;
    net made = {algorithm, cell, bias == 2, direction + 1, input, kind, precision, math, features, hidden, projected,
                layers, flags, dropout};
    *n = made;
    return SUCCESS;
}

static int gates_of(const net *n) { return n->cell == LSTM ? 4 : n->cell == GRU ? 3 : 1; }
static int projects(const net *n) { return n->projected != n->hidden; }
static int inputs(const net *n, int layer) { return layer ? n->directions * n->projected : n->features; }

/* the first element of a layer and direction's matrices; and of the biases behind all of them */
static long matrices(const net *n, int pseudo) {
    long at = 0;
    for (int p = 0; p < pseudo; p++)
        at += (long)gates_of(n) * n->hidden * (inputs(n, p / n->directions) + n->projected) +
              (projects(n) ? (long)n->projected * n->hidden : 0);
    return at;
}

static long biases(const net *n, int pseudo) {
    return matrices(n, n->layers * n->directions) + 2L * gates_of(n) * n->hidden * pseudo;
}

int cudnnGetRNNWeightSpaceSize(handle *h, net *n, size_t *size) {
    int all = n->layers * n->directions;
    *size = (size_t)size_of(n->kind) * (n->biased ? biases(n, all) : matrices(n, all));
    return h ? SUCCESS : BAD_PARAM;
}

int cudnnGetRNNWeightParams(handle *h, net *n, int32_t pseudo, size_t size, const void *space, int32_t id, tensor *m,
                            void **matrix, tensor *b, void **bias) {
    int gates = gates_of(n), in = inputs(n, pseudo / n->directions), rows = n->hidden, columns;
    long at = matrices(n, pseudo);
    if (!h || id > 2 * gates - !projects(n)) return BAD_PARAM;
    if (id < gates) at += (long)id * rows * in, columns = in;
    else {
        at += (long)gates * rows * in + (long)(id - gates) * rows * n->projected, columns = n->projected;
        if (id == 2 * gates) rows = n->projected, columns = n->hidden;
    }
    int dims[] = {1, rows, columns}, strides[] = {rows * columns, columns, 1};
    cudnnSetTensorNdDescriptor(m, n->kind, 3, dims, strides);
    *matrix = (char *)space + at * size_of(n->kind);
    *bias = NULL;
    b->count = 0;
    if (n->biased && id < 2 * gates) {
        int length[] = {1, n->hidden, 1}, step[] = {n->hidden, 1, 1};
        cudnnSetTensorNdDescriptor(b, n->kind, 3, length, step);
        *bias = (char *)space + (biases(n, pseudo) + (long)id * n->hidden) * size_of(n->kind);
    }
    return SUCCESS;
}

/* Sequences */

static long total_of(const data *d) {
    long sum = 0;
    for (int i = 0; i < d->batch; i++) sum += d->layout == PACKED ? d->lengths[i] : d->steps;
    return sum;
}

static long row_of(const data *d, int step, int i) {
    long row = i;
    for (int t = 0; t < step; t++)
        for (int k = 0; k < d->batch; k++) row += d->layout == PACKED ? d->lengths[k] > t : 1;
    return row;
}

/* what is kept of a layer and direction, for each row: its input, gates, what GRU's reset gate meets, the states before,
   tanh of the cell, the unprojected output; and in the backward pass the gradients of both parts of the gates and of
   the output */
typedef struct { double *x, *gates, *part, *h, *c, *t, *m, *d_in, *d_rec, *dy; } kept;

static long kept_size(const net *n) {
    int wide = n->features > 2 * n->projected ? n->features : 2 * n->projected;
    return wide + 3L * gates_of(n) * n->hidden + 4L * n->hidden + 2L * n->projected;
}

static kept kept_of(const net *n, double *reserve, long total, int pseudo) {
    int wide = n->features > 2 * n->projected ? n->features : 2 * n->projected;
    long gates = (long)gates_of(n) * n->hidden;
    double *at = reserve + 1 + pseudo * total * kept_size(n);
    kept k;
    k.x = at, at += total * wide;
    k.gates = at, at += total * gates;
    k.part = at, at += total * n->hidden;
    k.h = at, at += total * n->projected;
    k.c = at, at += total * n->hidden;
    k.t = at, at += total * n->hidden;
    k.m = at, at += total * n->hidden;
    k.d_in = at, at += total * gates;
    k.d_rec = at, at += total * gates;
    k.dy = at;
    return k;
}

int cudnnGetRNNTempSpaceSizes(handle *h, net *n, int training, data *x, size_t *workspace, size_t *reserve) {
    *workspace = 64;
    *reserve = training ? 8 * (1 + n->layers * n->directions * total_of(x) * kept_size(n)) : 0;
    return h ? SUCCESS : BAD_PARAM;
}

static double logistic(double x) { return 1 / (1 + exp(-x)); }

static double row_times(const net *n, const void *w, long at, int width, const double *x) {
    double sum = 0;
    for (int j = 0; j < width; j++) sum += load(w, n->kind, at + j) * x[j];
    return sum;
}

static void one_step(const net *n, const void *w, int pseudo, kept k, long row, const double *h, const double *c,
                     double *new_h, double *new_c) {
    int H = n->hidden, P = n->projected, G = gates_of(n), in = inputs(n, pseudo / n->directions);
    long w_ih = matrices(n, pseudo), w_hh = w_ih + (long)G * H * in, w_hr = w_hh + (long)G * H * P;
    double *g = k.gates + row * G * H, *part = k.part + row * H, *m = k.m + row * H;
    for (int q = 0; q < G * H; q++) {
        double first = row_times(n, w, w_ih + (long)q * in, in, k.x + row * in);
        double back = row_times(n, w, w_hh + (long)q * P, P, h);
        if (n->biased) {
            first += load(w, n->kind, biases(n, pseudo) + q);
            back += load(w, n->kind, biases(n, pseudo) + G * H + q);
        }
        if (n->cell == GRU && q >= 2 * H) part[q - 2 * H] = back, back *= g[q - 2 * H];
        double sum = first + back;
        int rises = n->cell == TANH || (n->cell == LSTM && q / H == 2) || (n->cell == GRU && q / H == 2);
        g[q] = rises ? tanh(sum) : n->cell == RELU ? fmax(sum, 0) : logistic(sum);
    }
    memcpy(k.h + row * P, h, P * sizeof(double));
    for (int q = 0; q < H; q++) {
        if (n->cell == LSTM) {
            k.c[row * H + q] = c[q];
            new_c[q] = g[H + q] * c[q] + g[q] * g[2 * H + q];
            k.t[row * H + q] = tanh(new_c[q]);
            m[q] = g[3 * H + q] * k.t[row * H + q];
        } else m[q] = n->cell == GRU ? g[H + q] * h[q] + (1 - g[H + q]) * g[2 * H + q] : g[q];
    }
    for (int p = 0; p < P; p++) new_h[p] = projects(n) ? row_times(n, w, w_hr + (long)p * H, H, m) : m[p];
}

static int wrong(const handle *h, const net *n, const data *x, const data *y, const tensor *ht, const tensor *ct,
                 const void *workspace) {
    int pseudo = n->layers * n->directions;
    if (!h || !workspace || x->kind != n->kind || y->kind != n->kind || x->layout != y->layout) return BAD_PARAM;
    if (x->layout == PACKED && n->flags) return BAD_PARAM;
    if (x->layout == UNPACKED && !n->flags) return BAD_PARAM;
    if (x->width != n->features || y->width != n->directions * n->projected || x->steps != y->steps) return BAD_PARAM;
    if (ht->dims[0] != pseudo || ht->dims[1] != x->batch || ht->dims[2] != n->projected) return BAD_PARAM;
    if ((n->cell == LSTM) != (ct != NULL) || (ct && ct->dims[2] != n->hidden)) return BAD_PARAM;
    for (int i = 0; i < x->batch; i++)
        if (x->lengths[i] != y->lengths[i] || (n->algorithm && x->lengths[i] != x->steps)) return NOT_SUPPORTED;
    return n->algorithm == refused ? NOT_SUPPORTED : SUCCESS;
}

int cudnnRNNForward(handle *handle_, net *n, int training, const int32_t device_lengths[], data *xd, const void *x,
                    data *yd, void *y, tensor *ht, const void *hx, void *hy, tensor *ct, const void *cx, void *cy,
                    size_t weight_size, const void *w, size_t workspace_size, void *workspace, size_t reserve_size,
                    void *reserve) {
    size_t needed, room, own;
    int status = wrong(handle_, n, xd, yd, ht, ct, workspace), H = n->hidden, P = n->projected, N = xd->batch;
    long total = total_of(xd);
    cudnnGetRNNWeightSpaceSize(handle_, n, &own);
    cudnnGetRNNTempSpaceSizes(handle_, n, 1, xd, &room, &needed);
    if (status) return status;
    if (device_lengths || weight_size != own || workspace_size < room) return BAD_PARAM;
    if (training ? reserve_size != needed || !reserve : reserve_size || reserve) return BAD_PARAM;
    algorithm_used = n->algorithm;
    math_used = n->math;
    double *memory = training ? reserve : malloc(needed), *outputs = calloc(total, 2 * P * sizeof(double));
    double h[P], c[H], new_h[P], new_c[H];
    for (int layer = 0; layer < n->layers; layer++) {
        for (int d = 0; d < n->directions; d++) {
            int pseudo = layer * n->directions + d, in = inputs(n, layer);
            kept k = kept_of(n, memory, total, pseudo);
            for (long at = 0; at < total * in; at++) k.x[at] = layer ? outputs[at] : load(x, n->kind, at);
        }
        for (int d = 0; d < n->directions; d++)
            for (int i = 0; i < N; i++) {
                int pseudo = layer * n->directions + d, length = xd->lengths[i];
                kept k = kept_of(n, memory, total, pseudo);
                long state = (long)pseudo * N + i;
                for (int p = 0; p < P; p++) h[p] = hx ? load(hx, n->kind, state * P + p) : 0;
                for (int q = 0; q < H; q++) c[q] = cx ? load(cx, n->kind, state * H + q) : 0;
                for (int s = 0; s < length; s++) {
                    long row = row_of(xd, d ? length - 1 - s : s, i);
                    one_step(n, w, pseudo, k, row, h, c, new_h, new_c);
                    memcpy(h, new_h, sizeof h);
                    memcpy(c, new_c, sizeof c);
                    memcpy(outputs + (row * n->directions + d) * P, h, sizeof h);
                }
                for (int p = 0; hy && p < P; p++) store(hy, n->kind, state * P + p, h[p]);
                for (int q = 0; cy && q < H; q++) store(cy, n->kind, state * H + q, c[q]);
            }
    }
    for (long at = 0; at < total * n->directions * P; at++) store(y, n->kind, at, outputs[at]);
    free(outputs);
    if (training) memory[0] = MARK;
    else free(memory);
    return SUCCESS;
}

/* One step backward: from the gradients of the new states (dh, dc) those of the ones before, in their place. */
static void step_back(const net *n, const void *w, int pseudo, kept k, long row, double *dh, double *dc) {
    int H = n->hidden, P = n->projected, G = gates_of(n), in = inputs(n, pseudo / n->directions);
    long w_hh = matrices(n, pseudo) + (long)G * H * in, w_hr = w_hh + (long)G * H * P;
    double *g = k.gates + row * G * H, *di = k.d_in + row * G * H, *dr = k.d_rec + row * G * H, dm[H], back[P];
    memset(back, 0, sizeof back);
    memcpy(k.dy + row * P, dh, P * sizeof(double));
    for (int q = 0; q < H; q++) {
        dm[q] = projects(n) ? 0 : dh[q];
        for (int p = 0; projects(n) && p < P; p++) dm[q] += load(w, n->kind, w_hr + (long)p * H + q) * dh[p];
    }
    for (int q = 0; q < H; q++) {
        double a = g[q], t = k.t[row * H + q];
        if (n->cell == LSTM) {
            double f = g[H + q], u = g[2 * H + q], o = g[3 * H + q];
            dc[q] += dm[q] * o * (1 - t * t);
            di[q] = dc[q] * u * a * (1 - a);
            di[H + q] = dc[q] * k.c[row * H + q] * f * (1 - f);
            di[2 * H + q] = dc[q] * a * (1 - u * u);
            di[3 * H + q] = dm[q] * t * o * (1 - o);
            dc[q] *= f;
        } else if (n->cell == GRU) {
            double z = g[H + q], u = g[2 * H + q];
            di[2 * H + q] = dm[q] * (1 - z) * (1 - u * u);
            di[H + q] = dm[q] * (k.h[row * P + q] - u) * z * (1 - z);
            di[q] = di[2 * H + q] * k.part[row * H + q] * a * (1 - a);
            back[q] = dm[q] * z;
        } else di[q] = dm[q] * (n->cell == TANH ? 1 - a * a : a > 0);
    }
    for (int q = 0; q < G * H; q++) {
        dr[q] = n->cell == GRU && q >= 2 * H ? di[q] * g[q - 2 * H] : di[q];
        for (int p = 0; p < P; p++) back[p] += load(w, n->kind, w_hh + (long)q * P + p) * dr[q];
    }
    memcpy(dh, back, sizeof back);
}

int cudnnRNNBackwardData_v8(handle *handle_, net *n, const int32_t device_lengths[], data *yd, const void *y,
                            const void *dy, data *xd, void *dx, tensor *ht, const void *hx, const void *dhy, void *dhx,
                            tensor *ct, const void *cx, const void *dcy, void *dcx, size_t weight_size, const void *w,
                            size_t workspace_size, void *workspace, size_t reserve_size, void *reserve) {
    int status = wrong(handle_, n, xd, yd, ht, ct, workspace), H = n->hidden, P = n->projected, N = xd->batch;
    double *memory = reserve, dh[P], dc[H];
    long total = total_of(xd);
    if (status) return status;
    if (device_lengths || !y || !dy || !dx || !reserve) return BAD_PARAM;
    if (memory[0] != MARK) return EXECUTION_FAILED;
    double *above = malloc(total * 2 * P * sizeof(double));
    for (long at = 0; at < total * n->directions * P; at++) above[at] = load(dy, n->kind, at);
    for (int layer = n->layers - 1; layer >= 0; layer--) {
        int in = inputs(n, layer), G = gates_of(n);
        double *below = calloc(total * in, sizeof(double));
        for (int d = 0; d < n->directions; d++) {
            int pseudo = layer * n->directions + d;
            kept k = kept_of(n, memory, total, pseudo);
            for (int i = 0; i < N; i++) {
                int length = xd->lengths[i];
                long state = (long)pseudo * N + i;
                for (int p = 0; p < P; p++) dh[p] = dhy ? load(dhy, n->kind, state * P + p) : 0;
                for (int q = 0; q < H; q++) dc[q] = dcy ? load(dcy, n->kind, state * H + q) : 0;
                for (int s = length - 1; s >= 0; s--) {
                    long row = row_of(xd, d ? length - 1 - s : s, i);
                    for (int p = 0; p < P; p++) dh[p] += above[(row * n->directions + d) * P + p];
                    step_back(n, w, pseudo, k, row, dh, dc);
                    for (int q = 0; q < G * H; q++)
                        for (int j = 0; j < in; j++)
                            below[row * in + j] +=
                                load(w, n->kind, matrices(n, pseudo) + (long)q * in + j) * k.d_in[row * G * H + q];
                }
                for (int p = 0; dhx && p < P; p++) store(dhx, n->kind, state * P + p, dh[p]);
                for (int q = 0; dcx && q < H; q++) store(dcx, n->kind, state * H + q, dc[q]);
            }
        }
        if (layer) memcpy(above, below, total * in * sizeof(double));
        for (long at = 0; !layer && at < total * in; at++) store(dx, n->kind, at, below[at]);
        free(below);
    }
    free(above);
    memory[0] = SPENT;
    return SUCCESS;
}

static void add(const net *n, void *space, long at, double x) {
    store(space, n->kind, at, load(space, n->kind, at) + x);
}

int cudnnRNNBackwardWeights_v8(handle *handle_, net *n, int mode, const int32_t device_lengths[], data *xd, const void *x,
                               tensor *ht, const void *hx, data *yd, const void *y, size_t weight_size, void *dw,
                               size_t workspace_size, void *workspace, size_t reserve_size, void *reserve) {
    int H = n->hidden, P = n->projected, G = gates_of(n);
    double *memory = reserve;
    long total = total_of(xd);
    if (mode || device_lengths || !handle_ || !workspace || !x || !hx || !y) return BAD_PARAM;
    if (memory[0] != SPENT) return EXECUTION_FAILED; /* the gradients of the data come first */
    for (int pseudo = 0; pseudo < n->layers * n->directions; pseudo++) {
        kept k = kept_of(n, memory, total, pseudo);
        int in = inputs(n, pseudo / n->directions);
        long w_ih = matrices(n, pseudo), w_hh = w_ih + (long)G * H * in, w_hr = w_hh + (long)G * H * P;
        for (int q = 0; q < G * H; q++) {
            double first = 0, second = 0;
            for (long row = 0; row < total; row++)
                first += k.d_in[row * G * H + q], second += k.d_rec[row * G * H + q];
            for (int j = 0; j < in + P; j++) {
                double sum = 0;
                for (long row = 0; row < total; row++)
                    sum += j < in ? k.d_in[row * G * H + q] * k.x[row * in + j]
                                  : k.d_rec[row * G * H + q] * k.h[row * P + j - in];
                add(n, dw, j < in ? w_ih + (long)q * in + j : w_hh + (long)q * P + j - in, sum);
            }
            if (n->biased) add(n, dw, biases(n, pseudo) + q, first), add(n, dw, biases(n, pseudo) + G * H + q, second);
        }
        for (int p = 0; projects(n) && p < P; p++)
            for (int q = 0; q < H; q++) {
                double sum = 0;
                for (long row = 0; row < total; row++) sum += k.dy[row * P + p] * k.m[row * H + q];
                add(n, dw, w_hr + (long)p * H + q, sum);
            }
    }
    return SUCCESS;
}
