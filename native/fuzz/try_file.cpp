#include "fuzz/try_file.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <vector>

#include "base/errors.h"
#include "graph/program.h"

namespace sbn::fuzz {
namespace {

constexpr std::size_t kImages = 2, kMemory = std::size_t{4} << 20;
constexpr double kSteps = 4e6;

// Elementary steps of one image, roughly.
double steps(const Graph& graph) {
    double sum = 0;
    for (const Node& node : graph.nodes) {
        double each = 1;
        if (node.op == Op::Conv2d || node.op == Op::BinaryConv2d)
            each = static_cast<double>(node.blobs[0]->row_elements());
        if (node.op == Op::MaxPool2d || node.op == Op::AvgPool2d)
            each = static_cast<double>(node.attributes[0]) * node.attributes[1];
        sum += each * static_cast<double>(graph.out(node).elements());
    }
    return sum;
}

[[noreturn]] void broken(const char* promise, const char* detail = "") {
    std::fprintf(stderr, "broken promise: %s %s\n", promise, detail);
    std::abort();
}

void run(Program& program) {
    std::vector<float> in(kImages * program.input().elements());
    for (std::size_t i = 0; i < in.size(); ++i) in[i] = static_cast<float>(i % 7) - 3.0f;
    std::vector<float> out(kImages * program.output().elements()), again(out.size());
    program.run(in.data(), kImages, out.data());
    program.run(in.data(), kImages, again.data());
    if (std::memcmp(out.data(), again.data(), out.size() * sizeof(float)) != 0) broken("a run repeats");
}

}  // namespace

std::size_t tier_count() {
    return tiers().size();
}

Outcome try_file(std::span<const std::uint8_t> file, std::size_t tier) {
    // A copy of exactly that size on the heap, gone before the run: whatever still looks at it is noticed.
    auto copy = std::make_unique<std::uint8_t[]>(file.size());
    std::copy(file.begin(), file.end(), copy.get());
    const std::span<const std::uint8_t> bytes(copy.get(), file.size());
    const Tier& wanted = tiers()[tier];
    const auto isa = wanted.usable() ? std::optional(std::string(wanted.name)) : std::nullopt;
    try {
        Program program(bytes, isa, 1);
        const bool small = program.memory_bytes() <= kMemory && steps(parse(bytes)) <= kSteps;
        copy.reset();
        if (!small) return Outcome::Loaded;
        run(program);
        return Outcome::Run;
    } catch (const FormatError& error) {
        if (error.offset > file.size()) broken("an error points into the file:", error.what());
        return Outcome::Refused;
    }
}

}  // namespace sbn::fuzz
