// Changes to .sbn files that know where the fields are, drawn from a seed.
#pragma once
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace sbn::fuzz {

using Bytes = std::vector<std::uint8_t>;

// Sets size and checksum right, else nothing but they would be tested.
void repair(Bytes& file);

class Mutator final {
  public:
    explicit Mutator(std::uint64_t seed) : random_(seed) {}

    // One change. Leaves files without a whole header alone.
    void change(Bytes& file);

    std::size_t below(std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random_); }

  private:
    std::size_t place(const Bytes& file);
    void grow(Bytes& file);

    std::mt19937_64 random_;
};

}  // namespace sbn::fuzz
