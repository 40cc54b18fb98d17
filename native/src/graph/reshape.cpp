// Operations that only move elements: flatten, subsample, pad_channels.
#include <algorithm>
#include <cstring>

#include "base/parallel.h"
#include "graph/operation.h"

namespace sbn {
namespace {

class Flatten final : public Operation {
  public:
    explicit Flatten(const Build& build) : in_(build.in()) {}

    void run(const Call& call) const override {
        if (in_.dtype != DType::Bits || in_.c % kWordBits == 0) {
            std::memcpy(call.outputs[0], call.inputs[0], call.batch * in_.pixels() * in_.pixel_bytes());
            return;
        }
        const std::size_t words = words_for(in_.c), image = words_for(in_.elements());
        parallel_for(call.threads_for(call.batch * in_.pixels() * words), call.batch, 1,
                     [&](int, std::size_t n, std::size_t) {
                         BitWriter writer(call.out<std::uint64_t>() + n * image);
                         for (std::size_t p = 0; p < in_.pixels(); ++p)
                             writer.append_row(call.in<std::uint64_t>() + (n * in_.pixels() + p) * words, 0, in_.c);
                         writer.finish();
                     });
    }

  private:
    const Value in_;
};

// Copies pixels of an image row by row to fewer pixels, or to wider ones.
class Pick final : public Operation {
  public:
    explicit Pick(const Build& build) : in_(build.in()), out_(build.out()) {
        const auto& a = build.node.attributes;
        const auto attribute = [&](std::size_t i) { return static_cast<std::size_t>(a[i]); };
        if (build.node.op == Op::Subsample)
            stride_h_ = attribute(0), stride_w_ = attribute(1);
        else
            before_ = attribute(0);
    }

    void run(const Call& call) const override {
        parallel_for(call.threads_for(call.batch * out_.elements()), call.batch * out_.h, 1,
                     [&](int, std::size_t row, std::size_t) { one_row(call, row); });
    }

  private:
    void one_row(const Call& call, std::size_t row) const {
        const float* in = call.in<float>() + (row / out_.h * in_.h + row % out_.h * stride_h_) * in_.w * in_.c;
        float* out = call.out<float>() + row * out_.w * out_.c;
        for (std::size_t x = 0; x < out_.w; ++x, out += out_.c) {
            std::fill_n(out, before_, 0.0f);
            std::copy_n(in + x * stride_w_ * in_.c, in_.c, out + before_);
            std::fill_n(out + before_ + in_.c, out_.c - in_.c - before_, 0.0f);
        }
    }

    const Value in_, out_;
    std::size_t stride_h_ = 1, stride_w_ = 1, before_ = 0;
};

}  // namespace

std::unique_ptr<Operation> make_reshape(const Build& build) {
    if (build.node.op == Op::Flatten) return std::make_unique<Flatten>(build);
    return std::make_unique<Pick>(build);
}

}  // namespace sbn
