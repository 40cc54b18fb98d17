// binary_conv2d: rows of taps (im2col) times filters, by the bgemm family.
//
// What the zeros in place of the taps outside the image should have counted depends on which taps are outside and on
// the filter, not on the image, so it is a table:
//
//     d = base[row part][column part][o] - s * popcount(a xor w),      s = 2 for {-1,+1}, 1 for {0,1}
//
// With K bits a row, per filter: T = popcount(w), P = popcount of w over the taps outside, Z = bits of the taps outside
//     {-1,+1}, pad  0:  base = K - Z + 2 P            (outside taps count nothing)
//     {-1,+1}, pad -1:  base = K                      (a zero bit is -1 already)
//     {-1,+1}, pad +1:  base = K - 2 Z + 4 P          (take back -w, add +w)
//     {0,1},   pad  0:  base = T                      (a zero bit is 0 already)
//     {0,1},   pad +1:  base = T - Z + 2 P            (add w over the taps outside)
// All of them are below 2^27 in magnitude because K <= 2^24.
#include <bit>

#include "base/parallel.h"
#include "graph/bit_taps.h"
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
          alphabet_(build.in().alphabet),
          pad_value_(build.node.attributes[11]),
          stretches_(window_),
          taps_(window_, channels_, groups_),
          group_channels_(channels_ / groups_),
          group_filters_(filters_ / groups_),
          bits_(to_size(window_.taps()) * group_channels_),
          row_words_(words_for(bits_)),
          k_words_(ceil_div(bits_, 32)),
          kernel_(bgemm_for(build.tier, build.out().pixels(), group_filters_, k_words_)),
          pointwise_(build.tier.pointwise),
          panel_bytes_(kernel_.panel_bytes(k_words_)) {
        panels_ = ceil_div(group_filters_, kernel_.lanes);
        const Axis &h = window_.h, &w = window_.w;
        direct_ = groups_ == 1 && window_.taps() == 1 && h.stride == 1 && w.stride == 1 && h.in == h.out &&
                  w.in == w.out && h.pad == 0 && w.pad == 0;
        row_block_ = std::clamp<std::size_t>(kRowBlockBytes / (row_words_ * 8) / 16 * 16, 16, kMaxRowBlock);
        build.budget.take(groups_ * panels_, panel_bytes_, build.node);
        build.budget.take(border_parts(), filters_ * sizeof(std::int32_t), build.node);
        pack_weights(*build.node.blobs[0]);
    }

    std::size_t scratch_bytes() const override { return direct_ ? 0 : row_block_ * row_words_ * 8; }

    void run(const Call& call) const override {
        const std::size_t pixels = call.batch * to_size(window_.h.out * window_.w.out);
        const int threads = call.threads_for(pixels * filters_ * k_words_ / 4);
        const std::size_t all_panels = groups_ * panels_;
        if (pixels >= 4 * static_cast<std::size_t>(threads))
            parallel_for(threads, pixels, [&](int part, std::size_t begin, std::size_t end) {
                blocks(call, part, begin, end, 0, all_panels);
            });
        else
            parallel_for(threads, all_panels, [&](int part, std::size_t begin, std::size_t end) {
                blocks(call, part, 0, pixels, begin, end);
            });
    }

    std::size_t block_pixels() const override { return row_block_; }
    void block(const Call& call, int part, std::size_t begin, std::size_t end, void* out) const override {
        panels(call, part, begin, end - begin, 0, groups_ * panels_, static_cast<std::int32_t*>(out));
    }

  private:
    std::size_t border_parts() const { return stretches_.row_parts().size() * stretches_.column_parts().size(); }

    void pack_weights(const Blob& weight) {
        weights_.assign(groups_ * panels_ * panel_bytes_, std::byte{0});
        base_.resize(border_parts() * filters_);
        for (std::size_t o = 0; o < filters_; ++o) {
            const std::vector<std::uint64_t> row = weight.row_words(o);
            const std::size_t group = o / group_filters_, channel = o % group_filters_;
            std::byte* panel = weights_.data() + (group * panels_ + channel / kernel_.lanes) * panel_bytes_;
            kernel_.pack(reinterpret_cast<const std::uint32_t*>(row.data()), k_words_, channel % kernel_.lanes, panel);
            fill_base(row.data(), o);
        }
    }

    // base_ of one filter. counts[y][x] = ones of the filter over the taps above y and left of x.
    void fill_base(const std::uint64_t* filter, std::size_t o) {
        const std::size_t kh = to_size(window_.h.kernel), kw = to_size(window_.w.kernel), stride = kw + 1;
        std::vector<std::int32_t> counts((kh + 1) * stride);
        for (std::size_t y = 0; y < kh; ++y)
            for (std::size_t x = 0; x < kw; ++x)
                counts[(y + 1) * stride + x + 1] = counts[(y + 1) * stride + x] + counts[y * stride + x + 1] -
                                                   counts[y * stride + x] +
                                                   ones(filter, (y * kw + x) * group_channels_);
        const auto total = counts.back(), k = static_cast<std::int32_t>(bits_);
        std::int32_t* base = base_.data() + o;
        for (const AxisPart& row : stretches_.row_parts())
            for (const AxisPart& column : stretches_.column_parts()) {
                const std::size_t y0 = to_size(row.inside.begin), y1 = to_size(row.inside.end);
                const std::size_t x0 = to_size(column.inside.begin), x1 = to_size(column.inside.end);
                const std::int32_t inside = counts[y1 * stride + x1] - counts[y0 * stride + x1] -
                                            counts[y1 * stride + x0] + counts[y0 * stride + x0];
                const std::int32_t p = total - inside;
                const std::int32_t z = k - static_cast<std::int32_t>((y1 - y0) * (x1 - x0) * group_channels_);
                if (alphabet_ == Alphabet::ZeroOne)
                    *base = pad_value_ == 0 ? total : total - z + 2 * p;
                else
                    *base = pad_value_ == 0 ? k - z + 2 * p : pad_value_ < 0 ? k : k - 2 * z + 4 * p;
                base += filters_;
            }
    }

    std::int32_t ones(const std::uint64_t* filter, std::size_t at) const {
        std::int32_t count = 0;
        for (std::size_t left = group_channels_; left > 0;) {
            const std::size_t n = std::min(left, kWordBits);
            count += std::popcount(read_bits(filter, at, n));
            at += n;
            left -= n;
        }
        return count;
    }

    // Output pixels [begin, end) of the batch, weight panels [first, last) counted over all groups.
    void blocks(const Call& call, int part, std::size_t begin, std::size_t end, std::size_t first,
                std::size_t last) const {
        for (std::size_t pixel = begin; pixel < end; pixel += row_block_)
            panels(call, part, pixel, std::min(row_block_, end - pixel), first, last,
                   call.out<std::int32_t>() + pixel * filters_);
    }

    void panels(const Call& call, int part, std::size_t pixel, std::size_t rows, std::size_t first, std::size_t last,
                std::int32_t* out) const {
        const auto* image = call.in<std::uint64_t>();
        for (std::size_t group = first / panels_; group * panels_ < last; ++group) {
            const std::uint64_t* taps = image + pixel * words_for(channels_);
            if (!direct_) {
                auto* scratch = call.scratch_of<std::uint64_t>(part);
                std::uint64_t* row = scratch;
                stretches_.over(pixel, rows, [&](const Stretch& at) {
                    taps_.gather(image, at, group * group_channels_, row);
                    row += at.pixels * row_words_;
                });
                taps = scratch;
            }
            const std::size_t from = std::max(first, group * panels_) - group * panels_;
            const std::size_t to = std::min(last, (group + 1) * panels_) - group * panels_;
            const std::size_t column = from * kernel_.lanes,
                              columns = std::min(to * kernel_.lanes, group_filters_) - column;
            const std::size_t at = group * group_filters_ + column;
            kernel_.run(reinterpret_cast<const std::uint32_t*>(taps), 2 * row_words_, rows,
                        weights_.data() + (group * panels_ + from) * panel_bytes_, columns, k_words_, out + at,
                        filters_);
            finish(out, pixel, rows, at, columns);
        }
    }

    // Popcounts to products, in place: channels [channel, channel + n) of consecutive output pixels.
    void finish(std::int32_t* block, std::size_t pixel, std::size_t rows, std::size_t channel, std::size_t n) const {
        const int shift = alphabet_ == Alphabet::Pm1 ? 1 : 0;
        std::int32_t* row = block + channel;
        stretches_.over(pixel, rows, [&](const Stretch& at) {
            const std::size_t part = at.row_part * stretches_.column_parts().size() + at.column_part;
            pointwise_.subtract_from(base_.data() + part * filters_ + channel, shift, at.pixels, n, row, filters_);
            row += at.pixels * filters_;
        });
    }

    Window window_;
    std::size_t channels_, filters_, groups_;
    Alphabet alphabet_;
    std::int32_t pad_value_;
    Stretches stretches_;
    BitTaps taps_;
    std::size_t group_channels_, group_filters_, bits_, row_words_, k_words_;
    const BgemmKernel& kernel_;
    const PointwiseKernel& pointwise_;
    std::size_t panel_bytes_, panels_ = 0, row_block_ = 0;
    bool direct_ = false;
    AlignedVector<std::byte> weights_;
    std::vector<std::int32_t> base_;  // [row part][column part][filter]
};

}  // namespace

std::unique_ptr<BlockOperation> make_binary_conv(const Build& build) {
    if (auto operation = make_tap_conv(build)) return operation;
    return std::make_unique<BinaryConv>(build);
}

}  // namespace sbn
