// Runs networks through signbit.h and compares with outputs that somebody else computed:
//
//     check_outputs FOLDER COUNT
//
// FOLDER holds 0.sbn, 0.input, 0.expected and so on up to COUNT - 1, images and outputs as raw floats. Every tier that
// this CPU runs, with 1, 2 and 3 threads, has to give each number exactly. Prints what it compared; exits with 1 at the
// first difference.
#include <signbit.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace {

std::vector<float> read(const std::string& path) {
    std::ifstream stream(path, std::ios::binary | std::ios::ate);
    std::vector<float> floats(stream ? static_cast<std::size_t>(stream.tellg()) / sizeof(float) : 0);
    stream.seekg(0);
    stream.read(reinterpret_cast<char*>(floats.data()), static_cast<std::streamsize>(floats.size() * sizeof(float)));
    if (stream && !floats.empty()) return floats;
    std::printf("cannot read %s\n", path.c_str());
    std::exit(1);
}

std::size_t elements(signbit_shape shape) {
    return shape.channels * shape.height * shape.width;
}

void check(const std::string& path, const char* isa, int threads) {
    const std::vector<float> input = read(path + ".input"), expected = read(path + ".expected");
    const auto fail = [&](const char* what) {
        std::printf("%s on %s with %d threads: %s\n", path.c_str(), isa, threads, what);
        std::exit(1);
    };
    signbit_session* session = nullptr;
    if (signbit_open((path + ".sbn").c_str(), isa, threads, &session) != SIGNBIT_OK) fail(signbit_last_error());
    const std::size_t batch = input.size() / elements(signbit_input_shape(session));
    std::vector<float> output(batch * elements(signbit_output_shape(session)));
    if (output.size() != expected.size()) fail("another number of outputs");
    if (signbit_run(session, batch, input.data(), input.size(), output.data(), output.size()) != SIGNBIT_OK)
        fail(signbit_last_error());
    for (std::size_t i = 0; i < output.size(); ++i)
        if (output[i] != expected[i]) fail(("output " + std::to_string(i) + " differs").c_str());
    signbit_close(session);
}

}  // namespace

int main(int argc, char** argv) {
    const int count = argc == 3 ? std::atoi(argv[2]) : 0;
    if (count < 1) {
        std::fprintf(stderr, "usage: check_outputs FOLDER COUNT\n");
        return 2;
    }
    std::size_t tiers = 0;
    for (const char* isa; (isa = signbit_isa(tiers)) != nullptr; ++tiers) {
        for (int i = 0; i < count; ++i)
            for (const int threads : {1, 2, 3}) check(std::string(argv[1]) + "/" + std::to_string(i), isa, threads);
        std::printf("%s: %d networks\n", isa, count);
    }
    return tiers == 0;
}
