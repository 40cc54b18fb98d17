// The one place where threads are used.
#pragma once
#include <cstddef>
#include <memory>
#include <type_traits>

namespace sbn {

inline constexpr int kMaxThreads = 256;

using ParallelBody = void (*)(void* context, int part, std::size_t begin, std::size_t end);
void parallel_for_impl(int threads, std::size_t count, ParallelBody body, void* context);

// Calls fn(part, begin, end) for contiguous ranges that partition [0, count), at most `threads` (1 .. kMaxThreads) of
// them, part numbers 0 .. threads - 1, on as many threads as are free. What a part is depends on `threads` and `count`
// alone; which thread does it does not matter.
// fn must not throw. Workers are started at the first use and shared by everybody; a caller that finds them busy does
// all parts itself. On Linux they keep off the core of the last caller that had to wake them. After a fork the child
// starts with no workers and makes its own.
template <class Fn>
void parallel_for(int threads, std::size_t count, Fn&& fn) {
    using Plain = std::remove_reference_t<Fn>;
    parallel_for_impl(
        threads, count,
        [](void* context, int part, std::size_t begin, std::size_t end) {
            (*static_cast<Plain*>(context))(part, begin, end);
        },
        const_cast<void*>(static_cast<const void*>(std::addressof(fn))));
}

}  // namespace sbn
