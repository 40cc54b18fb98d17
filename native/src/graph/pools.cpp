// max_pool2d and avg_pool2d. The maximum of bits is their or, in both alphabets.
#include <algorithm>

#include "base/parallel.h"
#include "graph/operation.h"
#include "graph/window.h"

namespace sbn {
namespace {

// The taps of one window inside the image: [rows][columns] pixels of `width` elements, rows row_step elements apart.
struct Inside {
    std::size_t rows, row_step, columns, width;
};

struct Maximum {
    static void of(const PointwiseKernel& kernel, const float* x, const Inside& in, float, float* y) {
        kernel.maximum(x, in.rows, in.row_step, in.columns, in.width, y);
    }
    template <class T>
    static void of(const PointwiseKernel&, const T* x, const Inside& in, float, T* y) {
        std::copy_n(x, in.width, y);
        for (std::size_t row = 0; row < in.rows; ++row, x += in.row_step)
            for (std::size_t column = 0; column < in.columns; ++column)
                for (std::size_t i = 0; i < in.width; ++i) merge(y[i], x[column * in.width + i]);
    }

  private:
    static void merge(std::int32_t& best, std::int32_t x) { best = std::max(best, x); }
    static void merge(std::uint64_t& bits, std::uint64_t x) { bits |= x; }
};

struct Mean {
    static void of(const PointwiseKernel& kernel, const float* x, const Inside& in, float taps, float* y) {
        kernel.mean(x, in.rows, in.row_step, in.columns, in.width, taps, y);
    }
};

// T is what one pixel holds `width` of: channels, or words of them.
template <class T, class Reduce>
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
        const std::int64_t first = (at.image * h.in + h.origin(at.y) + ys.begin) * w.in + w.origin(at.x) + xs.begin;
        const Inside inside{to_size(ys.size()), to_size(w.in) * width_, to_size(xs.size()), width_};
        const std::int64_t taps = count_padding_ ? window_.taps() : ys.size() * xs.size();
        Reduce::of(kernel_, batch + to_size(first) * width_, inside, static_cast<float>(taps), out);
    }

    const Window window_;
    const PointwiseKernel& kernel_;
    const std::size_t width_;
    const bool count_padding_;
};

}  // namespace

std::unique_ptr<BlockOperation> make_pool(const Build& build) {
    if (build.node.op == Op::AvgPool2d) return std::make_unique<Pool<float, Mean>>(build);
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
