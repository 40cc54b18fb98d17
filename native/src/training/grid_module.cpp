// signbit.transforms._grid: grids and rounding noise for float32 on a CPU. The transforms are their face.
#include <nanobind/stl/optional.h>

#include "training/arrays.h"
#include "training/grid.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace sbn {
namespace {

void put_on_grid(const Floats& x, const std::optional<Floats>& noise, const Floats& y, const Floats& low,
                 const Floats& scale, float levels, int threads) {
    const std::size_t rows = low.size();
    if (rows == 0 || scale.size() != rows || x.size() % rows != 0 || y.size() != x.size() ||
        (noise && noise->size() != x.size()))
        throw nb::value_error("x, noise and y have one size, a multiple of the rows that low and scale have");
    if (!(levels >= 1.0f && levels < 4194304.0f)) throw nb::value_error("levels are at least 1 and below 2^22");
    const std::size_t columns = x.size() / rows;
    const float* const offsets = noise ? noise->data() : nullptr;
    in_shares(x.size(), threads, [&](std::size_t at, std::size_t n) {
        for (const std::size_t end = at + n; at < end;) {
            const std::size_t row = at / columns, part = std::min(end, (row + 1) * columns) - at;
            on_grid(x.data() + at, offsets ? offsets + at : nullptr, y.data() + at, part, low.data()[row],
                    scale.data()[row], levels);
            at += part;
        }
    });
}

void draw_rounding_noise(const Floats& y, std::uint64_t key, int threads) {
    in_shares(y.size(), threads, [&](std::size_t at, std::size_t n) {
        // A share takes the blocks that begin in it: the numbers do not depend on the shares.
        const auto next_block = [&](std::size_t i) { return (i + kNoiseBlock - 1) / kNoiseBlock; };
        const std::size_t block = next_block(at), begin = block * kNoiseBlock;
        const std::size_t end = std::min(next_block(at + n) * kNoiseBlock, y.size());
        if (begin < end) rounding_noise(y.data() + begin, end - begin, block, key);
    });
}

NB_MODULE(_grid, m) {
    m.def("on_grid", put_on_grid, "x"_a, "noise"_a.none(), "y"_a, "low"_a, "scale"_a, "levels"_a, "threads"_a = 1);
    m.def("rounding_noise", draw_rounding_noise, "y"_a, "key"_a, "threads"_a = 1);
}

}  // namespace
}  // namespace sbn
