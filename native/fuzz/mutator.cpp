#include "fuzz/mutator.h"

#include <algorithm>
#include <cstring>
#include <iterator>

#include "base/crc32.h"

namespace sbn::fuzz {
namespace {

constexpr std::size_t kHeader = 64, kValue = 32, kNode = 128, kBlob = 48;
constexpr std::size_t kValueCount = 24, kNodeCount = 28, kBlobCount = 32, kStringBytes = 36, kOutput = 44;

// Around every limit of the format.
constexpr std::uint32_t kInteresting[] = {
    0,          1,          2,          3,          4,          7,          8,          63,        64,       65,
    255,        256,        65535,      65536,      65537,      1u << 20,   1048577,    1u << 24,  1u << 26, 1u << 28,
    0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF, 0x7FC00000, 0xFF800000, 0x3F800000, 0x7F800000};

std::uint32_t get32(const Bytes& file, std::size_t at) {
    std::uint32_t x;
    std::memcpy(&x, file.data() + at, sizeof x);
    return x;
}

void put32(Bytes& file, std::size_t at, std::uint32_t x) {
    std::memcpy(file.data() + at, &x, sizeof x);
}

std::size_t tables_end(const Bytes& file) {
    return kHeader + kValue * get32(file, kValueCount) + kNode * get32(file, kNodeCount) +
           kBlob * get32(file, kBlobCount);
}

auto position(Bytes& file, std::size_t at) {
    return file.begin() + static_cast<std::ptrdiff_t>(at);
}

}  // namespace

void repair(Bytes& file) {
    if (file.size() < kHeader) return;
    const std::uint64_t size = file.size();
    std::memcpy(file.data() + 16, &size, sizeof size);
    put32(file, 12, 0);
    put32(file, 12, crc32(0, file.data(), file.size()));
}

// Fields matter more than weights: most changes fall before the data.
std::size_t Mutator::place(const Bytes& file) {
    const std::size_t tables = tables_end(file);
    return below(8) > 0 && tables < file.size() ? below(tables) : below(file.size());
}

// Another node like one that is there, with a value of its own for its output, which becomes the network's where it
// can.
void Mutator::grow(Bytes& file) {
    const std::size_t values = get32(file, kValueCount), nodes = get32(file, kNodeCount),
                      blobs = get32(file, kBlobCount);
    const std::size_t nodes_at = kHeader + kValue * values, blobs_at = nodes_at + kNode * nodes;
    const std::size_t strings_end = tables_end(file) + get32(file, kStringBytes);
    constexpr std::size_t kAdded = 192;  // a value, a node and padding: blobs stay aligned
    static_assert(kAdded % 64 == 0 && kAdded >= kValue + kNode);
    if (nodes == 0 || strings_end > file.size()) return;

    const std::size_t from = nodes_at + kNode * below(nodes);
    const std::size_t output = get32(file, from + 12);
    if (output >= values) return;
    Bytes node(position(file, from), position(file, from + kNode));
    put32(node, 12, static_cast<std::uint32_t>(values));
    const std::size_t value_at = kHeader + kValue * output;
    const Bytes value(position(file, value_at), position(file, value_at + kValue));
    for (std::size_t i = 0; i < blobs; ++i)
        put32(file, blobs_at + kBlob * i + 24, get32(file, blobs_at + kBlob * i + 24) + kAdded);

    file.insert(position(file, strings_end), kAdded - kValue - kNode, 0);
    file.insert(position(file, blobs_at), node.begin(), node.end());
    file.insert(position(file, nodes_at), value.begin(), value.end());
    put32(file, kValueCount, static_cast<std::uint32_t>(values + 1));
    put32(file, kNodeCount, static_cast<std::uint32_t>(nodes + 1));
    if (value[0] == 1) put32(file, kOutput, static_cast<std::uint32_t>(values));
}

void Mutator::change(Bytes& file) {
    if (file.size() < kHeader) return;
    const std::size_t at = place(file), word = std::min(at / 4 * 4, file.size() - 4);
    switch (below(9)) {
        case 0:
            file[at] ^= static_cast<std::uint8_t>(1u << below(8));
            break;
        case 1:
            file[at] = static_cast<std::uint8_t>(below(256));
            break;
        case 2:
            if (below(4) == 0) file.resize(at);
            break;
        case 3:
            file.insert(position(file, at), 1 + below(64), static_cast<std::uint8_t>(below(256)));
            break;
        case 4: {  // a record-sized piece from elsewhere
            const std::size_t n = std::min<std::size_t>(std::size_t{4} << below(6), file.size() - at),
                              from = below(file.size() - n + 1);
            std::memmove(file.data() + at, file.data() + from, n);
            break;
        }
        case 5:  // a neighbouring value
            put32(file, word, get32(file, word) + static_cast<std::uint32_t>(below(5)) - 2);
            break;
        case 6:
            grow(file);
            break;
        default:
            put32(file, word, kInteresting[below(std::size(kInteresting))]);
    }
}

}  // namespace sbn::fuzz
