// A .sbn file as a graph in memory. docs/format.md is the contract; everything it demands is checked here and in
// check_nodes.cpp, before anything is computed. Metadata is the business of those who read it.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/alphabet.h"

namespace sbn {

inline constexpr std::uint32_t kFormatVersion = 2;  // the latest

enum class DType : std::uint8_t { F32 = 1, I32 = 2, Bits = 3 };

enum class Op : std::uint16_t {
    Conv2d = 1,
    BinaryConv2d = 2,
    Affine = 3,
    Threshold = 4,
    MaxPool2d = 5,
    AvgPool2d = 6,
    Add = 7,
    Clamp = 8,
    Prelu = 9,
    Flatten = 10,
    Subsample = 11,
    PadChannels = 12,
    Sigmoid = 13,
    LayerNorm = 14,
    Mul = 15,
};
inline constexpr std::size_t kOpCount = 15;

struct Value {
    DType dtype;
    Alphabet alphabet;
    std::size_t h, w, c;

    std::size_t pixels() const { return h * w; }
    std::size_t elements() const { return h * w * c; }
    std::size_t pixel_bytes() const;  // in memory: bits take whole words
};

struct Blob {
    DType dtype;
    std::size_t rank;
    std::array<std::size_t, 4> shape;  // unused dimensions are 0
    std::span<const std::uint8_t> data;
    std::uint64_t offset;  // of its record

    std::size_t rows() const { return rank == 1 ? 1 : shape[0]; }
    std::size_t row_elements() const;
    std::size_t row_octets() const { return (row_elements() + 7) / 8; }  // of bits

    template <class T>
    std::vector<T> copy() const;  // of f32 or i32
    bool bit(std::size_t row, std::size_t i) const { return (data[row * row_octets() + i / 8] >> (i % 8)) & 1; }
    // One row of bits as words, padding bits zero.
    std::vector<std::uint64_t> row_words(std::size_t row) const;
};

struct Node {
    Op op;
    std::size_t input_count;
    std::array<std::uint32_t, 2> inputs;
    std::uint32_t output;
    std::array<const Blob*, 4> blobs;  // null = absent
    std::array<std::int32_t, 16> attributes;
    std::array<float, 2> scalars;
    std::string_view name;  // in the file, like the data of blobs
    std::uint64_t offset;   // of its record
};

struct Graph {
    std::vector<Value> values;
    std::vector<Blob> blobs;  // their data are in the file
    std::vector<Node> nodes;
    std::uint32_t input, output;

    const Value& in(const Node& node, std::size_t i = 0) const { return values[node.inputs[i]]; }
    const Value& out(const Node& node) const { return values[node.output]; }
};

// Where the record of value i starts.
constexpr std::uint64_t value_offset(std::uint64_t i) {
    return 64 + 32 * i;
}

std::string_view op_name(Op op);

// Multiplications and additions that one image costs in this node, a padded tap counting like any other.
std::uint64_t macs(const Graph& graph, const Node& node);

// Throws FormatError. The graph is valid as long as the bytes of `file` are.
Graph parse(std::span<const std::uint8_t> file);

// The rules of one node: types, shapes, attributes, weights. Throws FormatError.
void check_node(const Graph& graph, const Node& node);

}  // namespace sbn
