// Products from popcounts. What the zeros in place of the taps outside the image should have counted depends on which
// taps are outside and on the filter, not on the image, so it is a table:
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
#pragma once
#include <bit>

#include "base/bits.h"
#include "graph/stretches.h"

namespace sbn {

class CountBase final {
  public:
    CountBase(const Window& window, const Stretches& stretches, Alphabet alphabet, std::int32_t pad_value,
              std::size_t group_channels, std::size_t filters)
        : kh_(to_size(window.h.kernel)),
          kw_(to_size(window.w.kernel)),
          stretches_(stretches),
          alphabet_(alphabet),
          pad_value_(pad_value),
          group_channels_(group_channels),
          filters_(filters) {}

    std::size_t parts() const { return stretches_.row_parts().size() * stretches_.column_parts().size(); }
    std::size_t part(const Stretch& at) const {
        return at.row_part * stretches_.column_parts().size() + at.column_part;
    }
    const std::int32_t* of(std::size_t part) const { return base_.data() + part * filters_; }
    int shift() const { return alphabet_ == Alphabet::Pm1 ? 1 : 0; }

    // counts[y][x] = ones of the filter over the taps above y and left of x.
    void add(const std::uint64_t* filter, std::size_t o) {
        base_.resize(parts() * filters_);
        const std::size_t stride = kw_ + 1;
        std::vector<std::int32_t> counts((kh_ + 1) * stride);
        for (std::size_t y = 0; y < kh_; ++y)
            for (std::size_t x = 0; x < kw_; ++x)
                counts[(y + 1) * stride + x + 1] = counts[(y + 1) * stride + x] + counts[y * stride + x + 1] -
                                                   counts[y * stride + x] +
                                                   ones(filter, (y * kw_ + x) * group_channels_);
        const auto total = counts.back(), k = static_cast<std::int32_t>(kh_ * kw_ * group_channels_);
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

  private:
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

    std::size_t kh_, kw_;
    const Stretches& stretches_;
    Alphabet alphabet_;
    std::int32_t pad_value_;
    std::size_t group_channels_, filters_;
    std::vector<std::int32_t> base_;
};

}  // namespace sbn
