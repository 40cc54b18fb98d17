// binary_conv2d: rows of taps (im2col) times filters, by the bgemm family, and in the same go an affine or a threshold
// behind it: the one is computed where the products would be, the other compares the counts themselves.
#include <array>
#include <limits>

#include "base/parallel.h"
#include "graph/bit_taps.h"
#include "graph/count_base.h"
#include "graph/operation.h"
#include "graph/window.h"

namespace sbn {
namespace {

constexpr std::size_t kRowBlockBytes = 16 << 10;  // rows of taps at a time: half of a usual L1 data cache
constexpr std::size_t kMaxRowBlock = 64;

class BinaryConv final : public BlockOperation {
  public:
    explicit BinaryConv(const Build& build)
        : window_(Window::of(build.graph, build.node)),
          channels_(build.in().c),
          filters_(build.out().c),
          groups_(to_size(build.node.attributes[10])),
          stretches_(window_),
          taps_(window_, channels_, groups_),
          base_(window_, stretches_, build.in().alphabet, build.node.attributes[11], channels_ / groups_, filters_),
          group_filters_(filters_ / groups_),
          row_words_(words_for(to_size(window_.taps()) * (channels_ / groups_))),
          k_words_(ceil_div(to_size(window_.taps()) * (channels_ / groups_), 32)),
          kernel_(bgemm_for(build.tier, build.out().pixels(), group_filters_, k_words_)),
          pointwise_(build.tier.pointwise),
          panel_bytes_(kernel_.panel_bytes(k_words_)) {
        panels_ = ceil_div(group_filters_, kernel_.lanes);
        const Axis &h = window_.h, &w = window_.w;
        direct_ = groups_ == 1 && window_.taps() == 1 && h.stride == 1 && w.stride == 1 && h.in == h.out &&
                  w.in == w.out && h.pad == 0 && w.pad == 0;
        row_block_ = std::clamp<std::size_t>(kRowBlockBytes / (row_words_ * 8) / 16 * 16, 16, kMaxRowBlock);
        build.budget.take(groups_ * panels_, panel_bytes_, build.node);
        build.budget.take(base_.parts(), filters_ * sizeof(std::int32_t), build.node);
        pack_weights(*build.node.blobs[0]);
    }

    std::size_t scratch_bytes() const override { return direct_ ? 0 : row_block_ * row_words_ * 8; }

    void run(const Call& call) const override {
        const std::size_t pixels = call.batch * to_size(window_.h.out * window_.w.out);
        const int threads = call.threads_for(pixels * filters_ * k_words_ / 4);
        const std::size_t all_panels = groups_ * panels_;
        if (pixels >= 4 * static_cast<std::size_t>(threads))
            parallel_for(threads, pixels, row_block_, [&](int slot, std::size_t begin, std::size_t end) {
                panels(call, slot, begin, end - begin, 0, all_panels, call.out<std::int32_t>() + begin * filters_);
            });
        else  // each thread gathers the rows of taps: its share of the panels goes in one range
            parallel_for(threads, all_panels, all_panels, [&](int slot, std::size_t begin, std::size_t end) {
                for (std::size_t pixel = 0; pixel < pixels; pixel += row_block_)
                    panels(call, slot, pixel, std::min(row_block_, pixels - pixel), begin, end,
                           call.out<std::int32_t>() + pixel * filters_);
            });
    }

    std::size_t block_pixels() const override { return row_block_; }
    void block(const Call& call, int slot, std::size_t begin, std::size_t end, void* out) const override {
        if (cuts_.empty())
            panels(call, slot, begin, end - begin, 0, groups_ * panels_, static_cast<std::int32_t*>(out));
        else
            compare(call, slot, begin, end - begin, static_cast<std::uint64_t*>(out));
    }

    bool absorb(const Build& next) override {
        if (next.node.op == Op::Affine) {
            next.budget.take(2 * filters_, sizeof(float), next.node);
            scale_ = next.node.blobs[0]->copy<float>();
            shift_ = next.node.blobs[1]->copy<float>();
            return true;
        }
        if (next.node.op != Op::Threshold || kernel_.compare == nullptr || groups_ > 1) return false;
        cut_lanes_ = panels_ * kernel_.lanes;
        next.budget.take(base_.parts() * cut_lanes_, sizeof(std::int16_t), next.node);
        cut(next.node.blobs[0]->copy<std::int32_t>(), *next.node.blobs[1]);
        return true;
    }

  private:
    void pack_weights(const Blob& weight) {
        weights_.assign(groups_ * panels_ * panel_bytes_, std::byte{0});
        for (std::size_t o = 0; o < filters_; ++o) {
            const std::vector<std::uint64_t> row = weight.row_words(o);
            const std::size_t group = o / group_filters_, channel = o % group_filters_;
            std::byte* panel = weights_.data() + (group * panels_ + channel / kernel_.lanes) * panel_bytes_;
            kernel_.pack(reinterpret_cast<const std::uint32_t*>(row.data()), k_words_, channel % kernel_.lanes, panel);
            base_.add(row.data(), o);
        }
    }

