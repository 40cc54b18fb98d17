// max_pool2d and avg_pool2d. The maximum of bits is their or, in both alphabets.
#include <algorithm>

#include "base/parallel.h"
#include "graph/operation.h"
#include "graph/window.h"

namespace sbn {
namespace {

struct Maximum {
    static void merge(const PointwiseKernel& kernel, const float* x, std::size_t n, float* y) {
        kernel.maximum(x, n, y);
    }
    static void merge(const PointwiseKernel&, const std::int32_t* x, std::size_t n, std::int32_t* y) {
        for (std::size_t i = 0; i < n; ++i) y[i] = std::max(y[i], x[i]);
    }
    static void merge(const PointwiseKernel&, const std::uint64_t* x, std::size_t n, std::uint64_t* y) {
        for (std::size_t i = 0; i < n; ++i) y[i] |= x[i];
    }
};

struct Sum {
    static void merge(const PointwiseKernel& kernel, const float* x, std::size_t n, float* y) {
        kernel.add(y, x, n, y);
    }
};

// T is what one pixel holds `width` of: channels, or words of them.
template <class T, class Merge>
class Pool final : public BlockOperation {
  public:
    explicit Pool(const Build& build)
        : window_(Window::of(build.graph, build.node)),
          kernel_(build.tier.pointwise),
          width_(build.in().pixel_bytes() / sizeof(T)),
          count_padding_(build.node.attributes[10] == 1) {}

    void run(const Call& call) const override {
        const std::size_t pixels = call.batch * to_size(window_.h.out * window_.w.out);
        parallel_for(call.threads_for(pixels * width_ * to_size(window_.taps())), pixels, block_pixels(),
                     [&](int slot, std::size_t begin, std::size_t end) {
                         block(call, slot, begin, end, call.out<T>() + begin * width_);
                     });
    }

    void block(const Call& call, int, std::size_t begin, std::size_t end, void* out) const override {
        PixelCursor at(window_, static_cast<std::int64_t>(begin));
        for (std::size_t pixel = begin; pixel < end; ++pixel, at.next())
            one(call.in<T>(), at, static_cast<T*>(out) + (pixel - begin) * width_);
    }

  private:
    void one(const T* batch, const PixelCursor& at, T* out) const {
        const Axis &h = window_.h, &w = window_.w;
        const Taps ys = h.inside(at.y), xs = w.inside(at.x);
        bool first = true;
        for (std::int64_t y = ys.begin; y < ys.end; ++y)
            for (std::int64_t x = xs.begin; x < xs.end; ++x, first = false) {
                const T* in =
                    batch + to_size((at.image * h.in + h.origin(at.y) + y) * w.in + w.origin(at.x) + x) * width_;
                if (first)
                    std::copy_n(in, width_, out);
                else
                    Merge::merge(kernel_, in, width_, out);
            }
        if constexpr (std::is_same_v<Merge, Sum>) {
            const auto taps = static_cast<float>(count_padding_ ? window_.taps() : ys.size() * xs.size());
            for (std::size_t i = 0; i < width_; ++i) out[i] /= taps;
        }
    }

    const Window window_;
    const PointwiseKernel& kernel_;
    const std::size_t width_;
    const bool count_padding_;
};

}  // namespace

std::unique_ptr<BlockOperation> make_pool(const Build& build) {
    if (build.node.op == Op::AvgPool2d) return std::make_unique<Pool<float, Sum>>(build);
    switch (build.in().dtype) {
        case DType::F32:
            return std::make_unique<Pool<float, Maximum>>(build);
        case DType::I32:
            return std::make_unique<Pool<std::int32_t, Maximum>>(build);
        default:
            return std::make_unique<Pool<std::uint64_t, Maximum>>(build);
    }
}

}  // namespace sbn
