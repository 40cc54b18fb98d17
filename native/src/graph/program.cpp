#include "graph/program.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <unordered_map>

#include "base/parallel.h"

namespace sbn {
namespace {

// Images are run together as long as their values stay within this: more share the reading of weights, fewer stay in
// cache.
constexpr std::size_t kBatchBytes = std::size_t{4} << 20;
constexpr std::size_t kMaxBatch = 64;
// For the values of one image, and for what each thread works with: a file of a few bytes can ask for any amount.
constexpr std::size_t kMaxImageBytes = std::size_t{1} << 30;

int checked_threads(int threads) {
    if (threads < 1 || threads > kMaxThreads)
        throw ConfigError("threads is 1 .. " + std::to_string(kMaxThreads) + ", got " + std::to_string(threads));
    return threads;
}

// n columns of some rows, which are `step` apart, one after the other. Where the number of rows is known, of images in
// gray or colors, these are moves of vectors.
template <std::size_t kRows>
void to_columns(const float* from, std::size_t step, std::size_t rows, std::size_t n, float* to) {
    if constexpr (kRows > 0) rows = kRows;
    for (std::size_t column = 0; column < n; ++column, to += rows)
        for (std::size_t row = 0; row < rows; ++row) to[row] = from[row * step + column];
}

// [N, rows, columns] to [N, columns, rows]: NCHW to NHWC with rows = C, columns = pixels, and back with the two
// exchanged.
void transpose(const float* in, std::size_t n, std::size_t rows, std::size_t columns, float* out, int threads) {
    constexpr std::size_t kGrain = 2048;
    const auto turn = rows == 1 ? to_columns<1> : rows == 3 ? to_columns<3> : to_columns<0>;
    parallel_for(useful_threads(threads, n * rows * columns), n * columns, kGrain,
                 [&](int, std::size_t begin, std::size_t end) {
                     for (std::size_t at = begin; at < end;) {
                         const std::size_t image = at / columns, n = std::min(end, (image + 1) * columns) - at;
                         turn(in + image * rows * columns + at % columns, columns, rows, n, out + at * rows);
                         at += n;
                     }
                 });
}

// Places in the memory of one image, handed out first-fit.
class Places final {
  public:
    std::size_t take(std::size_t bytes) {
        std::size_t at = 0;
        auto next = taken_.begin();
        for (; next != taken_.end() && next->begin < at + bytes; ++next) at = next->end;
        taken_.insert(next, {at, at + bytes});
        top_ = std::max(top_, at + bytes);
        return at;
    }
    void give_back(std::size_t at) {
        taken_.erase(std::find_if(taken_.begin(), taken_.end(), [&](const Place& p) { return p.begin == at; }));
    }
    std::size_t top() const { return top_; }

