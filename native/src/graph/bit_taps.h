// Rows of taps (im2col) of packed bits. The bits of a row are dense: kh * kw * C/groups of them, in the order of the
// weight rows in the file, and only the last word is padded. A tap outside the image puts zeros there.
#pragma once
#include <cstring>

#include "base/bits.h"
#include "graph/window.h"

namespace sbn {

class BitTaps final {
  public:
    BitTaps(const Window& window, std::size_t channels, std::size_t groups)
        : window_(window), channels_(channels), groups_(groups), group_channels_(channels / groups) {}

    // Rows of taps of one group for consecutive output pixels.
    void gather(const std::uint64_t* batch, std::size_t pixel, std::size_t rows, std::size_t channel,
                std::uint64_t* out) const {
        const Axis &h = window_.h, &w = window_.w;
        const std::size_t pixel_words = words_for(channels_),
                          row_words = words_for(to_size(window_.taps()) * group_channels_);
        const bool whole_words = groups_ == 1 && channels_ % kWordBits == 0;
        const bool one_word = groups_ == 1 && channels_ <= kWordBits;
        PixelCursor at(window_, static_cast<std::int64_t>(pixel));
        for (std::size_t r = 0; r < rows; ++r, at.next(), out += row_words) {
            const Taps ys = h.inside(at.y), xs = w.inside(at.x);
            const std::uint64_t* image = batch + to_size(at.image * h.in * w.in) * pixel_words;
            if (whole_words) {
                gather_words(image, at, ys, xs, out);
                continue;
            }
            BitWriter writer(out);
            for (std::int64_t y = 0; y < h.kernel; ++y) {
                if (y < ys.begin || y >= ys.end) {
                    writer.append_zeros(to_size(w.kernel) * group_channels_);
                    continue;
                }
                const std::int64_t row = (h.origin(at.y) + y * h.dilation) * w.in + w.origin(at.x);
                writer.append_zeros(to_size(xs.begin) * group_channels_);
                for (std::int64_t x = xs.begin; x < xs.end; ++x) {
                    const std::uint64_t* source = image + to_size(row + x * w.dilation) * pixel_words;
                    if (one_word)
                        writer.append(*source, group_channels_);
                    else
                        writer.append_row(source, channel, group_channels_);
                }
                writer.append_zeros(to_size(w.kernel - xs.end) * group_channels_);
            }
            writer.finish();
        }
    }

  private:
    // Channels fill whole words: taps are copied, neighbours at once.
    void gather_words(const std::uint64_t* image, const PixelCursor& at, Taps ys, Taps xs, std::uint64_t* out) const {
        const Axis &h = window_.h, &w = window_.w;
        const std::size_t n = words_for(channels_);
        if (ys.size() < h.kernel || xs.size() < w.kernel) std::memset(out, 0, to_size(window_.taps()) * n * 8);
        if (xs.size() == 0) return;  // nothing inside: the first tap may lie before the image, and so would its address
        for (std::int64_t y = ys.begin; y < ys.end; ++y) {
            const std::int64_t row = (h.origin(at.y) + y * h.dilation) * w.in + w.origin(at.x);
            std::uint64_t* target = out + to_size(y * w.kernel) * n;
            if (w.dilation == 1) {
                std::memcpy(target + to_size(xs.begin) * n, image + to_size(row + xs.begin) * n,
                            to_size(xs.size()) * n * 8);
                continue;
            }
            for (std::int64_t x = xs.begin; x < xs.end; ++x)
                std::memcpy(target + to_size(x) * n, image + to_size(row + x * w.dilation) * n, n * 8);
        }
    }

    Window window_;
    std::size_t channels_, groups_, group_channels_;
};

}  // namespace sbn