    // With d = base - s * count: d >= t if count <= floor((base - t) / s); d <= t if count > ceil((base - t) / s) - 1.
    void cut(const std::vector<std::int32_t>& thresholds, const Blob& rising) {
        rising_ = rising.row_words(0);
        cuts_.assign(base_.parts() * cut_lanes_, std::numeric_limits<std::int16_t>::max());
        for (std::size_t part = 0; part < base_.parts(); ++part)
            for (std::size_t o = 0; o < filters_; ++o) {
                const std::int64_t most = std::int64_t{base_.of(part)[o]} - thresholds[o];
                const std::int64_t at = rising.bit(0, o) ? most >> base_.shift() : -(-most >> base_.shift()) - 1;
                cuts_[part * cut_lanes_ + o] = static_cast<std::int16_t>(
                    std::clamp<std::int64_t>(at, -1, std::numeric_limits<std::int16_t>::max()));
            }
    }

    // Output pixels [pixel, pixel + rows) of the batch, at most row_block_, weight panels [first, last) counted over
    // all groups.
    void panels(const Call& call, int slot, std::size_t pixel, std::size_t rows, std::size_t first, std::size_t last,
                std::int32_t* out) const {
        for (std::size_t group = first / panels_; group * panels_ < last; ++group) {
            const std::uint32_t* taps = rows_of_taps(call, slot, pixel, rows, group);
            const std::size_t from = std::max(first, group * panels_) - group * panels_;
            const std::size_t to = std::min(last, (group + 1) * panels_) - group * panels_;
            const std::size_t column = from * kernel_.lanes,
                              columns = std::min(to * kernel_.lanes, group_filters_) - column;
            const std::size_t at = group * group_filters_ + column;
            kernel_.run(taps, 2 * row_words_, rows, weights_.data() + (group * panels_ + from) * panel_bytes_, columns,
                        k_words_, out + at, filters_);
            finish(out, pixel, rows, at, columns);
        }
    }

    const std::uint32_t* rows_of_taps(const Call& call, int slot, std::size_t pixel, std::size_t rows,
                                      std::size_t group) const {
        const auto* image = call.in<std::uint64_t>();
        if (direct_) return reinterpret_cast<const std::uint32_t*>(image + pixel * words_for(channels_));
        auto* scratch = call.scratch_of<std::uint64_t>(slot);
        std::uint64_t* row = scratch;
        stretches_.over(pixel, rows, [&](const Stretch& at) {
            taps_.gather(image, at, group * (channels_ / groups_), row);
            row += at.pixels * row_words_;
        });
        return reinterpret_cast<const std::uint32_t*>(scratch);
    }

    // Popcounts to products, or to what the affine makes of them, in place: channels [channel, channel + n) of
    // consecutive output pixels.
    void finish(std::int32_t* block, std::size_t pixel, std::size_t rows, std::size_t channel, std::size_t n) const {
        std::int32_t* row = block + channel;
        stretches_.over(pixel, rows, [&](const Stretch& at) {
            const std::int32_t* base = base_.of(base_.part(at)) + channel;
            if (scale_.empty())
                pointwise_.subtract_from(base, base_.shift(), at.pixels, n, row, filters_);
            else
                pointwise_.affine_of_counts(base, base_.shift(), scale_.data() + channel, shift_.data() + channel,
                                            at.pixels, n, row, filters_);
            row += at.pixels * filters_;
        });
    }

    void compare(const Call& call, int slot, std::size_t pixel, std::size_t rows, std::uint64_t* out) const {
        std::array<const std::int16_t*, kMaxRowBlock> cuts;
        std::size_t row = 0;
        stretches_.over(pixel, rows, [&](const Stretch& at) {
            std::fill_n(cuts.begin() + row, at.pixels, cuts_.data() + base_.part(at) * cut_lanes_);
            row += at.pixels;
        });
        kernel_.compare(rows_of_taps(call, slot, pixel, rows, 0), 2 * row_words_, rows, weights_.data(), filters_,
                        k_words_, cuts.data(), rising_.data(), out);
    }

    Window window_;
    std::size_t channels_, filters_, groups_;
    Stretches stretches_;
    BitTaps taps_;
    CountBase base_;
    std::size_t group_filters_, row_words_, k_words_;
    const BgemmKernel& kernel_;
    const PointwiseKernel& pointwise_;
    std::size_t panel_bytes_, panels_ = 0, row_block_ = 0;
    bool direct_ = false;
    AlignedVector<std::byte> weights_;
    std::vector<float> scale_, shift_;  // of the affine that it does, too
    std::vector<std::int16_t> cuts_;    // of the threshold that it does, too: [part of the border][lane]
    std::vector<std::uint64_t> rising_;
    std::size_t cut_lanes_ = 0;
};

}  // namespace

std::unique_ptr<BlockOperation> make_binary_conv(const Build& build) {
    if (auto operation = make_tap_conv(build)) return operation;
    return std::make_unique<BinaryConv>(build);
}

}  // namespace sbn