  private:
    struct Place {
        std::size_t begin, end;
    };
    std::vector<Place> taken_;  // in order
    std::size_t top_ = 0;
};

}  // namespace

Program::Program(std::span<const std::uint8_t> file, const std::optional<std::string>& isa, int threads)
    : tier_(select_tier(isa)), threads_(checked_threads(threads)) {
    const Graph graph = parse(file);
    input_ = graph.values[graph.input];
    output_ = graph.values[graph.output];
    Budget budget(file.size());
    std::unordered_map<const char*, std::string_view> kept;
    const auto name = [&](const Node& node) {
        std::string_view& copy = kept[node.name.data()];
        if (copy.data() == nullptr) copy = *names_.emplace_back(std::make_unique<const std::string>(node.name));
        return copy;
    };
    const std::vector<Group> groups = fuse(graph);
    stages_.reserve(groups.size());
    for (const Group& group : groups) {
        Stage& stage = stages_.emplace_back();
        stage.operation = make_group(group, {graph, tier_, budget});
        for (const std::size_t node : group.nodes)
            stage.step.op.append(stage.step.op.empty() ? "" : "+").append(op_name(graph.nodes[node].op));
        stage.step.name = name(graph.nodes[group.nodes[0]]);
        stage.step.macs = macs(graph, graph.nodes[group.nodes[0]]);
        scratch_stride_ = std::max(scratch_stride_, stage.operation->scratch_bytes());
        if (scratch_stride_ > kMaxImageBytes)
            throw FormatError("this operation works with more than 1 GiB", graph.nodes[group.nodes[0]].offset);
    }
    scratch_stride_ = round_up(scratch_stride_, kBufferAlignment);
    plan(graph, groups);
}

// Each value has its place from the group that writes it to the last one that reads it. Sizes of one image are
// multiples of 64, so the places for a batch of B images are the same ones times B.
void Program::plan(const Graph& graph, const std::vector<Group>& groups) {
    constexpr std::size_t kForever = ~std::size_t{0};
    std::vector<std::size_t> last_use(graph.values.size(), 0), place(graph.values.size(), 0);
    for (std::size_t i = 0; i < groups.size(); ++i)
        for (const std::uint32_t v : groups[i].inputs) last_use[v] = i;
    last_use[graph.output] = kForever;

    const auto bytes = [&](std::size_t v) {
        return round_up(graph.values[v].pixels() * graph.values[v].pixel_bytes(), kBufferAlignment);
    };
    Places places;
    place[graph.input] = input_place_ = places.take(bytes(graph.input));
    for (std::size_t i = 0; i < groups.size(); ++i) {
        const Group& group = groups[i];
        std::vector<std::uint32_t> dying;
        for (const std::uint32_t v : group.inputs)
            if (last_use[v] == i && std::find(dying.begin(), dying.end(), v) == dying.end()) dying.push_back(v);
        for (const std::uint32_t out : group.outputs) {
            const auto over = std::find_if(dying.begin(), dying.end(),
                                           [&](std::uint32_t v) { return may_overwrite(graph, group, v, out); });
            if (over != dying.end()) {
                place[out] = place[*over];
                dying.erase(over);
            } else {
                place[out] = places.take(bytes(out));
                if (places.top() > kMaxImageBytes)
                    throw FormatError("the values of one image take more than 1 GiB", value_offset(out) + 4);
            }
        }
        for (const std::uint32_t v : dying) places.give_back(place[v]);
        for (const std::uint32_t v : group.inputs) stages_[i].inputs.push_back(place[v]);
        for (const std::uint32_t v : group.outputs) stages_[i].outputs.push_back(place[v]);
        for (const std::uint32_t v : group.outputs)
            if (last_use[v] == 0) places.give_back(place[v]);  // nobody reads it
    }
    output_place_ = place[graph.output];
    image_bytes_ = places.top();
}

std::vector<Program::Step> Program::profile(const float* in, std::size_t n) {
    std::vector<Step> steps;
    for (const Stage& stage : stages_) steps.push_back(stage.step);
    std::vector<float> out(n * output_.elements());
    execute(in, n, out.data(), &steps);
    return steps;
}

void Program::execute(const float* in, std::size_t n, float* out, std::vector<Step>* steps) {
    using Clock = std::chrono::steady_clock;
    const std::lock_guard alone(running_);
    const std::size_t most = std::clamp<std::size_t>(kBatchBytes / image_bytes_, 1, kMaxBatch);
    const std::size_t largest = std::min(n, most);
    if (values_.size() < largest * image_bytes_) values_.resize(largest * image_bytes_);
    scratch_.resize(static_cast<std::size_t>(threads_) * scratch_stride_);
    std::array<const void*, kMaxOperands> inputs;
    std::array<void*, kMaxOperands> outputs;
    for (std::size_t done = 0; done < n;) {
        const std::size_t batch = std::min(n - done, most);
        const auto at = [&](std::size_t place) { return values_.data() + place * batch; };
        transpose(in + done * input_.elements(), batch, input_.c, input_.pixels(),
                  reinterpret_cast<float*>(at(input_place_)), threads_);
        for (std::size_t s = 0; s < stages_.size(); ++s) {
            const Stage& stage = stages_[s];
            const auto start = Clock::now();
            std::transform(stage.inputs.begin(), stage.inputs.end(), inputs.begin(), at);
            std::transform(stage.outputs.begin(), stage.outputs.end(), outputs.begin(), at);
            stage.operation->run({batch,
                                  {inputs.data(), stage.inputs.size()},
                                  {outputs.data(), stage.outputs.size()},
                                  threads_,
                                  scratch_.data(),
                                  scratch_stride_});
            if (steps != nullptr) (*steps)[s].seconds += std::chrono::duration<double>(Clock::now() - start).count();
        }
        transpose(reinterpret_cast<const float*>(at(output_place_)), batch, output_.pixels(), output_.c,
                  out + done * output_.elements(), threads_);
        done += batch;
    }
}

}  // namespace sbn
