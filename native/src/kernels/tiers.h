// The tiers (what a user may force) and, per kernel family, which implementation each tier uses.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "kernels/bgemm.h"
#include "kernels/ceiling.h"
#include "kernels/pointwise.h"
#include "kernels/sgemm.h"
#include "kernels/tapgemm.h"
#include "kernels/threshold_pack.h"

namespace sbn {

struct TierName {
    std::string_view name, description;
};

struct Tier : TierName {
    bool (*usable)();
    // A family without an implementation of its own at this tier uses the next lower one's.
    std::span<const BgemmKernel* const> bgemm;  // preferred first; the last takes every shape
    const TapgemmKernel* tapgemm;               // null: none, and none lower down
    const ThresholdPackKernel& threshold_pack;
    const SgemmKernel& sgemm;
    const PointwiseKernel& pointwise;
    std::span<const Ceiling> ceilings;  // one for each way of counting that it has
};

// Best first; the last runs anywhere.
std::span<const Tier> tiers();

// Those of other platforms, best first.
std::span<const TierName> tiers_elsewhere();

// The kernel of a tier for m rows and n channels of k_words words.
const BgemmKernel& bgemm_for(const Tier& tier, std::size_t m, std::size_t n, std::size_t k_words);

// The same for m rows, n channels out and `channels` in; null if bgemm is the better way.
const TapgemmKernel* tapgemm_for(const Tier& tier, std::size_t m, std::size_t n, std::size_t channels);

// The tier called `name`, or the best usable one if there is no name. Throws UnusableIsaError.
const Tier& select_tier(const std::optional<std::string>& name);

}  // namespace sbn
