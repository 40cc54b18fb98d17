/* The operations of a .sbn file as docs/format.md defines them, in C99: slow, plain, no malloc, one image at a time.
   Images are channels last; a bit is stored as the number that it stands for. */
#include <math.h>
#include <stdint.h>

typedef struct {
    int height, width, channels, out_height, out_width, filters;
    int kernel_h, kernel_w, stride_h, stride_w, pad_top, pad_left, dilation_h, dilation_w, groups;
} sbn_window;

/* Index of the pixel that a tap sees, or -1 outside of the image. */
static inline int sbn_tap(const sbn_window* s, int oy, int ox, int ky, int kx) {
    const int y = oy * s->stride_h + ky * s->dilation_h - s->pad_top,
              x = ox * s->stride_w + kx * s->dilation_w - s->pad_left;
    return y < 0 || y >= s->height || x < 0 || x >= s->width ? -1 : y * s->width + x;
}

static inline int sbn_sign(const uint8_t* row, int i) {
    return (row[i / 8] >> i % 8 & 1) ? 1 : -1;
}

/* Weights are floats or, if weight is 0, rows of bits. */
static inline void sbn_conv2d(const sbn_window* s, const float* x, const float* weight, const uint8_t* bits,
                              const float* bias, float* y) {
    const int depth = s->channels / s->groups, taps = s->kernel_h * s->kernel_w * depth, octets = (taps + 7) / 8;
    for (int oy = 0; oy < s->out_height; ++oy)
        for (int ox = 0; ox < s->out_width; ++ox)
            for (int o = 0; o < s->filters; ++o) {
                const int first = o / (s->filters / s->groups) * depth;
                double sum = bias ? bias[o] : 0;
                for (int k = 0; k < s->kernel_h * s->kernel_w; ++k) {
                    const int pixel = sbn_tap(s, oy, ox, k / s->kernel_w, k % s->kernel_w);
                    for (int c = 0; pixel >= 0 && c < depth; ++c) {
                        const int i = k * depth + c;
                        const double w = weight ? weight[o * taps + i] : sbn_sign(bits + o * octets, i);
                        sum += w * x[pixel * s->channels + first + c];
                    }
                }
                *y++ = (float)sum;
            }
}

static inline void sbn_binary_conv2d(const sbn_window* s, const int8_t* x, const uint8_t* bits, int pad_value,
                                     int32_t* y) {
    const int depth = s->channels / s->groups, taps = s->kernel_h * s->kernel_w * depth, octets = (taps + 7) / 8;
    for (int oy = 0; oy < s->out_height; ++oy)
        for (int ox = 0; ox < s->out_width; ++ox)
            for (int o = 0; o < s->filters; ++o) {
                const int first = o / (s->filters / s->groups) * depth;
                int32_t sum = 0;
                for (int k = 0; k < s->kernel_h * s->kernel_w; ++k) {
                    const int pixel = sbn_tap(s, oy, ox, k / s->kernel_w, k % s->kernel_w);
                    for (int c = 0; c < depth; ++c)
                        sum += sbn_sign(bits + o * octets, k * depth + c) *
                               (pixel < 0 ? pad_value : x[pixel * s->channels + first + c]);
                }
                *y++ = sum;
            }
}

#define SBN_AFFINE(name, type)                                                                               \
    static inline void name(int n, int c, const type* x, const float* scale, const float* shift, float* y) { \
        for (int i = 0; i < n; ++i) y[i] = scale[i % c] * (float)x[i] + shift[i % c];                        \
    }
SBN_AFFINE(sbn_affine_f32, float)
SBN_AFFINE(sbn_affine_i32, int32_t)

#define SBN_THRESHOLD(name, type)                                                                          \
    static inline void name(int n, int c, const type* x, const type* t, const uint8_t* rising, int8_t low, \
                            int8_t* y) {                                                                   \
        for (int i = 0; i < n; ++i)                                                                        \
            y[i] = (sbn_sign(rising, i % c) > 0 ? x[i] >= t[i % c] : x[i] <= t[i % c]) ? 1 : low;          \
    }
SBN_THRESHOLD(sbn_threshold_f32, float)
SBN_THRESHOLD(sbn_threshold_i32, int32_t)

