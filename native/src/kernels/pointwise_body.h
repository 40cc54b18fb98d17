// The body of pointwise, compiled once per tier: the file that includes it defines SIGNBIT_VECTOR_BYTES and its own
// flags. Everything is in an anonymous namespace, so no two tiers share code. Each step loads before it stores, so y
// may be x; the last few elements of a row take steps of one.
#include <cstddef>
#include <cstdint>

#include "kernels/pointwise.h"

namespace sbn {
namespace {

typedef float Floats __attribute__((vector_size(SIGNBIT_VECTOR_BYTES), aligned(4), may_alias));
typedef std::int32_t Ints __attribute__((vector_size(SIGNBIT_VECTOR_BYTES), aligned(4), may_alias));

constexpr std::size_t kWidth = SIGNBIT_VECTOR_BYTES / sizeof(float);

// Not templates: a template argument would lose the attributes of the type.
inline Floats load(const float* p) {
    return *reinterpret_cast<const Floats*>(p);
}
inline Ints load(const std::int32_t* p) {
    return *reinterpret_cast<const Ints*>(p);
}
inline void store(float* p, Floats v) {
    *reinterpret_cast<Floats*>(p) = v;
}
inline void store(std::int32_t* p, Ints v) {
    *reinterpret_cast<Ints*>(p) = v;
}

inline Floats as_float(Ints x) {
    return __builtin_convertvector(x, Floats);
}
inline float as_float(std::int32_t x) {
    return static_cast<float>(x);
}
inline Floats as_float(Floats x) {
    return x;
}
inline float as_float(float x) {
    return x;
}

template <class T>
inline void affine(const T* x, std::size_t m, std::size_t c, const float* scale, const float* shift, float* y) {
    for (std::size_t row = 0; row < m; ++row, x += c, y += c) {
        std::size_t i = 0;
        for (; i + kWidth <= c; i += kWidth) store(y + i, load(scale + i) * as_float(load(x + i)) + load(shift + i));
        for (; i < c; ++i) y[i] = scale[i] * as_float(x[i]) + shift[i];
    }
}

void affine_f32(const float* x, std::size_t m, std::size_t c, const float* scale, const float* shift, float* y) {
    affine(x, m, c, scale, shift, y);
}
void affine_i32(const std::int32_t* x, std::size_t m, std::size_t c, const float* scale, const float* shift, float* y) {
    affine(x, m, c, scale, shift, y);
}

void prelu(const float* x, std::size_t m, std::size_t c, const float* slope, float* y) {
    for (std::size_t row = 0; row < m; ++row, x += c, y += c) {
        std::size_t i = 0;
        for (; i + kWidth <= c; i += kWidth) {
            const Floats v = load(x + i);
            store(y + i, v >= 0.0f ? v : load(slope + i) * v);
        }
        for (; i < c; ++i) y[i] = x[i] >= 0.0f ? x[i] : slope[i] * x[i];
    }
}

struct Sum {
    static Floats of(Floats a, Floats b) { return a + b; }
    static float of(float a, float b) { return a + b; }
};
struct Product {
    static Floats of(Floats a, Floats b) { return a * b; }
    static float of(float a, float b) { return a * b; }
};

template <class Operator>
void of_two(const float* a, const float* b, std::size_t n, float* y) {
    std::size_t i = 0;
    for (; i + kWidth <= n; i += kWidth) store(y + i, Operator::of(load(a + i), load(b + i)));
    for (; i < n; ++i) y[i] = Operator::of(a[i], b[i]);
}

void clamp(const float* x, std::size_t n, float low, float high, float* y) {
    const Floats lows = low - Floats{}, highs = high - Floats{};
    std::size_t i = 0;
    for (; i + kWidth <= n; i += kWidth) {
        const Floats v = load(x + i), raised = v < lows ? lows : v;
        store(y + i, highs < raised ? highs : raised);
    }
    for (; i < n; ++i) {
        const float raised = x[i] < low ? low : x[i];
        y[i] = high < raised ? high : raised;
    }
}

struct Maximum {
    static Floats of(Floats a, Floats b) { return a < b ? b : a; }
    static float of(float a, float b) { return a < b ? b : a; }
};

// kCount vectors of channels of a window, in registers; then(v, result of vector v).
template <class Operator, std::size_t kCount, class Then>
inline void over_window(const float* x, std::size_t rows, std::size_t row_step, std::size_t columns, std::size_t c,
                        Then then) {
    Floats sums[kCount];
    for (std::size_t v = 0; v < kCount; ++v) sums[v] = load(x + v * kWidth);
    for (std::size_t row = 0; row < rows; ++row, x += row_step)
        for (std::size_t column = row == 0 ? 1 : 0; column < columns; ++column)
            for (std::size_t v = 0; v < kCount; ++v) sums[v] = Operator::of(sums[v], load(x + column * c + v * kWidth));
    for (std::size_t v = 0; v < kCount; ++v) then(v, sums[v]);
}

template <class Operator, class Finish>
inline void window(const float* x, std::size_t rows, std::size_t row_step, std::size_t columns, std::size_t c, float* y,
                   Finish finish) {
    constexpr std::size_t kCount = 8;
    std::size_t i = 0;
    const auto keep = [&](std::size_t v, Floats sum) { store(y + i + v * kWidth, finish(sum)); };
    for (; i + kCount * kWidth <= c; i += kCount * kWidth)
        over_window<Operator, kCount>(x + i, rows, row_step, columns, c, keep);
    for (; i + kWidth <= c; i += kWidth) over_window<Operator, 1>(x + i, rows, row_step, columns, c, keep);
    for (; i < c; ++i) {
        float sum = x[i];
        for (std::size_t row = 0; row < rows; ++row)
            for (std::size_t column = row == 0 ? 1 : 0; column < columns; ++column)
                sum = Operator::of(sum, x[row * row_step + column * c + i]);
        y[i] = finish(sum);
    }
}

void maximum(const float* x, std::size_t rows, std::size_t row_step, std::size_t columns, std::size_t c, float* y) {
    window<Maximum>(x, rows, row_step, columns, c, y, [](auto best) { return best; });
}

void mean(const float* x, std::size_t rows, std::size_t row_step, std::size_t columns, std::size_t c, float by,
          float* y) {
    window<Sum>(x, rows, row_step, columns, c, y, [by](auto sum) { return sum / by; });
}

void subtract_from(const std::int32_t* base, int by, std::size_t m, std::size_t c, std::int32_t* y,
                   std::size_t stride) {
    for (; m > 0; --m, y += stride) {
        std::size_t i = 0;
        for (; i + kWidth <= c; i += kWidth) store(y + i, load(base + i) - (load(y + i) << by));
        for (; i < c; ++i) y[i] = base[i] - (y[i] << by);
    }
}

void affine_of_counts(const std::int32_t* base, int by, const float* scale, const float* shift, std::size_t m,
                      std::size_t c, std::int32_t* y, std::size_t stride) {
    for (; m > 0; --m, y += stride) {
        auto* out = reinterpret_cast<float*>(y);
        std::size_t i = 0;
        for (; i + kWidth <= c; i += kWidth)
            store(out + i, load(scale + i) * as_float(load(base + i) - (load(y + i) << by)) + load(shift + i));
        for (; i < c; ++i) out[i] = scale[i] * as_float(base[i] - (y[i] << by)) + shift[i];
    }
}

constexpr PointwiseKernel kKernel = {affine_f32, affine_i32, prelu, of_two<Sum>,   of_two<Product>,
                                     clamp,      maximum,    mean,  subtract_from, affine_of_counts};

}  // namespace
}  // namespace sbn
