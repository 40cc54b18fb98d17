// One node made ready to run: parameters repacked for one tier, nothing left to check.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <vector>

#include "base/bits.h"
#include "base/errors.h"
#include "graph/file.h"
#include "kernels/tiers.h"

namespace sbn {

// Every buffer and its every image starts at such an address.
inline constexpr std::size_t kBufferAlignment = 64;

template <class T>
struct AlignedAllocator {
    using value_type = T;
    AlignedAllocator() = default;
    template <class U>
    AlignedAllocator(const AlignedAllocator<U>&) {}
    T* allocate(std::size_t n) {
        return static_cast<T*>(::operator new(n * sizeof(T), std::align_val_t{kBufferAlignment}));
    }
    void deallocate(T* p, std::size_t) { ::operator delete(p, std::align_val_t{kBufferAlignment}); }
    template <class U>
    bool operator==(const AlignedAllocator<U>&) const {
        return true;
    }
};

template <class T>
using AlignedVector = std::vector<T, AlignedAllocator<T>>;

// Memory that parameters may take once repacked: a file cannot make a small reader large.
class Budget final {
  public:
    explicit Budget(std::size_t file_bytes) : left_(kTimesFile * file_bytes + kSlack) {}

    void take(std::size_t count, std::size_t size, const Node& node) {
        if (count > left_ / size) throw FormatError("the weights unpack to more than 256 times the file", node.offset);
        left_ -= count * size;
    }

  private:
    static constexpr std::size_t kTimesFile = 256, kSlack = std::size_t{16} << 20;
    std::size_t left_;
};

// Of `threads`, those worth waking for this many elementary steps.
inline int useful_threads(int threads, std::size_t steps) {
    constexpr std::size_t kStepsPerThread = 16384;
    const std::size_t useful = 1 + steps / kStepsPerThread;
    return useful < static_cast<std::size_t>(threads) ? static_cast<int>(useful) : threads;
}

struct Call {
    std::size_t batch;
    std::span<const void* const> inputs;
    std::span<void* const> outputs;
    int threads;
    std::byte* scratch;  // for each slot of parallel_for scratch_stride bytes, 64-byte aligned
    std::size_t scratch_stride;

    template <class T>
    const T* in(std::size_t i = 0) const {
        return static_cast<const T*>(inputs[i]);
    }
    template <class T>
    T* out(std::size_t i = 0) const {
        return static_cast<T*>(outputs[i]);
    }
    template <class T>
    T* scratch_of(int slot) const {
        return reinterpret_cast<T*>(scratch + static_cast<std::size_t>(slot) * scratch_stride);
    }

    int threads_for(std::size_t steps) const { return useful_threads(threads, steps); }
};

struct Build {
    const Graph& graph;
    const Node& node;
    const Tier& tier;
    Budget& budget;

    const Value& in(std::size_t i = 0) const { return graph.in(node, i); }
    const Value& out() const { return graph.out(node); }
};

class Operation {
  public:
    virtual ~Operation() = default;
    virtual void run(const Call& call) const = 0;
    // Working memory that each thread needs.
    virtual std::size_t scratch_bytes() const { return 0; }
};

// Computes output pixels independently of each other, a block of neighbours at a time.
class BlockOperation : public Operation {
  public:
    // Pixels [begin, end) of the batch's output, at most block_pixels(), to `out`.
    virtual void block(const Call& call, int slot, std::size_t begin, std::size_t end, void* out) const = 0;
    virtual std::size_t block_pixels() const { return 64; }
    // Takes over the node that alone reads this one's output, and then block() makes that node's output instead. False
    // where the two are better done one after the other.
    virtual bool absorb(const Build&) { return false; }
    // Blocks of a multiple of so many waste nothing.
    virtual std::size_t block_step() const { return 16; }
};

// Looks at one pixel of its input at a time, and at the same one of a second input if it has two.
class PixelOperation : public BlockOperation {
  public:
    explicit PixelOperation(const Build& build);
    void run(const Call& call) const final;
    void block(const Call& call, int slot, std::size_t begin, std::size_t end, void* out) const final;

    // n pixels: x and y are those pixels and may be the same memory, `first` says where in the batch they are; `other`
    // is the whole second input.
    virtual void pixels(const void* x, const void* other, void* y, std::size_t first, std::size_t n) const = 0;

  protected:
    const std::size_t pixels_, channels_;

  private:
    const std::size_t in_bytes_, out_bytes_;  // of a pixel
};

std::unique_ptr<BlockOperation> make_binary_conv(const Build& build);
std::unique_ptr<BlockOperation> make_tap_conv(
    const Build& build);  // of binary_conv2d; null where another way is better
std::unique_ptr<BlockOperation> make_float_conv(const Build& build);
std::unique_ptr<PixelOperation> make_layer_norm(const Build& build);
// affine, threshold, add, clamp, prelu, sigmoid, mul
std::unique_ptr<PixelOperation> make_pointwise(const Build& build);
std::unique_ptr<BlockOperation> make_pool(const Build& build);  // max, average
std::unique_ptr<Operation> make_reshape(const Build& build);    // flatten, subsample, pad_channels

}  // namespace sbn
