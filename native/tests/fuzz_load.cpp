// Files through the loader and executor on every tier, as they are and then mutated, to be built with sanitizers.
//
//     fuzz_load SECONDS SEED FILE...
//
// The fuzzer for compilers without libFuzzer: blind, but a failure repeats with the same arguments. Prints how many
// files were tried, loaded and run; each original counts once for every tier.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "fuzz/mutator.h"
#include "fuzz/try_file.h"

int main(int argc, char** argv) {
    using namespace sbn::fuzz;
    using Clock = std::chrono::steady_clock;
    if (argc < 4) {
        std::fprintf(stderr, "usage: fuzz_load SECONDS SEED FILE...\n");
        return 2;
    }
    std::size_t tried = 0, loaded = 0, run = 0;
    const auto count = [&](Outcome outcome) {
        ++tried;
        loaded += outcome != Outcome::Refused;
        run += outcome == Outcome::Run;
    };
    std::vector<Bytes> originals;
    for (int i = 3; i < argc; ++i) {
        std::ifstream stream(argv[i], std::ios::binary);
        originals.emplace_back(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>());
        for (std::size_t tier = 0; tier < tier_count(); ++tier) count(try_file(originals.back(), tier));
    }
    Mutator mutator(std::strtoull(argv[2], nullptr, 10));
    const auto end = Clock::now() + std::chrono::duration<double>(std::strtod(argv[1], nullptr));
    while (Clock::now() < end) {
        Bytes file = originals[tried % originals.size()];
        for (std::size_t changes = 1 + mutator.below(4); changes > 0; --changes) mutator.change(file);
        if (mutator.below(20) > 0) repair(file);
        count(try_file(file, tried % tier_count()));
    }
    std::printf("tried %zu loaded %zu run %zu\n", tried, loaded, run);
    return 0;
}
