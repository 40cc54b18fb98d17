// Loads mutated .sbn files and runs those that load, to be built with sanitizers.
//
//     fuzz_load SECONDS SEED FILE...
//
// Mutations are drawn from SEED, so a failure repeats with the same arguments; sizes and checksums are repaired in most
// of them, else nothing but the checksum would be tested. Prints how many files were tried, loaded and run.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <vector>

#include "base/crc32.h"
#include "base/errors.h"
#include "graph/program.h"

namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr std::size_t kRunnableBytes = std::size_t{8} << 20;

void put32(Bytes& file, std::size_t at, std::uint32_t x) {
    std::memcpy(file.data() + at, &x, sizeof x);
}

std::uint32_t get32(const Bytes& file, std::size_t at) {
    std::uint32_t x;
    std::memcpy(&x, file.data() + at, sizeof x);
    return x;
}

void repair(Bytes& file) {
    if (file.size() < 64) return;
    const std::uint64_t size = file.size();
    std::memcpy(file.data() + 16, &size, sizeof size);
    put32(file, 12, 0);
    put32(file, 12, sbn::crc32(0, file.data(), file.size()));
}

class Mutator {
  public:
    explicit Mutator(std::uint64_t seed) : random_(seed) {}

    Bytes operator()(Bytes file) {
        const std::size_t changes = 1 + below(4);
        for (std::size_t i = 0; i < changes && file.size() >= 64; ++i) change(file);
        if (below(20) > 0) repair(file);
        return file;
    }

  private:
    std::size_t below(std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random_); }

    // Fields matter more than weights: most changes fall before the data.
    std::size_t place(const Bytes& file) {
        const std::size_t tables = 64 + 32 * std::size_t{get32(file, 24)} + 128 * std::size_t{get32(file, 28)} +
                                   48 * std::size_t{get32(file, 32)};
        return below(8) > 0 && tables < file.size() ? below(tables) : below(file.size());
    }

    void change(Bytes& file) {
        constexpr std::uint32_t interesting[] = {0,
                                                 1,
                                                 2,
                                                 3,
                                                 4,
                                                 7,
                                                 8,
                                                 63,
                                                 64,
                                                 65,
                                                 255,
                                                 256,
                                                 65535,
                                                 65536,
                                                 65537,
                                                 1u << 20,
                                                 (1u << 20) + 1,
                                                 1u << 24,
                                                 1u << 26,
                                                 1u << 28,
                                                 0x7FFFFFFF,
                                                 0x80000000,
                                                 0xFFFFFFFE,
                                                 0xFFFFFFFF,
                                                 0x7FC00000,
                                                 0xFF800000};
        const std::size_t at = place(file);
        switch (below(8)) {
            case 0:
                file[at] ^= static_cast<std::uint8_t>(1u << below(8));
                break;
            case 1:
                file[at] = static_cast<std::uint8_t>(below(256));
                break;
            case 2:
                file.resize(at);
                break;
            case 3:
                file.insert(file.begin() + static_cast<std::ptrdiff_t>(at), 1 + below(64),
                            static_cast<std::uint8_t>(below(256)));
                break;
            case 4: {  // a record-sized piece from elsewhere
                const std::size_t n = std::min<std::size_t>(std::size_t{4} << below(6), file.size() - at),
                                  from = below(file.size() - n + 1);
                std::memmove(file.data() + at, file.data() + from, n);
                break;
            }
            case 5: {  // a neighbouring value
                const std::size_t word = std::min(at / 4 * 4, file.size() - 4);
                put32(file, word, get32(file, word) + static_cast<std::uint32_t>(below(5)) - 2);
                break;
            }
            default:
                put32(file, std::min(at / 4 * 4, file.size() - 4), interesting[below(std::size(interesting))]);
        }
    }

    std::mt19937_64 random_;
};

}  // namespace

int main(int argc, char** argv) {
    if (argc < 4) {
        std::fprintf(stderr, "usage: fuzz_load SECONDS SEED FILE...\n");
        return 2;
    }
    std::vector<Bytes> seeds;
    for (int i = 3; i < argc; ++i) {
        std::ifstream stream(argv[i], std::ios::binary);
        seeds.emplace_back(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>());
    }
    Mutator mutate(std::strtoull(argv[2], nullptr, 10));
    const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(std::strtod(argv[1], nullptr));
    std::size_t tried = 0, loaded = 0, run = 0;
    for (; std::chrono::steady_clock::now() < end; ++tried) {
        const Bytes original = mutate(seeds[tried % seeds.size()]);
        // A copy of exactly that size on the heap: reading past it is noticed.
        const std::unique_ptr<std::uint8_t[]> file(new std::uint8_t[original.size()]);
        std::copy(original.begin(), original.end(), file.get());
        try {
            const std::size_t tiers = sbn::tiers().size();
            const sbn::Tier& tier = sbn::tiers()[tried % tiers];
            sbn::Program program({file.get(), original.size()},
                                 tier.usable() ? std::optional(std::string(tier.name)) : std::nullopt, 1);
            ++loaded;
            if (program.memory_bytes() > kRunnableBytes) continue;
            std::vector<float> in(2 * program.input().elements(), 0.5f), out(2 * program.output().elements());
            program.run(in.data(), 2, out.data());
            ++run;
        } catch (const sbn::FormatError& error) {
            if (error.offset > original.size()) {
                std::printf("an error points past the end of the file: %s\n", error.what());
                return 1;
            }
        }
    }
    std::printf("tried %zu loaded %zu run %zu\n", tried, loaded, run);
    return 0;
}
