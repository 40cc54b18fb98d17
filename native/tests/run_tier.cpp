// What is run where instructions are counted, on one thread:
//
//     run_tier TIER FILE RUNS         opens a network and runs one image so many times
//     run_tier TIER ceiling ROUNDS    so many rounds of the tier's first way of counting; prints the products of one
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "graph/program.h"

namespace {

void run_network(const std::string& path, const std::string& tier, int runs) {
    std::ifstream stream(path, std::ios::binary);
    const std::vector<char> file{std::istreambuf_iterator<char>(stream), {}};
    sbn::Program program({reinterpret_cast<const std::uint8_t*>(file.data()), file.size()}, tier, 1);
    std::vector<float> in(program.input().elements()), out(program.output().elements());
    for (std::size_t i = 0; i < in.size(); ++i) in[i] = static_cast<float>(i % 7) - 3.0f;
    for (int run = 0; run < runs; ++run) program.run(in.data(), 1, out.data());
}

void run_ceiling(const std::string& tier, int rounds) {
    const sbn::Ceiling& ceiling = sbn::select_tier(tier).ceilings.front();
    ceiling.run(static_cast<std::size_t>(rounds));
    std::printf("%zu\n", ceiling.rows * ceiling.lanes * ceiling.bits);
}

}  // namespace

int main(int argc, char** argv) {
    const int times = argc == 4 ? std::atoi(argv[3]) : 0;
    if (times < 1) {
        std::fprintf(stderr, "usage: run_tier TIER FILE RUNS, or run_tier TIER ceiling ROUNDS\n");
        return 2;
    }
    try {
        if (std::string(argv[2]) == "ceiling")
            run_ceiling(argv[1], times);
        else
            run_network(argv[2], argv[1], times);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
    return 0;
}
