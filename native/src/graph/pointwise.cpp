// Operations that look at one element, or at one of each of two inputs: affine, threshold, add, clamp, prelu, sigmoid.
#include <algorithm>
#include <cmath>

#include "base/parallel.h"
#include "graph/operation.h"

namespace sbn {
namespace {

class Pointwise : public Operation {
  public:
    explicit Pointwise(const Build& build) : pixels_(build.in().pixels()), channels_(build.in().c) {}

    void run(const Call& call) const final {
        const std::size_t pixels = call.batch * pixels_;
        parallel_for(call.threads_for(pixels * channels_), pixels,
                     [&](int, std::size_t begin, std::size_t end) { pixels_between(call, begin, end); });
    }

  protected:
    virtual void pixels_between(const Call& call, std::size_t begin, std::size_t end) const = 0;
    const std::size_t pixels_, channels_;
};

template <class T>
class Affine final : public Pointwise {
  public:
    explicit Affine(const Build& build)
        : Pointwise(build), scale_(build.node.blobs[0]->copy<float>()), shift_(build.node.blobs[1]->copy<float>()) {
        build.budget.take(2 * channels_, sizeof(float), build.node);
    }
    bool in_place() const override { return true; }

  private:
    void pixels_between(const Call& call, std::size_t begin, std::size_t end) const override {
        for (std::size_t pixel = begin; pixel < end; ++pixel) {
            const T* x = call.in<T>() + pixel * channels_;
            float* y = call.out<float>() + pixel * channels_;
            for (std::size_t c = 0; c < channels_; ++c) y[c] = scale_[c] * static_cast<float>(x[c]) + shift_[c];
        }
    }
    std::vector<float> scale_, shift_;
};

template <class T>
class Threshold final : public Pointwise {
  public:
    explicit Threshold(const Build& build)
        : Pointwise(build),
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

  private:
    void pixels_between(const Call& call, std::size_t begin, std::size_t end) const override {
        const T* x = call.in<T>() + begin * channels_;
        std::uint64_t* bits = call.out<std::uint64_t>() + begin * words_for(channels_);
        if constexpr (std::is_same_v<T, float>)
            kernel_.f32(x, end - begin, channels_, thresholds_.data(), flips_.data(), bits);
        else
            kernel_.i32(x, end - begin, channels_, thresholds_.data(), flips_.data(), bits);
    }
    const ThresholdPackKernel& kernel_;
    std::vector<T> thresholds_;  // as the kernel wants them: xor flips_
    std::vector<std::uint32_t> flips_;
};

class Add final : public Pointwise {
  public:
    using Pointwise::Pointwise;
    bool in_place() const override { return true; }

  private:
    void pixels_between(const Call& call, std::size_t begin, std::size_t end) const override {
        const float *a = call.in<float>(0), *b = call.in<float>(1);
        float* y = call.out<float>();
        for (std::size_t i = begin * channels_; i < end * channels_; ++i) y[i] = a[i] + b[i];
    }
};

// x1 holds one number per image and channel.
class AddPerChannel final : public Pointwise {
  public:
    using Pointwise::Pointwise;
    bool in_place() const override { return true; }

  private:
    void pixels_between(const Call& call, std::size_t begin, std::size_t end) const override {
        for (std::size_t pixel = begin; pixel < end; ++pixel) {
            const float* a = call.in<float>(0) + pixel * channels_;
            const float* b = call.in<float>(1) + pixel / pixels_ * channels_;
            float* y = call.out<float>() + pixel * channels_;
            for (std::size_t c = 0; c < channels_; ++c) y[c] = a[c] + b[c];
        }
    }
};

class Sigmoid final : public Pointwise {
  public:
    using Pointwise::Pointwise;
    bool in_place() const override { return true; }

  private:
    void pixels_between(const Call& call, std::size_t begin, std::size_t end) const override {
        const float* x = call.in<float>();
        float* y = call.out<float>();
        for (std::size_t i = begin * channels_; i < end * channels_; ++i) y[i] = 1.0f / (1.0f + std::exp(-x[i]));
    }
};

class Clamp final : public Pointwise {
  public:
    explicit Clamp(const Build& build) : Pointwise(build), low_(build.node.scalars[0]), high_(build.node.scalars[1]) {}
    bool in_place() const override { return true; }

  private:
    void pixels_between(const Call& call, std::size_t begin, std::size_t end) const override {
        const float* x = call.in<float>();
        float* y = call.out<float>();
        for (std::size_t i = begin * channels_; i < end * channels_; ++i) y[i] = std::min(std::max(x[i], low_), high_);
    }
    const float low_, high_;
};

class Prelu final : public Pointwise {
  public:
    explicit Prelu(const Build& build) : Pointwise(build), slope_(build.node.blobs[0]->copy<float>()) {
        build.budget.take(channels_, sizeof(float), build.node);
    }
    bool in_place() const override { return true; }

  private:
    void pixels_between(const Call& call, std::size_t begin, std::size_t end) const override {
        for (std::size_t pixel = begin; pixel < end; ++pixel) {
            const float* x = call.in<float>() + pixel * channels_;
            float* y = call.out<float>() + pixel * channels_;
            for (std::size_t c = 0; c < channels_; ++c) y[c] = x[c] >= 0.0f ? x[c] : slope_[c] * x[c];
        }
    }
    std::vector<float> slope_;
};

template <template <class> class ByType>
std::unique_ptr<Operation> by_input_type(const Build& build) {
    if (build.in().dtype == DType::F32) return std::make_unique<ByType<float>>(build);
    return std::make_unique<ByType<std::int32_t>>(build);
}

}  // namespace

std::unique_ptr<Operation> make_pointwise(const Build& build) {
    switch (build.node.op) {
        case Op::Affine:
            return by_input_type<Affine>(build);
        case Op::Threshold:
            return by_input_type<Threshold>(build);
        case Op::Add:
            if (build.in(1).pixels() == build.in().pixels()) return std::make_unique<Add>(build);
            return std::make_unique<AddPerChannel>(build);
        case Op::Sigmoid:
            return std::make_unique<Sigmoid>(build);
        case Op::Clamp:
            return std::make_unique<Clamp>(build);
        default:
            return std::make_unique<Prelu>(build);
    }
}

}  // namespace sbn
