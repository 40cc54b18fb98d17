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
constexpr std::size_t kRowPanels = 4;  // of a single row, see sgemm.h

inline Vector load(const float* p) {
    return *reinterpret_cast<const Vector*>(p);
}
inline void store(float* p, Vector v) {
    *reinterpret_cast<Vector*>(p) = v;
}

// The first `used` (1 ..) channels of one row of a panel.
inline void store_panel(float* out, const Vector (&sums)[2], std::size_t used) {
    if (used >= kLanes) {
        store(out, sums[0]);
        store(out + kWidth, sums[1]);
        return;
    }
    float lanes[kLanes];
    store(lanes, sums[0]);
    store(lanes + kWidth, sums[1]);
    for (std::size_t i = 0; i < used; ++i) out[i] = lanes[i];
}

template <std::size_t kRows, std::size_t kPanels>
inline void tile(const float* a, std::size_t a_stride, const float* w, const float* bias, const Stretched& k,
                 float* out, std::size_t out_stride, std::size_t used) {
    const std::size_t panel = k.size() * kLanes;
    Vector sums[kRows][kPanels][2];
    for (std::size_t r = 0; r < kRows; ++r)
        for (std::size_t p = 0; p < kPanels; ++p)
            for (std::size_t v = 0; v < 2; ++v) sums[r][p][v] = load(bias + p * kLanes + v * kWidth);
    for (std::size_t stretch = 0; stretch < k.stretches; ++stretch, a += k.pitch)
        for (std::size_t i = 0; i < k.length; ++i, w += kLanes)
            for (std::size_t p = 0; p < kPanels; ++p) {
                const Vector w0 = load(w + p * panel), w1 = load(w + p * panel + kWidth);
                for (std::size_t r = 0; r < kRows; ++r) {
                    const float x = a[r * a_stride + i];
                    sums[r][p][0] += x * w0;
                    sums[r][p][1] += x * w1;
                }
            }
    for (std::size_t r = 0; r < kRows; ++r)
        for (std::size_t p = 0; p < kPanels; ++p)
            store_panel(out + r * out_stride + p * kLanes, sums[r][p], used - p * kLanes);
}

// tile of m <= kRows rows.
template <std::size_t kRows, class... Arguments>
inline void last_rows(std::size_t m, const Arguments&... arguments) {
    if constexpr (kRows > 0) m == kRows ? tile<kRows, 1>(arguments...) : last_rows<kRows - 1>(m, arguments...);
}

void run(const float* a, std::size_t a_stride, std::size_t m, const float* w, const float* bias, std::size_t n,
         const Stretched& k, float* out, std::size_t out_stride) {
    const std::size_t whole = m / kTileRows * kTileRows;
    std::size_t column = 0;
    if (m == 1)
        for (; column + (kRowPanels - 1) * kLanes < n; column += kRowPanels * kLanes)
            tile<1, kRowPanels>(a, a_stride, w + column * k.size(), bias + column, k, out + column, out_stride,
                                n - column);
    for (; column < n; column += kLanes) {
        const float* panel = w + column * k.size();
        for (std::size_t row = 0; row < whole; row += kTileRows)
            tile<kTileRows, 1>(a + row * a_stride, a_stride, panel, bias + column, k, out + row * out_stride + column,
                               out_stride, n - column);
        last_rows<kTileRows - 1>(m - whole, a + whole * a_stride, a_stride, panel, bias + column, k,
                                 out + whole * out_stride + column, out_stride, n - column);
    }
}

}  // namespace
}  // namespace sbn
