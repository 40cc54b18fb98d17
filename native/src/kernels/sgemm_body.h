// The body of sgemm, compiled once per tier: the file that includes it defines SIGNBIT_VECTOR_BYTES and its own flags.
// Everything is in an anonymous namespace, so no two tiers share code.
#include <cstddef>

#include "kernels/sgemm.h"

namespace sbn {
namespace {

typedef float Vector __attribute__((vector_size(SIGNBIT_VECTOR_BYTES), aligned(4), may_alias));

constexpr std::size_t kWidth = SIGNBIT_VECTOR_BYTES / sizeof(float);
constexpr std::size_t kLanes = 2 * kWidth;
constexpr std::size_t kTileRows = 6;

inline Vector load(const float* p) {
    return *reinterpret_cast<const Vector*>(p);
}
inline void store(float* p, Vector v) {
    *reinterpret_cast<Vector*>(p) = v;
}

template <std::size_t kRows>
inline void tile(const float* a, std::size_t a_stride, const float* w, const float* bias, const Stretched& k,
                 float* out, std::size_t out_stride, std::size_t used) {
    Vector sums[kRows][2];
    for (std::size_t r = 0; r < kRows; ++r)
        for (std::size_t v = 0; v < 2; ++v) sums[r][v] = load(bias + v * kWidth);
    for (std::size_t stretch = 0; stretch < k.stretches; ++stretch, a += k.pitch)
        for (std::size_t i = 0; i < k.length; ++i, w += kLanes) {
            const Vector w0 = load(w), w1 = load(w + kWidth);
            for (std::size_t r = 0; r < kRows; ++r) {
                const float x = a[r * a_stride + i];
                sums[r][0] += x * w0;
                sums[r][1] += x * w1;
            }
        }
    for (std::size_t r = 0; r < kRows; ++r) {
        float* row = out + r * out_stride;
        if (used >= kLanes) {
            store(row, sums[r][0]);
            store(row + kWidth, sums[r][1]);
            continue;
        }
        float lanes[kLanes];
        store(lanes, sums[r][0]);
        store(lanes + kWidth, sums[r][1]);
        for (std::size_t i = 0; i < used; ++i) row[i] = lanes[i];
    }
}

// tile of m <= kRows rows.
template <std::size_t kRows, class... Arguments>
inline void last_rows(std::size_t m, const Arguments&... arguments) {
    if constexpr (kRows > 0) m == kRows ? tile<kRows>(arguments...) : last_rows<kRows - 1>(m, arguments...);
}

void run(const float* a, std::size_t a_stride, std::size_t m, const float* w, const float* bias, std::size_t n,
         const Stretched& k, float* out, std::size_t out_stride) {
    for (std::size_t column = 0; column < n; column += kLanes, w += k.size() * kLanes, bias += kLanes) {
        const std::size_t used = n - column, whole = m / kTileRows * kTileRows;
        for (std::size_t row = 0; row < whole; row += kTileRows)
            tile<kTileRows>(a + row * a_stride, a_stride, w, bias, k, out + row * out_stride + column, out_stride,
                            used);
        last_rows<kTileRows - 1>(m - whole, a + whole * a_stride, a_stride, w, bias, k,
                                 out + whole * out_stride + column, out_stride, used);
    }
}

}  // namespace
}  // namespace sbn
