// Which nodes run as one step: a node whose output comes in blocks of pixels, and those after it that look at one pixel
// at a time. A block then stays in cache until all of them have seen it, and what only the next one reads is never
// written to memory. What is computed, and in which order of roundings, stays the same.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "graph/operation.h"

namespace sbn {

inline constexpr std::size_t kMaxOperands = 16;  // inputs, or outputs, of a group

struct Group {
    std::vector<std::size_t> nodes;      // in the order of the graph; each but the first reads the output before it
    std::vector<std::uint32_t> inputs;   // those of the first node, then the second operands of the others
    std::vector<std::uint32_t> outputs;  // values that someone outside the group reads
};

// All nodes, each in one group; groups stand in an order in which they can run.
std::vector<Group> fuse(const Graph& graph);

// Whether `output` may be written to the memory of `input`, which nobody reads after the group.
bool may_overwrite(const Graph& graph, const Group& group, std::uint32_t input, std::uint32_t output);

struct BuildContext {
    const Graph& graph;
    const Tier& tier;
    Budget& budget;
};

std::unique_ptr<Operation> make_group(const Group& group, const BuildContext& context);

}  // namespace sbn
