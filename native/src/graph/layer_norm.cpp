// layer_norm: the channels of each position, shifted and scaled to mean 0 and variance 1, then scale and shift.
#include <algorithm>
#include <array>
#include <cmath>

#include "graph/operation.h"

namespace sbn {
namespace {

// A sum is taken in this many interleaved parts, which are added in order: vector lanes of any width give the same
// bits. Parts are binary64, so the mean of whole numbers is rounded once and a number equal to it stays a tie.
constexpr std::size_t kParts = 8;

template <class Term>
double sum(std::size_t n, const Term& term) {
    std::array<double, kParts> parts{};
    std::size_t i = 0;
    for (; i + kParts <= n; i += kParts)
        for (std::size_t j = 0; j < kParts; ++j) parts[j] += term(i + j);
    for (std::size_t j = 0; i < n; ++i, ++j) parts[j] += term(i);
    double total = 0;
    for (const double part : parts) total += part;
    return total;
}

class LayerNorm final : public PixelOperation {
  public:
    explicit LayerNorm(const Build& build)
        : PixelOperation(build),
          eps_(build.node.scalars[0]),
          scale_(build.node.blobs[0]->copy<float>()),
          shift_(build.node.blobs[1]->copy<float>()) {
        build.budget.take(2 * channels_, sizeof(float), build.node);
    }

    void pixels(const void* x, const void*, void* y, std::size_t, std::size_t n) const override {
        for (std::size_t i = 0; i < n; ++i)
            one(static_cast<const float*>(x) + i * channels_, static_cast<float*>(y) + i * channels_);
    }

  private:
    void one(const float* x, float* y) const {
        const auto n = static_cast<double>(channels_);
        const auto mean =
            static_cast<float>(sum(channels_, [&](std::size_t c) { return static_cast<double>(x[c]); }) / n);
        const double variance = sum(channels_,
                                    [&](std::size_t c) {
                                        const double d = x[c] - mean;
                                        return d * d;
                                    }) /
                                n;
        const auto factor = static_cast<float>(1.0 / std::sqrt(variance + static_cast<double>(eps_)));
        for (std::size_t c = 0; c < channels_; ++c) y[c] = (x[c] - mean) * factor * scale_[c] + shift_[c];
    }

    const float eps_;
    const std::vector<float> scale_, shift_;
};

}  // namespace

std::unique_ptr<PixelOperation> make_layer_norm(const Build& build) {
    return std::make_unique<LayerNorm>(build);
}

}  // namespace sbn
