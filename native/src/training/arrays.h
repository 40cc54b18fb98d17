// What the Python modules of training hand over, and how their work is shared out.
#pragma once
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <algorithm>
#include <cstddef>

#include "base/parallel.h"

namespace sbn {

using Floats = nanobind::ndarray<float, nanobind::ndim<1>, nanobind::c_contig, nanobind::device::cpu>;

// A smaller share is done sooner than another thread begins.
inline constexpr std::size_t kShare = 1 << 15;

// parallel_for without the interpreter's lock, on no more threads than `n` numbers are worth; fn(begin, count).
template <class Fn>
void in_shares(std::size_t n, int threads, const Fn& fn) {
    const nanobind::gil_scoped_release unlocked;
    const int worth = static_cast<int>(std::min<std::size_t>(n / kShare + 1, kMaxThreads));
    parallel_for(std::clamp(threads, 1, worth), n, kShare,
                 [&](int, std::size_t begin, std::size_t end) { fn(begin, end - begin); });
}

}  // namespace sbn
