#include "graph/fuse.h"

#include <algorithm>
#include <optional>

namespace sbn {
namespace {

constexpr std::size_t kNone = ~std::size_t{0};

// Fewer pixels are shared out by filters; such layers run as they are.
constexpr std::size_t kMinPixels = 32;

bool makes_blocks(const Graph& graph, const Node& node) {
    return node.op != Op::Flatten && node.op != Op::Subsample && node.op != Op::PadChannels &&
           graph.out(node).pixels() >= kMinPixels;
}

bool sees_one_pixel(Op op) {
    return op == Op::Affine || op == Op::Threshold || op == Op::Add || op == Op::Clamp || op == Op::Prelu ||
           op == Op::Sigmoid || op == Op::LayerNorm || op == Op::Mul;
}

bool same_extent(const Graph& graph, std::uint32_t a, std::uint32_t b) {
    return graph.values[a].pixels() == graph.values[b].pixels();
}

// A group runs at the place of one of its nodes: that of the first, or of a later one where an operand has to be waited
// for. It may only wait as long as nobody else has read from it.
class Fuser final {
  public:
    explicit Fuser(const Graph& graph) : graph_(graph), owner_(graph.values.size(), kNone) {}

    std::vector<Group> run() {
        for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
            const Node& node = graph_.nodes[i];
            std::size_t group = join(node, i);
            if (group == kNone) {
                group = groups_.size();
                groups_.push_back({{}, i});
                for (std::size_t j = 0; j < node.input_count; ++j) read(node.inputs[j], group);
            }
            groups_[group].group.nodes.push_back(i);
            groups_[group].tail = node.output;
            owner_[node.output] = group;
        }
        keep_outputs();
        std::sort(groups_.begin(), groups_.end(), [](const Draft& a, const Draft& b) { return a.at < b.at; });
        std::vector<Group> done;
        for (Draft& draft : groups_) done.push_back(std::move(draft.group));
        return done;
    }

  private:
    struct Draft {
        Group group;
        std::size_t at;  // index of the node at whose place the group runs
        std::uint32_t tail = 0;
        bool waits = true;  // nobody has read from it, so it can still be moved
    };

    void read(std::uint32_t value, std::size_t reader) {
        groups_[reader].group.inputs.push_back(value);
        if (owner_[value] != kNone) groups_[owner_[value]].waits = false;
    }

    // The group that node i has become the last one of, if there is one to join.
    std::size_t join(const Node& node, std::size_t i) {
        if (!sees_one_pixel(node.op)) return kNone;
        const bool two = node.input_count == 2;
        if (two && node.inputs[0] == node.inputs[1]) return kNone;
        std::size_t best = kNone;
        std::uint32_t best_other = 0;
        bool best_moves = true;
        for (std::size_t slot = 0; slot < node.input_count; ++slot) {
            if (slot == 1 && !same_extent(graph_, node.inputs[0], node.inputs[1])) continue;
            const std::size_t group = owner_[node.inputs[slot]];
            const std::uint32_t other = node.inputs[two ? 1 - slot : slot];
            if (group == kNone || (two && owner_[other] == group)) continue;
            const Draft& draft = groups_[group];
            if (draft.tail != node.inputs[slot] || !makes_blocks(graph_, graph_.nodes[draft.group.nodes[0]]) ||
                draft.group.nodes.size() + 2 > kMaxOperands)
                continue;
            const bool moves = two && owner_[other] != kNone && groups_[owner_[other]].at > draft.at;
            if (moves && !draft.waits) continue;
            if (best != kNone && (moves || !best_moves)) continue;
            best = group, best_other = other, best_moves = moves;
        }
        if (best == kNone) return kNone;
        if (best_moves) groups_[best].at = i;
        if (two) read(best_other, best);
        return best;
    }

    void keep_outputs() {
        std::vector<std::size_t> readers(graph_.values.size(), 0);
        for (const Node& node : graph_.nodes)
            for (std::size_t j = 0; j < node.input_count; ++j) ++readers[node.inputs[j]];
        ++readers[graph_.output];
        for (Draft& draft : groups_)
            for (const std::size_t i : draft.group.nodes) {
                const std::uint32_t value = graph_.nodes[i].output;
                // Inside a group a value has one reader, the next node; the last one is always kept.
                if (value == draft.tail || readers[value] > 1) draft.group.outputs.push_back(value);
            }
    }

    const Graph& graph_;
    std::vector<std::size_t> owner_;  // of a value: the group that makes it
    std::vector<Draft> groups_;
};

}  // namespace

std::vector<Group> fuse(const Graph& graph) {
    return Fuser(graph).run();
}

bool may_overwrite(const Graph& graph, const Group& group, std::uint32_t input, std::uint32_t output) {
    const Value &from = graph.values[input], &to = graph.values[output];
    if (from.elements() != to.elements() || from.dtype == DType::Bits || to.dtype == DType::Bits) return false;
    if (std::count(group.inputs.begin(), group.inputs.end(), input) > 1 && group.nodes.size() > 1) return false;
    // Pixel by pixel the input must have been read when the output is written, by a node that reads no other pixel.
    for (const std::size_t i : group.nodes) {
        const Node& node = graph.nodes[i];
        const auto* end = node.inputs.data() + node.input_count;
        if (std::find(node.inputs.data(), end, input) != end)
            return sees_one_pixel(node.op) && same_extent(graph, input, node.output);
        if (node.output == output) return false;
    }
    return false;
}

}  // namespace sbn
