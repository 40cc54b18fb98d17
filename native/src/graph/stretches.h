// Output pixels in stretches: neighbours of one row whose windows have the same kernel positions inside the image. What
// depends on the border is found out once for all of them.
#pragma once
#include <algorithm>
#include <vector>

#include "graph/window.h"

namespace sbn {

struct Stretch {
    std::int64_t image, y, x;  // of its first pixel
    std::size_t pixels;
    std::size_t row_part, column_part;
    Taps rows, columns;  // kernel positions inside the image
};

class Stretches final {
  public:
    explicit Stretches(const Window& window)
        : window_(window), row_parts_(axis_parts(window.h)), column_parts_(axis_parts(window.w)) {}

    const std::vector<AxisPart>& row_parts() const { return row_parts_; }
    const std::vector<AxisPart>& column_parts() const { return column_parts_; }

    // fn(stretch) for those that make up `n` pixels of the batch's output from `pixel` on, in order.
    template <class Fn>
    void over(std::size_t pixel, std::size_t n, Fn&& fn) const {
        for (std::size_t done = 0; done < n;) {
            const PixelCursor at(window_, static_cast<std::int64_t>(pixel + done));
            const std::size_t row = part_of(row_parts_, at.y);
            std::int64_t x = at.x;
            for (std::size_t column = part_of(column_parts_, x); column < column_parts_.size() && done < n; ++column) {
                const bool last = column + 1 == column_parts_.size();
                const std::int64_t end = last ? window_.w.out : column_parts_[column + 1].first;
                const std::size_t pixels = std::min(to_size(end - x), n - done);
                fn(Stretch{at.image, at.y, x, pixels, row, column, row_parts_[row].inside,
                           column_parts_[column].inside});
                x = end;
                done += pixels;
            }
        }
    }

  private:
    static std::size_t part_of(const std::vector<AxisPart>& parts, std::int64_t position) {
        const auto after = std::upper_bound(parts.begin(), parts.end(), position,
                                            [](std::int64_t p, const AxisPart& part) { return p < part.first; });
        return to_size(after - parts.begin()) - 1;
    }

    Window window_;
    std::vector<AxisPart> row_parts_, column_parts_;
};

}  // namespace sbn
