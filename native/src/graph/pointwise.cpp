// Operations that look at one element, or at one of each of two inputs: affine, threshold, add, clamp, prelu, sigmoid,
// mul.
#include <algorithm>
#include <cmath>

#include "base/parallel.h"
#include "graph/operation.h"

namespace sbn {

PixelOperation::PixelOperation(const Build& build)
    : pixels_(build.in().pixels()),
      channels_(build.in().c),
      in_bytes_(build.in().pixel_bytes()),
      out_bytes_(build.out().pixel_bytes()) {}

void PixelOperation::run(const Call& call) const {
    const std::size_t pixels = call.batch * pixels_;
    parallel_for(call.threads_for(pixels * channels_), pixels, block_pixels(),
                 [&](int slot, std::size_t begin, std::size_t end) {
                     block(call, slot, begin, end, call.out<std::byte>() + begin * out_bytes_);
                 });
}

void PixelOperation::block(const Call& call, int, std::size_t begin, std::size_t end, void* out) const {
    const void* other = call.inputs.size() > 1 ? call.inputs[1] : nullptr;
    pixels(call.in<std::byte>() + begin * in_bytes_, other, out, begin, end - begin);
}

namespace {

template <class T>
class Affine final : public PixelOperation {
  public:
    explicit Affine(const Build& build)
        : PixelOperation(build),
          kernel_(build.tier.pointwise),
          scale_(build.node.blobs[0]->copy<float>()),
          shift_(build.node.blobs[1]->copy<float>()) {
        build.budget.take(2 * channels_, sizeof(float), build.node);
    }

    void pixels(const void* x, const void*, void* y, std::size_t, std::size_t n) const override {
        if constexpr (std::is_same_v<T, float>)
            kernel_.affine_f32(static_cast<const float*>(x), n, channels_, scale_.data(), shift_.data(),
                               static_cast<float*>(y));
        else
            kernel_.affine_i32(static_cast<const std::int32_t*>(x), n, channels_, scale_.data(), shift_.data(),
                               static_cast<float*>(y));
    }

  private:
    const PointwiseKernel& kernel_;
    std::vector<float> scale_, shift_;
};

template <class T>
class Threshold final : public PixelOperation {
  public:
    explicit Threshold(const Build& build)
        : PixelOperation(build),
          kernel_(build.tier.threshold_pack),
          thresholds_(build.node.blobs[0]->copy<T>()),
          flips_(channels_) {
        build.budget.take(2 * channels_, sizeof(T), build.node);
        constexpr std::uint32_t falling = std::is_same_v<T, float> ? 0x80000000u : 0xFFFFFFFFu;
        for (std::size_t c = 0; c < channels_; ++c) {
            if (build.node.blobs[1]->bit(0, c)) continue;
            flips_[c] = falling;
            thresholds_[c] = std::bit_cast<T>(std::bit_cast<std::uint32_t>(thresholds_[c]) ^ falling);
        }
    }

    void pixels(const void* x, const void*, void* y, std::size_t, std::size_t n) const override {
        if constexpr (std::is_same_v<T, float>)
            kernel_.f32(static_cast<const T*>(x), n, channels_, thresholds_.data(), flips_.data(),
                        static_cast<std::uint64_t*>(y));
        else
            kernel_.i32(static_cast<const T*>(x), n, channels_, thresholds_.data(), flips_.data(),
                        static_cast<std::uint64_t*>(y));
    }

  private:
    const ThresholdPackKernel& kernel_;
    std::vector<T> thresholds_;  // as the kernel wants them: xor flips_
    std::vector<std::uint32_t> flips_;
};

PointwiseOfTwo* of_two(const Build& build) {
    const PointwiseKernel& kernel = build.tier.pointwise;
    return build.node.op == Op::Add ? kernel.add : kernel.mul;
}

class OfTwo final : public PixelOperation {
  public:
    explicit OfTwo(const Build& build) : PixelOperation(build), kernel_(of_two(build)) {}

    void pixels(const void* x, const void* other, void* y, std::size_t first, std::size_t n) const override {
        kernel_(static_cast<const float*>(x), static_cast<const float*>(other) + first * channels_, n * channels_,
                static_cast<float*>(y));
    }

  private:
    PointwiseOfTwo* const kernel_;
};

// x1 holds one number per image and channel.
class OfTwoPerChannel final : public PixelOperation {
  public:
    explicit OfTwoPerChannel(const Build& build) : PixelOperation(build), kernel_(of_two(build)) {}

    void pixels(const void* x, const void* other, void* y, std::size_t first, std::size_t n) const override {
        for (std::size_t i = 0; i < n; ++i)
            kernel_(static_cast<const float*>(x) + i * channels_,
                    static_cast<const float*>(other) + (first + i) / pixels_ * channels_, channels_,
                    static_cast<float*>(y) + i * channels_);
    }

  private:
    PointwiseOfTwo* const kernel_;
};

class Sigmoid final : public PixelOperation {
  public:
    using PixelOperation::PixelOperation;

    void pixels(const void* x, const void*, void* y, std::size_t, std::size_t n) const override {
        for (std::size_t i = 0; i < n * channels_; ++i)
            static_cast<float*>(y)[i] = 1.0f / (1.0f + std::exp(-static_cast<const float*>(x)[i]));
    }
};

class Clamp final : public PixelOperation {
  public:
    explicit Clamp(const Build& build)
        : PixelOperation(build),
          kernel_(build.tier.pointwise),
          low_(build.node.scalars[0]),
          high_(build.node.scalars[1]) {}

    void pixels(const void* x, const void*, void* y, std::size_t, std::size_t n) const override {
        kernel_.clamp(static_cast<const float*>(x), n * channels_, low_, high_, static_cast<float*>(y));
    }

  private:
    const PointwiseKernel& kernel_;
    const float low_, high_;
};

class Prelu final : public PixelOperation {
  public:
    explicit Prelu(const Build& build)
        : PixelOperation(build), kernel_(build.tier.pointwise), slope_(build.node.blobs[0]->copy<float>()) {
        build.budget.take(channels_, sizeof(float), build.node);
    }

    void pixels(const void* x, const void*, void* y, std::size_t, std::size_t n) const override {
        kernel_.prelu(static_cast<const float*>(x), n, channels_, slope_.data(), static_cast<float*>(y));
    }

  private:
    const PointwiseKernel& kernel_;
    std::vector<float> slope_;
};

template <template <class> class ByType>
std::unique_ptr<PixelOperation> by_input_type(const Build& build) {
    if (build.in().dtype == DType::F32) return std::make_unique<ByType<float>>(build);
    return std::make_unique<ByType<std::int32_t>>(build);
}

}  // namespace

std::unique_ptr<PixelOperation> make_pointwise(const Build& build) {
    switch (build.node.op) {
        case Op::Affine:
            return by_input_type<Affine>(build);
        case Op::Threshold:
            return by_input_type<Threshold>(build);
        case Op::Add:
        case Op::Mul:
            if (build.in(1).pixels() == build.in().pixels()) return std::make_unique<OfTwo>(build);
            return std::make_unique<OfTwoPerChannel>(build);
        case Op::Sigmoid:
            return std::make_unique<Sigmoid>(build);
        case Op::Clamp:
            return std::make_unique<Clamp>(build);
        default:
            return std::make_unique<Prelu>(build);
    }
}

}  // namespace sbn
