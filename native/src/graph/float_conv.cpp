// conv2d: windows of the image, or rows of taps gathered from it (im2col), times filters, by the sgemm family. Binary
// weights are expanded to -1 / +1.
//
// The taps of one row of a window are neighbours in the image, unless they are dilated or of one group of channels.
// Then the rows of the image that some pixels of one output row see are copied once, with the border written out, and
// the windows lie in them, overlapping; else every pixel's taps are gathered.
#include <cstring>

#include "base/parallel.h"
#include "graph/operation.h"
#include "graph/window.h"

namespace sbn {
namespace {

constexpr std::size_t kRowBlockBytes = 64 << 10;
constexpr std::size_t kMaxRowBlock = 64;
constexpr std::size_t kWidest = 128;               // pixels of an output row at a time
constexpr std::size_t kMaxBandBytes = 1024 << 10;  // of the rows that they see; beyond, gathered rows are smaller

class FloatConv final : public BlockOperation {
  public:
    explicit FloatConv(const Build& build)
        : kernel_(build.tier.sgemm),
          window_(Window::of(build.graph, build.node)),
          channels_(build.in().c),
          filters_(build.out().c),
          groups_(to_size(build.node.attributes[10])) {
        group_channels_ = channels_ / groups_;
        group_filters_ = filters_ / groups_;
        k_ = to_size(window_.taps()) * group_channels_;
        panels_ = ceil_div(group_filters_, kernel_.lanes);
        const Axis &h = window_.h, &w = window_.w;
        direct_ = groups_ == 1 && window_.taps() == 1 && h.stride == 1 && w.stride == 1 && h.in == h.out &&
                  w.in == w.out && h.pad == 0 && w.pad == 0;
        plan(h, w);
        build.budget.take(groups_ * panels_ * kernel_.lanes, (k_ + 1) * sizeof(float), build.node);
        pack(*build.node.blobs[0], build.node.blobs[1]);
    }

    std::size_t scratch_bytes() const override { return scratch_floats_ * sizeof(float); }

    void run(const Call& call) const override {
        const std::size_t pixels = call.batch * to_size(window_.h.out * window_.w.out);
        const int threads = call.threads_for(pixels * filters_ * k_ / 4);
        const std::size_t all_panels = groups_ * panels_;
        if (pixels >= 4 * static_cast<std::size_t>(threads))
            parallel_for(threads, pixels, row_block_, [&](int slot, std::size_t begin, std::size_t end) {
                panels(call, slot, begin, end - begin, 0, all_panels, call.out<float>() + begin * filters_);
            });
        else  // each thread gathers the rows of taps: its share of the panels goes in one range
            parallel_for(threads, all_panels, all_panels, [&](int slot, std::size_t begin, std::size_t end) {
                for (std::size_t pixel = 0; pixel < pixels; pixel += row_block_)
                    panels(call, slot, pixel, std::min(row_block_, pixels - pixel), begin, end,
                           call.out<float>() + pixel * filters_);
            });
    }

    std::size_t block_pixels() const override { return row_block_; }
    void block(const Call& call, int slot, std::size_t begin, std::size_t end, void* out) const override {
        panels(call, slot, begin, end - begin, 0, groups_ * panels_, static_cast<float*>(out));
    }

  private:
    void plan(const Axis& h, const Axis& w) {
        const std::size_t width = to_size(w.out);
        widest_ = ceil_div(width, ceil_div(width, kWidest));
        pitch_ = (widest_ - 1) * to_size(w.stride) * channels_ + to_size(w.kernel) * channels_;
        const std::size_t band = to_size(h.kernel) * pitch_;
        windows_ = !direct_ && groups_ == 1 && w.dilation == 1 && band <= kMaxBandBytes / sizeof(float);
        if (windows_) {
            row_block_ = widest_ * std::max<std::size_t>(kMaxRowBlock / widest_, 1);
            scratch_floats_ = band;
            taps_ = {to_size(h.kernel), to_size(w.kernel) * channels_, pitch_};
            pixel_step_ = to_size(w.stride) * channels_;
        } else {
            const std::size_t rows = std::min(kRowBlockBytes / (k_ * sizeof(float)), kMaxRowBlock);
            row_block_ = std::max<std::size_t>(rows / kernel_.tile_rows, 1) * kernel_.tile_rows;
            scratch_floats_ = direct_ ? 0 : row_block_ * k_;
            taps_ = {1, k_, 0};
            pixel_step_ = k_;
        }
    }

    void pack(const Blob& weight, const Blob* bias) {
        const std::size_t lanes = kernel_.lanes;
        weights_.assign(groups_ * panels_ * lanes * k_, 0.0f);
        bias_.assign(groups_ * panels_ * lanes, 0.0f);
        for (std::size_t o = 0; o < filters_; ++o) {
            const std::size_t group = o / group_filters_, channel = o % group_filters_;
            float* panel = weights_.data() + (group * panels_ + channel / lanes) * lanes * k_ + channel % lanes;
            for (std::size_t i = 0; i < k_; ++i) {
                float w = weight.dtype == DType::Bits && weight.bit(o, i) ? 1.0f : -1.0f;
                if (weight.dtype == DType::F32) std::memcpy(&w, weight.data.data() + (o * k_ + i) * sizeof w, sizeof w);
                panel[i * lanes] = w;
            }
            if (bias != nullptr)
                std::memcpy(&bias_[group * panels_ * lanes + channel], bias->data.data() + o * sizeof(float),
                            sizeof(float));
        }
    }

