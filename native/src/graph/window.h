// The geometry that convolutions and pools share.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

#include "graph/file.h"

namespace sbn {

inline std::size_t to_size(std::int64_t n) {
    return static_cast<std::size_t>(n);
}

// A half-open range of kernel positions along one axis.
struct Taps {
    std::int64_t begin, end;
    bool operator==(const Taps&) const = default;
    std::int64_t size() const { return end - begin; }
};

// One axis of a window. Positions outside [0, in) are padding.
struct Axis {
    std::int64_t in, out, kernel, stride, pad, dilation;

    std::int64_t origin(std::int64_t o) const { return o * stride - pad; }

    // The kernel positions that lie inside the image at output position o: always one contiguous range.
    Taps inside(std::int64_t o) const {
        const std::int64_t from = origin(o);
        const std::int64_t begin = from >= 0 ? 0 : (-from + dilation - 1) / dilation;
        const std::int64_t end = from >= in ? 0 : std::min(kernel, (in - from + dilation - 1) / dilation);
        return begin < end ? Taps{begin, end} : Taps{0, 0};
    }
};

struct Window {
    Axis h, w;

    std::int64_t taps() const { return h.kernel * w.kernel; }

    static Window of(const Graph& graph, const Node& node) {
        const auto& a = node.attributes;
        const Value &in = graph.in(node), &out = graph.out(node);
        const auto s = [](std::size_t n) { return static_cast<std::int64_t>(n); };
        return {{s(in.h), s(out.h), a[0], a[2], a[4], a[8]}, {s(in.w), s(out.w), a[1], a[3], a[5], a[9]}};
    }
};

// Output positions o in [first, next part's first) see the same kernel positions inside the image.
struct AxisPart {
    std::int64_t first;
    Taps inside;
};

// Both ends of the range fall as o grows (nothing is inside before the image and behind it), so there are at most
// about two parts per kernel position.
inline std::vector<AxisPart> axis_parts(const Axis& axis) {
    std::vector<AxisPart> parts;
    for (std::int64_t o = 0; o < axis.out; ++o) {
        const Taps taps = axis.inside(o);
        if (parts.empty() || parts.back().inside != taps) parts.push_back({o, taps});
        if (taps.size() < axis.kernel) continue;
        o = (axis.in - 1 + axis.pad - (axis.kernel - 1) * axis.dilation) /
            axis.stride;  // the last with all taps inside
    }
    return parts;
}

// Walks over output pixels in memory order: image, row, column.
class PixelCursor {
  public:
    PixelCursor(const Window& window, std::int64_t pixel) : out_h_(window.h.out), out_w_(window.w.out) {
        x = pixel % out_w_;
        y = pixel / out_w_ % out_h_;
        image = pixel / out_w_ / out_h_;
    }
    void next() {
        if (++x < out_w_) return;
        x = 0;
        if (++y < out_h_) return;
        y = 0;
        ++image;
    }
    std::int64_t image, y, x;

  private:
    std::int64_t out_h_, out_w_;
};

}  // namespace sbn
