// The one place where threads are used.
#pragma once
#include <cstddef>
#include <memory>
#include <type_traits>

namespace sbn {

inline constexpr int kMaxThreads = 256;

using ParallelBody = void (*)(void* context, int slot, std::size_t begin, std::size_t end);
void parallel_for_impl(int threads, std::size_t count, std::size_t grain, ParallelBody body, void* context);

// Calls fn(slot, begin, end) for ranges of at most `grain` that partition [0, count), on at most `threads` (1 ..
// kMaxThreads) threads; no two at a time have the same slot, 0 .. threads - 1. Each thread begins with the ranges of
// its own share of [0, count), and then takes over what is left of the others': one that comes late or loses its core
// holds up no more than the range it is in. What the ranges are depends on `threads`, `count` and `grain` alone; which
// thread does them does not matter.
// fn must not throw. Workers are started at the first use and shared by everybody; a caller that finds them busy does
// everything itself. On Linux they keep off the core of the last caller that had to wake them. After a fork the child
// starts with no workers and makes its own.
template <class Fn>
void parallel_for(int threads, std::size_t count, std::size_t grain, Fn&& fn) {
    using Plain = std::remove_reference_t<Fn>;
    parallel_for_impl(
        threads, count, grain,
        [](void* context, int slot, std::size_t begin, std::size_t end) {
            (*static_cast<Plain*>(context))(slot, begin, end);
        },
        const_cast<void*>(static_cast<const void*>(std::addressof(fn))));
}

}  // namespace sbn
