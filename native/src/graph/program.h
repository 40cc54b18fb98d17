// A network ready to run: operations in order and a plan of where their values live.
#pragma once
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "graph/fuse.h"
#include "graph/operation.h"

namespace sbn {

class Program final {
  public:
    struct Step {
        std::string_view name;  // in names_
        std::string op;         // several, joined by +, where one step does the work of several nodes
        std::uint64_t macs;     // of one image
        double seconds = 0;
    };

    // Reads a whole .sbn file; keeps nothing of `file`. Throws FormatError, UnusableIsaError, ConfigError.
    Program(std::span<const std::uint8_t> file, const std::optional<std::string>& isa, int threads);

    const Tier& tier() const { return tier_; }
    int threads() const { return threads_; }
    const Value& input() const { return input_; }
    const Value& output() const { return output_; }
    // Memory for the values of one image.
    std::size_t memory_bytes() const { return image_bytes_; }

    // in: [n, C, H, W] of the input; out: the same of the output. Callers wait for each other.
    void run(const float* in, std::size_t n, float* out) { execute(in, n, out, nullptr); }
    // The time that each step took over all n images.
    std::vector<Step> profile(const float* in, std::size_t n);

  private:
    struct Stage {
        std::unique_ptr<Operation> operation;
        std::vector<std::size_t> inputs, outputs;  // places of values in an image's memory
        Step step;
    };

    void plan(const Graph& graph, const std::vector<Group>& groups);
    void execute(const float* in, std::size_t n, float* out, std::vector<Step>* steps);

    const Tier& tier_;
    int threads_;
    Value input_{}, output_{};
    std::size_t input_place_ = 0, output_place_ = 0;
    std::vector<std::unique_ptr<const std::string>> names_;  // each once, however many nodes have it
    std::vector<Stage> stages_;
    std::size_t image_bytes_ = 0, scratch_stride_ = 0;
    std::mutex running_;
    AlignedVector<std::byte> values_, scratch_;
};

}  // namespace sbn
