// What every fuzzed file goes through: loaded, and run where that takes little time and memory.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace sbn::fuzz {

enum class Outcome { Refused, Loaded, Run };

// On the tier of that number (see sbn::tiers()), or the best one where this CPU lacks it. A broken promise (an error
// that points outside of the file, a result that one more run changes) ends the process, as the sanitizers do.
Outcome try_file(std::span<const std::uint8_t> file, std::size_t tier);

std::size_t tier_count();

}  // namespace sbn::fuzz
