// The tiers (what a user may force) and, per kernel family, which implementation each tier uses.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "kernels/bgemm.h"
#include "kernels/sgemm.h"
#include "kernels/threshold_pack.h"

namespace sbn {

struct Tier {
    std::string_view name;
    std::string_view description;
    bool (*usable)();
    // A family without an implementation of its own at this tier uses the next lower one's.
    const BgemmKernel& bgemm;
    const ThresholdPackKernel& threshold_pack;
    const SgemmKernel& sgemm;
};

// Best first; the last runs anywhere.
std::span<const Tier> tiers();

// The tier called `name`, or the best usable one if there is no name. Throws UnusableIsaError.
const Tier& select_tier(const std::optional<std::string>& name);

}  // namespace sbn
