// binary_conv2d on a padded image of octets, by the tapgemm family. A block of output pixels first turns the band of
// the image that it sees into octets, -1 or 0 and +1, with the border written out: the sums are the products
// themselves.
//
// With stride 1 the rows of a band follow each other at one pitch, so a run of output pixels goes on over the end of a
// row: the few sums at the positions in between, whose windows straddle two rows, are thrown away.
#include <cstring>

#include "base/parallel.h"
#include "graph/operation.h"
#include "graph/window.h"

namespace sbn {
namespace {

constexpr std::size_t kPixels = 256;               // of a block: four tiles of sums, four times
constexpr std::size_t kBandBytes = 128 << 10;      // which shares a usual L2 cache with the weights
constexpr std::size_t kMaxBandBytes = 1024 << 10;  // of a single row of output; beyond, rows of taps are the better way
constexpr std::size_t kTileRows = 16;

class TapConv final : public BlockOperation {
  public:
    TapConv(const Build& build, const TapgemmKernel& kernel)
        : kernel_(kernel),
          window_(Window::of(build.graph, build.node)),
          channels_(build.in().c),
          filters_(build.out().c),
          groups_(to_size(build.node.attributes[10])),
          group_channels_(channels_ / groups_),
          group_filters_(filters_ / groups_),
          low_(static_cast<std::int8_t>(low(build.in().alphabet))),
          words_(words_for(group_channels_)),
          last_mask_(low_mask(group_channels_ - (words_ - 1) * kWordBits)),
          pixel_bytes_(words_ * kWordBits),
          pad_(pixel_bytes_, 0) {
        plan();
        if (!fits()) return;
        std::fill_n(pad_.begin(), group_channels_, static_cast<std::int8_t>(build.node.attributes[11]));
        steps_ = to_size(window_.taps()) * words_;
        panels_ = ceil_div(group_filters_, kernel_.lanes);
        build.budget.take(groups_ * panels_, kernel_.panel_bytes(steps_), build.node);
        pack_weights(*build.node.blobs[0]);
        for (std::size_t y = 0; y < to_size(window_.h.kernel); ++y)
            for (std::size_t x = 0; x < to_size(window_.w.kernel); ++x)
                for (std::size_t i = 0; i < words_; ++i)
                    offsets_.push_back((y * to_size(window_.h.dilation) * pitch_ + x * to_size(window_.w.dilation)) *
                                           pixel_bytes_ +
                                       i * kWordBits);
    }

    bool fits() const { return band_bytes_ <= kMaxBandBytes; }

    std::size_t scratch_bytes() const override { return band_bytes_ + positions_ * sizeof(std::int32_t*); }

    void run(const Call& call) const override {
        const std::size_t pixels = call.batch * to_size(window_.h.out * window_.w.out);
        parallel_for(call.threads_for(pixels * filters_ * steps_ / 8), pixels, block_,
                     [&](int slot, std::size_t begin, std::size_t end) {
                         block(call, slot, begin, end, call.out<std::int32_t>() + begin * filters_);
                     });
    }

    std::size_t block_pixels() const override { return block_; }
    std::size_t block_step() const override { return step_; }
    void block(const Call& call, int slot, std::size_t begin, std::size_t end, void* out) const override {
        const std::size_t width = to_size(window_.w.out), image = to_size(window_.h.out) * width;
        auto* to = static_cast<std::int32_t*>(out);
        while (begin < end) {
            const std::size_t period = span_ > 1 ? image : width;  // a piece lies in one image, or in one row
            const std::size_t n = std::min(end - begin, period - begin % period);
            piece(call, slot, begin, n, to);
            begin += n;
            to += n * filters_;
        }
    }

  private:
    // How much of the image a block sees: span_ rows of output pixels at most, wherever it begins.
    void plan() {
        const Axis &h = window_.h, &w = window_.w;
        const std::size_t height = to_size(h.out), width = to_size(w.out), widest = std::min(width, kPixels);
        reach_h_ = to_size((h.kernel - 1) * h.dilation + 1);
        reach_w_ = to_size((w.kernel - 1) * w.dilation + 1);
        pitch_ = (widest - 1) * to_size(w.stride) + reach_w_;
        flat_ = h.stride == 1 && w.stride == 1 && pitch_ <= 2 * width;
        const auto band = [&](std::size_t rows) {
            return ((rows - 1) * to_size(h.stride) + reach_h_) * pitch_ * pixel_bytes_;
        };
        std::size_t rows = std::clamp<std::size_t>(kPixels / width, 1, height);
        while (rows > 1 && band(std::min(rows + 1, height)) > kBandBytes) --rows;
        span_ = width > kPixels ? 1 : std::min(rows + 1, height);
        block_ = rows * widest;
        step_ = height * width <= 64 ? height * width : width <= 64 ? width : kTileRows;
        positions_ = flat_ ? span_ * pitch_ : block_;
        const std::size_t slack = (kTileRows - 1) * to_size(w.stride) * pixel_bytes_;
        band_bytes_ = round_up(band(span_) + slack, kBufferAlignment);
    }

    void pack_weights(const Blob& weight) {
        panel_bytes_ = kernel_.panel_bytes(steps_);
        weights_.assign(groups_ * panels_ * panel_bytes_, std::byte{0});
        std::vector<std::uint64_t> steps(steps_);
        for (std::size_t o = 0; o < filters_; ++o) {
            const std::vector<std::uint64_t> row = weight.row_words(o);
            for (std::size_t s = 0; s < steps_; ++s) {
                const std::size_t at = s % words_ * kWordBits;
                steps[s] =
                    read_bits(row.data(), s / words_ * group_channels_ + at, std::min(kWordBits, group_channels_ - at));
            }
            const std::size_t group = o / group_filters_, channel = o % group_filters_;
            kernel_.pack(steps.data(), steps_, channel % kernel_.lanes,
                         weights_.data() + (group * panels_ + channel / kernel_.lanes) * panel_bytes_);
        }
    }

