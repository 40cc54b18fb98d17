// The panel layout of the bgemm kernels that count by word: word k of lane c stands at position k * kLanes + c.
// The file that includes it defines kLanes.
#include <cstddef>
#include <cstdint>

namespace sbn {
namespace {

constexpr std::size_t kMaxWords = std::size_t{1} << 20;

std::size_t panel_bytes(std::size_t k_words) {
    return k_words * kLanes * sizeof(std::uint32_t);
}

void pack(const std::uint32_t* filter, std::size_t k_words, std::size_t lane, std::byte* panel) {
    auto* words = reinterpret_cast<std::uint32_t*>(panel);
    for (std::size_t k = 0; k < k_words; ++k) words[k * kLanes + lane] = filter[k];
}

}  // namespace
}  // namespace sbn
