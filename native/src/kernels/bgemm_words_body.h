// What the bgemm kernels share that count by word: the layout of panels and the way through rows and columns. Word k of
// lane c of a panel stands at position k * kLanes + c.
//
// The file that includes it defines kLanes, kTileRows, kTilePanels and
//     tile<rows, panels>(a, a_stride, w, k_words, out, out_stride, used)    the first `used` (1 ..) columns of a tile
#include <cstddef>
#include <cstdint>

namespace sbn {
namespace {

constexpr std::size_t kRowPanels = 4;  // of a single row, see bgemm.h
constexpr std::size_t kMaxWords = std::size_t{1} << 20;

std::size_t panel_bytes(std::size_t k_words) {
    return k_words * kLanes * sizeof(std::uint32_t);
}

void pack(const std::uint32_t* filter, std::size_t k_words, std::size_t lane, std::byte* panel) {
    auto* words = reinterpret_cast<std::uint32_t*>(panel);
    for (std::size_t k = 0; k < k_words; ++k) words[k * kLanes + lane] = filter[k];
}

template <std::size_t kPanels>
inline void panel_column(const std::uint32_t* a, std::size_t a_stride, std::size_t m, const std::uint32_t* w,
                         std::size_t k_words, std::int32_t* out, std::size_t out_stride, std::size_t used) {
    std::size_t row = 0;
    for (; row + kTileRows <= m; row += kTileRows)
        tile<kTileRows, kPanels>(a + row * a_stride, a_stride, w, k_words, out + row * out_stride, out_stride, used);
    for (; row < m; ++row)
        tile<1, kPanels>(a + row * a_stride, a_stride, w, k_words, out + row * out_stride, out_stride, used);
}

// From a column on, as many whole groups of panels as there are; the column behind them.
template <std::size_t kPanels>
inline std::size_t columns(std::size_t column, const std::uint32_t* a, std::size_t a_stride, std::size_t m,
                           const std::uint32_t* w, std::size_t n, std::size_t k_words, std::int32_t* counts,
                           std::size_t counts_stride) {
    for (; column + (kPanels - 1) * kLanes < n; column += kPanels * kLanes)
        panel_column<kPanels>(a, a_stride, m, w + column * k_words, k_words, counts + column, counts_stride,
                              n - column);
    return column;
}

void run(const std::uint32_t* a, std::size_t a_stride, std::size_t m, const std::byte* panels, std::size_t n,
         std::size_t k_words, std::int32_t* counts, std::size_t counts_stride) {
    const auto* w = reinterpret_cast<const std::uint32_t*>(panels);
    std::size_t column = 0;
    if (m == 1) column = columns<kRowPanels>(column, a, a_stride, m, w, n, k_words, counts, counts_stride);
    column = columns<kTilePanels>(column, a, a_stride, m, w, n, k_words, counts, counts_stride);
    columns<1>(column, a, a_stride, m, w, n, k_words, counts, counts_stride);
}

}  // namespace
}  // namespace sbn