    // Output pixels [pixel, pixel + rows) of the batch, at most row_block_, weight panels [first, last) counted over
    // all groups.
    void panels(const Call& call, int slot, std::size_t pixel, std::size_t rows, std::size_t first, std::size_t last,
                float* out) const {
        if (!windows_) return rows_of_taps(call, slot, pixel, rows, first, last, out);
        auto* band = call.scratch_of<float>(slot);
        for (std::size_t end = pixel + rows, n; pixel < end; pixel += n, out += n * filters_) {
            const PixelCursor at(window_, static_cast<std::int64_t>(pixel));
            n = std::min({end - pixel, to_size(window_.w.out - at.x), widest_});
            fill(call.in<float>(), at, n, band);
            product(band, n, 0, first, last, out);
        }
    }

    void rows_of_taps(const Call& call, int slot, std::size_t pixel, std::size_t rows, std::size_t first,
                      std::size_t last, float* out) const {
        for (std::size_t group = first / panels_; group * panels_ < last; ++group) {
            const float* taps = call.in<float>() + pixel * channels_;
            if (!direct_) {
                auto* scratch = call.scratch_of<float>(slot);
                gather(call.in<float>(), pixel, rows, group * group_channels_, scratch);
                taps = scratch;
            }
            product(taps, rows, group, std::max(first, group * panels_), std::min(last, (group + 1) * panels_), out);
        }
    }

    // Panels [from, to), which are those of one group.
    void product(const float* taps, std::size_t rows, std::size_t group, std::size_t from, std::size_t to,
                 float* out) const {
        const std::size_t column = (from - group * panels_) * kernel_.lanes;
        const std::size_t columns = std::min((to - group * panels_) * kernel_.lanes, group_filters_) - column;
        kernel_.run(taps, pixel_step_, rows, weights_.data() + from * kernel_.lanes * k_,
                    bias_.data() + from * kernel_.lanes, columns, taps_, out + group * group_filters_ + column,
                    filters_);
    }

    // The rows of the image under the windows of n output pixels of one row.
    void fill(const float* batch, const PixelCursor& at, std::size_t n, float* band) const {
        const Axis &h = window_.h, &w = window_.w;
        const std::int64_t begin = w.origin(at.x), end = w.origin(at.x + static_cast<std::int64_t>(n) - 1) + w.kernel;
        const std::int64_t inside = std::clamp<std::int64_t>(begin, 0, w.in), outside = std::clamp(end, inside, w.in);
        const std::size_t before = to_size(inside - begin) * channels_, between = to_size(outside - inside) * channels_,
                          all = to_size(end - begin) * channels_;
        for (std::int64_t row = 0; row < h.kernel; ++row, band += pitch_) {
            const std::int64_t y = h.origin(at.y) + row * h.dilation;
            if (y < 0 || y >= h.in || between == 0) {
                std::fill_n(band, all, 0.0f);
                continue;
            }
            std::fill_n(band, before, 0.0f);
            std::memcpy(band + before, batch + to_size((at.image * h.in + y) * w.in + inside) * channels_,
                        between * sizeof(float));
            std::fill_n(band + before + between, all - before - between, 0.0f);
        }
    }

    // Rows of taps of one group for consecutive output pixels.
    void gather(const float* batch, std::size_t pixel, std::size_t rows, std::size_t channel, float* out) const {
        const Axis &h = window_.h, &w = window_.w;
        const std::size_t n = group_channels_;
        PixelCursor at(window_, static_cast<std::int64_t>(pixel));
        for (std::size_t r = 0; r < rows; ++r, at.next(), out += k_) {
            const Taps ys = h.inside(at.y), xs = w.inside(at.x);
            if (ys.size() < h.kernel || xs.size() < w.kernel) std::memset(out, 0, k_ * sizeof(float));
            for (std::int64_t y = ys.begin; y < ys.end; ++y) {
                const std::int64_t row = (at.image * h.in + h.origin(at.y) + y * h.dilation) * w.in + w.origin(at.x);
                float* target = out + to_size(y * w.kernel) * n;
                for (std::int64_t x = xs.begin; x < xs.end; ++x)
                    std::memcpy(target + to_size(x) * n, batch + to_size(row + x * w.dilation) * channels_ + channel,
                                n * sizeof(float));
            }
        }
    }

    const SgemmKernel& kernel_;
    Window window_;
    std::size_t channels_, filters_, groups_;
    std::size_t group_channels_, group_filters_, k_, panels_;
    bool direct_, windows_ = false;
    std::size_t row_block_ = 0, widest_ = 0, scratch_floats_ = 0;
    std::size_t pitch_ = 0;       // floats of a row of the band
    std::size_t pixel_step_ = 0;  // floats from one row of taps to the next
    Stretched taps_{};
    AlignedVector<float> weights_, bias_;
};

}  // namespace

std::unique_ptr<BlockOperation> make_float_conv(const Build& build) {
    return std::make_unique<FloatConv>(build);
}

}  // namespace sbn
