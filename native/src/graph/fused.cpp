// A group of nodes as one operation: the first, or the first two at once, makes a block of pixels, the others change
// it while it is in cache.
#include <algorithm>

#include "base/parallel.h"
#include "graph/fuse.h"

namespace sbn {
namespace {

constexpr std::size_t kBlockBytes = 64 << 10;
constexpr std::size_t kMacsPerStep = 64;  // of a binary layer, which is what a step costs elsewhere

std::unique_ptr<PixelOperation> make_pixel_operation(const Build& build) {
    if (build.node.op == Op::LayerNorm) return make_layer_norm(build);
    return make_pointwise(build);
}

// Null if the node has no blocks.
std::unique_ptr<BlockOperation> make_block_operation(const Build& build) {
    switch (build.node.op) {
        case Op::Conv2d:
            return make_float_conv(build);
        case Op::BinaryConv2d:
            return make_binary_conv(build);
        case Op::MaxPool2d:
        case Op::AvgPool2d:
            return make_pool(build);
        case Op::Flatten:
        case Op::Subsample:
        case Op::PadChannels:
            return nullptr;
        default:
            return make_pixel_operation(build);
    }
}

class Fused final : public Operation {
  public:
    Fused(const Group& group, const BuildContext& context) {
        const Graph& graph = context.graph;
        const auto build = [&](std::size_t i) {
            return Build{graph, graph.nodes[group.nodes[i]], context.tier, context.budget};
        };
        head_ = make_block_operation(build(0));
        pixels_ = build(0).out().pixels();
        head_inputs_ = build(0).node.input_count;
        const bool kept = group.outputs.front() == build(0).node.output;
        const bool absorbed = !kept && build(1).node.input_count == 1 && head_->absorb(build(1));
        std::size_t widest = 0, inputs = head_inputs_, outputs = 0;
        for (std::size_t i = 0; i < group.nodes.size(); ++i) {
            const Build node = build(i);
            steps_ += node.out().elements() + macs(graph, node.node) / kMacsPerStep;
            if (i == 0 && absorbed) continue;
            Link& link = links_.emplace_back();
            if (i > (absorbed ? 1 : 0)) link.operation = make_pixel_operation(node);
            if (i > 0 && node.node.input_count == 2) link.other = inputs++;
            link.pixel_bytes = node.out().pixel_bytes();
            if (outputs < group.outputs.size() && group.outputs[outputs] == node.node.output)
                link.output = outputs++;
            else
                widest = std::max(widest, link.pixel_bytes);
        }
        const std::size_t step = head_->block_step();
        const std::size_t fitting = std::max<std::size_t>(kBlockBytes / links_[0].pixel_bytes / step, 1) * step;
        block_ = std::min(fitting, head_->block_pixels());
        buffer_bytes_ = round_up(block_ * widest, kBufferAlignment);
    }

    std::size_t scratch_bytes() const override { return buffer_bytes_ + head_->scratch_bytes(); }

    void run(const Call& call) const override {
        Call head = call;
        head.inputs = call.inputs.first(head_inputs_);
        head.scratch = call.scratch + buffer_bytes_;
        const std::size_t pixels = call.batch * pixels_;
        const std::size_t threads =
            std::min(static_cast<std::size_t>(call.threads_for(call.batch * steps_)), pixels / 8 + 1);
        parallel_for(static_cast<int>(threads), pixels, block_,
                     [&](int slot, std::size_t begin, std::size_t end) { block(call, head, slot, begin, end); });
    }

  private:
    static constexpr std::size_t kNone = ~std::size_t{0};

    struct Link {
        std::unique_ptr<PixelOperation> operation;  // null: the head
        std::size_t other = kNone;                  // which of the group's inputs is its second operand
        std::size_t output = kNone;                 // which of the group's outputs it makes
        std::size_t pixel_bytes = 0;
    };

    void block(const Call& call, const Call& head, int slot, std::size_t begin, std::size_t end) const {
        auto* buffer = call.scratch_of<std::byte>(slot);
        const std::byte* x = nullptr;
        for (const Link& link : links_) {
            std::byte* y = link.output == kNone ? buffer : call.out<std::byte>(link.output) + begin * link.pixel_bytes;
            if (link.operation == nullptr)
                head_->block(head, slot, begin, end, y);
            else
                link.operation->pixels(x, link.other == kNone ? nullptr : call.inputs[link.other], y, begin,
                                       end - begin);
            x = y;
        }
    }

    std::unique_ptr<BlockOperation> head_;
    std::vector<Link> links_;
    std::size_t pixels_ = 0, steps_ = 0, head_inputs_ = 0, block_ = 0, buffer_bytes_ = 0;
};

}  // namespace

std::unique_ptr<Operation> make_group(const Group& group, const BuildContext& context) {
    if (group.nodes.size() > 1) return std::make_unique<Fused>(group, context);
    const Build build{context.graph, context.graph.nodes[group.nodes[0]], context.tier, context.budget};
    if (auto operation = make_block_operation(build)) return operation;
    return make_reshape(build);
}

}  // namespace sbn