    // n output pixels from `pixel` on, all of one image.
    void piece(const Call& call, int slot, std::size_t pixel, std::size_t n, std::int32_t* out) const {
        auto* band = call.scratch_of<std::int8_t>(slot);
        auto** rows = reinterpret_cast<std::int32_t**>(band + band_bytes_);
        const PixelCursor at(window_, static_cast<std::int64_t>(pixel));
        const std::size_t width = to_size(window_.w.out), x = to_size(at.x);
        const bool one_row = x + n <= width;
        const std::size_t first = one_row ? 0 : x, columns = one_row ? n : width, height = ceil_div(first + n, columns);
        const std::size_t stride_bytes = to_size(window_.w.stride) * pixel_bytes_;
        for (std::size_t group = 0; group < groups_; ++group) {
            fill(call.in<std::uint64_t>(), at, one_row ? at.x : 0, height, columns, group, band);
            const std::byte* w = weights_.data() + group * panels_ * panel_bytes_;
            std::int32_t* to = out + group * group_filters_;
            std::size_t m = 0;
            const std::int8_t* from = band + first * stride_bytes;
            for (std::size_t i = 0; i < n; ++i, to += filters_) {
                rows[m++] = to;
                const bool row_ends = (first + i + 1) % columns == 0 || i + 1 == n;
                if (!row_ends) continue;
                if (flat_ && i + 1 < n) {
                    for (std::size_t between = columns; between < pitch_; ++between) rows[m++] = nullptr;
                    continue;
                }
                kernel_.run(from, stride_bytes, m, offsets_.data(), steps_, w, group_filters_, rows);
                from = band + (first + i + 1) / columns * to_size(window_.h.stride) * pitch_ * pixel_bytes_;
                m = 0;
            }
        }
    }

    // Octets of one group's channels, for `height` rows of `columns` output pixels from column x on.
    void fill(const std::uint64_t* batch, const PixelCursor& at, std::int64_t x, std::size_t height,
              std::size_t columns, std::size_t group, std::int8_t* band) const {
        const Axis &h = window_.h, &w = window_.w;
        const std::size_t stride = to_size(h.stride), pixel_words = words_for(channels_);
        const std::uint64_t* image = batch + to_size(at.image * h.in * w.in) * pixel_words;
        const std::int64_t begin = w.origin(x),
                           end = begin + static_cast<std::int64_t>((columns - 1) * to_size(w.stride) + reach_w_);
        const std::int64_t inside = std::clamp<std::int64_t>(begin, 0, w.in),
                           outside = std::clamp<std::int64_t>(end, inside, std::max(inside, w.in));
        for (std::size_t row = 0; row < (height - 1) * stride + reach_h_; ++row, band += pitch_ * pixel_bytes_) {
            if (row % stride >= reach_h_) continue;  // between two windows
            const std::int64_t y = h.origin(at.y) + static_cast<std::int64_t>(row);
            if (y < 0 || y >= h.in || inside >= std::min(end, outside)) {
                border(band, to_size(end - begin));
                continue;
            }
            border(band, to_size(inside - begin));
            expand(image + to_size(y * w.in + inside) * pixel_words, to_size(outside - inside), group,
                   band + to_size(inside - begin) * pixel_bytes_);
            border(band + to_size(outside - begin) * pixel_bytes_, to_size(end - outside));
        }
    }

    void border(std::int8_t* octets, std::size_t pixels) const {
        for (std::size_t i = 0; i < pixels; ++i) std::memcpy(octets + i * pixel_bytes_, pad_.data(), pixel_bytes_);
    }

    void expand(const std::uint64_t* bits, std::size_t pixels, std::size_t group, std::int8_t* octets) const {
        if (groups_ == 1) {
            kernel_.expand(bits, pixels, words_, last_mask_, low_, octets);
            return;
        }
        for (std::size_t pixel = 0; pixel < pixels; ++pixel, bits += words_for(channels_))
            for (std::size_t at = 0; at < group_channels_; at += kWordBits, octets += kWordBits) {
                const std::size_t n = std::min(kWordBits, group_channels_ - at);
                const std::uint64_t word = read_bits(bits, group * group_channels_ + at, n);
                kernel_.expand(&word, 1, 1, low_mask(n), low_, octets);
            }
    }

    const TapgemmKernel& kernel_;
    Window window_;
    std::size_t channels_, filters_, groups_, group_channels_, group_filters_;
    std::int8_t low_;
    std::size_t words_;
    std::uint64_t last_mask_;
    std::size_t pixel_bytes_;  // of one group in a band
    std::size_t reach_h_ = 0, reach_w_ = 0, pitch_ = 0, span_ = 0, block_ = 0, step_ = 0, positions_ = 0;
    std::size_t band_bytes_ = 0, steps_ = 0, panels_ = 0, panel_bytes_ = 0;
    bool flat_ = false;
    std::vector<std::int8_t> pad_;  // a pixel of the border
    std::vector<std::size_t> offsets_;
    AlignedVector<std::byte> weights_;
};

}  // namespace

std::unique_ptr<BlockOperation> make_tap_conv(const Build& build) {
    const std::size_t groups = to_size(build.node.attributes[10]);
    const TapgemmKernel* kernel =
        tapgemm_for(build.tier, build.out().pixels(), build.out().c / groups, build.in().c / groups);
    if (kernel == nullptr) return nullptr;
    auto operation = std::make_unique<TapConv>(build, *kernel);
    if (!operation->fits()) return nullptr;
    return operation;
}

}  // namespace sbn
