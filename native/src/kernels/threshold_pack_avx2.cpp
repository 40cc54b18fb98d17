// threshold_pack with AVX2: eight channels per compare, whose sign bits are gathered by vmovmskps.
#include <cstddef>
#include <cstdint>

#include "kernels/intrinsics.h"
#include "kernels/threshold_pack.h"

namespace sbn {
namespace {

inline __m256i load(const void* p) {
    return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}

inline unsigned eight(const float* x, const float* t, const std::uint32_t* flip) {
    const __m256 value = _mm256_castsi256_ps(_mm256_xor_si256(load(x), load(flip)));
    return static_cast<unsigned>(_mm256_movemask_ps(_mm256_cmp_ps(value, _mm256_loadu_ps(t), _CMP_GE_OQ)));
}

inline unsigned eight(const std::int32_t* x, const std::int32_t* t, const std::uint32_t* flip) {
    const __m256i below = _mm256_cmpgt_epi32(load(t), _mm256_xor_si256(load(x), load(flip)));
    return static_cast<unsigned>(_mm256_movemask_ps(_mm256_castsi256_ps(below))) ^ 0xFFu;
}

// Fewer than eight channels, through zeroed copies so that nothing outside the row is read.
template <class T>
inline unsigned fewer(const T* x, const T* t, const std::uint32_t* flip, std::size_t n) {
    T xs[8] = {}, ts[8] = {};
    std::uint32_t flips[8] = {};
    for (std::size_t i = 0; i < n; ++i) xs[i] = x[i], ts[i] = t[i], flips[i] = flip[i];
    return eight(xs, ts, flips) & ((1u << n) - 1u);
}

template <class T>
inline void run(const T* x, std::size_t m, std::size_t c, const T* t, const std::uint32_t* flip, std::uint64_t* bits) {
    for (std::size_t row = 0; row < m; ++row, x += c)
        for (std::size_t begin = 0; begin < c; begin += 64) {
            const std::size_t end = begin + 64 < c ? begin + 64 : c;
            std::uint64_t word = 0;
            std::size_t i = begin;
            for (; i + 8 <= end; i += 8) word |= std::uint64_t{eight(x + i, t + i, flip + i)} << (i - begin);
            if (i < end) word |= std::uint64_t{fewer(x + i, t + i, flip + i, end - i)} << (i - begin);
            *bits++ = word;
        }
}

}  // namespace

extern const ThresholdPackKernel kThresholdPackAvx2;
const ThresholdPackKernel kThresholdPackAvx2 = {run<float>, run<std::int32_t>};

}  // namespace sbn
