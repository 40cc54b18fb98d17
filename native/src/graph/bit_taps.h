// Rows of taps (im2col) of packed bits. The bits of a row are dense: kh * kw * C/groups of them, in the order of the
// weight rows in the file, and only the last word is padded. A tap outside the image puts zeros there.
#pragma once
#include <cstring>

#include "base/bits.h"
#include "graph/stretches.h"

namespace sbn {

class BitTaps final {
  public:
    BitTaps(const Window& window, std::size_t channels, std::size_t groups)
        : window_(window),
          channels_(channels),
          groups_(groups),
          group_channels_(channels / groups),
          pixel_words_(words_for(channels)),
          row_words_(words_for(to_size(window.taps()) * group_channels_)) {}

    // Rows of taps of one group for the pixels of a stretch.
    void gather(const std::uint64_t* batch, const Stretch& at, std::size_t channel, std::uint64_t* out) const {
        const std::uint64_t* image = batch + to_size(at.image * window_.h.in * window_.w.in) * pixel_words_;
        if (groups_ == 1 && channels_ % kWordBits == 0)
            copy_words(image, at, out);
        else if (pixel_words_ == 1 && groups_ == 1)
            place_words(image, at, out);
        else
            append_bits(image, at, channel, out);
    }

  private:
    // Of the pixel in the image that tap (y, x) of the stretch's first window falls on.
    std::size_t place(const Stretch& at, std::int64_t y, std::int64_t x) const {
        const Axis &h = window_.h, &w = window_.w;
        return to_size((h.origin(at.y) + y * h.dilation) * w.in + w.origin(at.x) + x * w.dilation) * pixel_words_;
    }

    // Channels fill whole words: taps are copied, neighbours at once.
    void copy_words(const std::uint64_t* image, const Stretch& at, std::uint64_t* out) const {
        const Axis &h = window_.h, &w = window_.w;
        if (at.rows.size() < h.kernel || at.columns.size() < w.kernel)
            std::memset(out, 0, at.pixels * row_words_ * sizeof *out);
        const std::int64_t step = w.dilation == 1 ? at.columns.size() : 1;
        const std::size_t words = to_size(step) * pixel_words_, stride = to_size(w.stride) * pixel_words_;
        for (std::int64_t y = at.rows.begin; y < at.rows.end; ++y)
            for (std::int64_t x = at.columns.begin; x < at.columns.end; x += step)
                copies_of(words)(image + place(at, y, x), stride, words, at.pixels,
                                 out + to_size(y * w.kernel + x) * pixel_words_, row_words_);
    }

    // n pieces of `words` words; known sizes are moves.
    using Copies = void(const std::uint64_t* from, std::size_t from_stride, std::size_t words, std::size_t n,
                        std::uint64_t* to, std::size_t to_stride);

    template <std::size_t kWords>
    static void copy_pieces(const std::uint64_t* from, std::size_t from_stride, std::size_t words, std::size_t n,
                            std::uint64_t* to, std::size_t to_stride) {
        for (; n > 0; --n, from += from_stride, to += to_stride)
            std::memcpy(to, from, (kWords > 0 ? kWords : words) * sizeof *to);
    }

    static Copies* copies_of(std::size_t words) {
        switch (words) {
            case 1:
                return copy_pieces<1>;
            case 2:
                return copy_pieces<2>;
            case 3:
                return copy_pieces<3>;
            case 6:
                return copy_pieces<6>;
            default:
                return copy_pieces<0>;
        }
    }

    // A pixel is a word, whose place in a row of taps is in one word or in two neighbours.
    void place_words(const std::uint64_t* image, const Stretch& at, std::uint64_t* out) const {
        const std::size_t stride = to_size(window_.w.stride);
        std::memset(out, 0, at.pixels * row_words_ * sizeof *out);
        for (std::int64_t y = at.rows.begin; y < at.rows.end; ++y)
            for (std::int64_t x = at.columns.begin; x < at.columns.end; ++x) {
                const std::uint64_t* from = image + place(at, y, x);
                const std::size_t bit = to_size(y * window_.w.kernel + x) * channels_, shift = bit % kWordBits;
                std::uint64_t* to = out + bit / kWordBits;
                for (std::size_t i = 0; i < at.pixels; ++i) to[i * row_words_] |= from[i * stride] << shift;
                if (shift + channels_ <= kWordBits) continue;
                for (std::size_t i = 0; i < at.pixels; ++i)
                    to[i * row_words_ + 1] |= from[i * stride] >> (kWordBits - shift);
            }
    }

    void append_bits(const std::uint64_t* image, const Stretch& at, std::size_t channel, std::uint64_t* out) const {
        const Axis &h = window_.h, &w = window_.w;
        const std::size_t step = to_size(w.dilation) * pixel_words_;
        const Taps rows = at.columns.size() > 0 ? at.rows : Taps{0, 0};  // else place() would lie before the image
        for (std::size_t i = 0; i < at.pixels; ++i, out += row_words_) {
            const std::uint64_t* first = image + i * to_size(w.stride) * pixel_words_;
            BitWriter writer(out);
            for (std::int64_t y = 0; y < h.kernel; ++y) {
                if (y < rows.begin || y >= rows.end) {
                    writer.append_zeros(to_size(w.kernel) * group_channels_);
                    continue;
                }
                writer.append_zeros(to_size(at.columns.begin) * group_channels_);
                const std::uint64_t* source = first + place(at, y, at.columns.begin);
                for (std::int64_t x = at.columns.begin; x < at.columns.end; ++x, source += step)
                    writer.append_row(source, channel, group_channels_);
                writer.append_zeros(to_size(w.kernel - at.columns.end) * group_channels_);
            }
            writer.finish();
        }
    }

    Window window_;
    std::size_t channels_, groups_, group_channels_, pixel_words_, row_words_;
};

}  // namespace sbn