#define SBN_MAX_POOL2D(name, type)                                                              \
    static inline void name(const sbn_window* s, const type* x, type* y) {                      \
        for (int oy = 0; oy < s->out_height; ++oy)                                              \
            for (int ox = 0; ox < s->out_width; ++ox)                                           \
                for (int c = 0; c < s->channels; ++c) {                                         \
                    int found = 0;                                                              \
                    type most = 0;                                                              \
                    for (int k = 0; k < s->kernel_h * s->kernel_w; ++k) {                       \
                        const int pixel = sbn_tap(s, oy, ox, k / s->kernel_w, k % s->kernel_w); \
                        if (pixel < 0) continue;                                                \
                        const type seen = x[pixel * s->channels + c];                           \
                        if (!found || seen > most) most = seen;                                 \
                        found = 1;                                                              \
                    }                                                                           \
                    *y++ = most;                                                                \
                }                                                                               \
    }
SBN_MAX_POOL2D(sbn_max_pool2d_f32, float)
SBN_MAX_POOL2D(sbn_max_pool2d_i32, int32_t)
SBN_MAX_POOL2D(sbn_max_pool2d_bits, int8_t)

static inline void sbn_avg_pool2d(const sbn_window* s, int count_include_pad, const float* x, float* y) {
    for (int oy = 0; oy < s->out_height; ++oy)
        for (int ox = 0; ox < s->out_width; ++ox)
            for (int c = 0; c < s->channels; ++c) {
                double sum = 0;
                int count = 0;
                for (int k = 0; k < s->kernel_h * s->kernel_w; ++k) {
                    const int pixel = sbn_tap(s, oy, ox, k / s->kernel_w, k % s->kernel_w);
                    count += pixel >= 0 || count_include_pad;
                    if (pixel >= 0) sum += x[pixel * s->channels + c];
                }
                *y++ = (float)(sum / count);
            }
}

/* b repeats after m elements: the whole image, or one number a channel. */
#define SBN_OF_TWO(name, operator)                                                     \
    static inline void name(int n, int m, const float* a, const float* b, float* y) { \
        for (int i = 0; i < n; ++i) y[i] = a[i] operator b[i % m];                     \
    }
SBN_OF_TWO(sbn_add, +)
SBN_OF_TWO(sbn_mul, *)

static inline void sbn_clamp(int n, float low, float high, const float* x, float* y) {
    for (int i = 0; i < n; ++i) y[i] = x[i] < low ? low : x[i] > high ? high : x[i];
}

static inline void sbn_prelu(int n, int c, const float* x, const float* slope, float* y) {
    for (int i = 0; i < n; ++i) y[i] = x[i] >= 0 ? x[i] : slope[i % c] * x[i];
}

static inline void sbn_subsample(int height, int width, int c, int stride_h, int stride_w, const float* x, float* y) {
    for (int i = 0; i < height; i += stride_h)
        for (int j = 0; j < width; j += stride_w)
            for (int k = 0; k < c; ++k) *y++ = x[(i * width + j) * c + k];
}

static inline void sbn_pad_channels(int pixels, int c, int before, int after, const float* x, float* y) {
    for (int i = 0; i < pixels; ++i)
        for (int k = -before; k < c + after; ++k) *y++ = k < 0 || k >= c ? 0 : x[i * c + k];
}

static inline void sbn_sigmoid(int n, const float* x, float* y) {
    for (int i = 0; i < n; ++i) y[i] = (float)(1 / (1 + exp(-(double)x[i])));
}

static inline void sbn_layer_norm(int n, int c, float eps, const float* x, const float* scale, const float* shift,
                                  float* y) {
    for (int i = 0; i < n; i += c) {
        double mean = 0, variance = 0;
        for (int k = 0; k < c; ++k) mean += x[i + k] / (double)c;
        for (int k = 0; k < c; ++k) variance += (x[i + k] - mean) * (x[i + k] - mean) / c;
        for (int k = 0; k < c; ++k) y[i + k] = (float)((x[i + k] - mean) / sqrt(variance + eps) * scale[k] + shift[k]);
    }
}
