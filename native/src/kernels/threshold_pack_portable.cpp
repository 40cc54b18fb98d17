// threshold_pack for any CPU, one channel at a time.
#include <cstring>

#include "kernels/threshold_pack.h"

namespace sbn {
namespace {

template <class T>
T flipped(T x, std::uint32_t flip) {
    std::uint32_t pattern;
    std::memcpy(&pattern, &x, sizeof pattern);
    pattern ^= flip;
    std::memcpy(&x, &pattern, sizeof x);
    return x;
}

template <class T>
void run(const T* x, std::size_t m, std::size_t c, const T* t, const std::uint32_t* flip, std::uint64_t* bits) {
    for (std::size_t row = 0; row < m; ++row, x += c)
        for (std::size_t begin = 0; begin < c; begin += 64) {
            const std::size_t end = begin + 64 < c ? begin + 64 : c;
            std::uint64_t word = 0;
            for (std::size_t i = begin; i < end; ++i)
                word |= static_cast<std::uint64_t>(flipped(x[i], flip[i]) >= t[i]) << (i - begin);
            *bits++ = word;
        }
}

}  // namespace

extern const ThresholdPackKernel kThresholdPackPortable;
const ThresholdPackKernel kThresholdPackPortable = {run<float>, run<std::int32_t>};

}  // namespace sbn
