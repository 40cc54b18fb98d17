// Every kernel against a count bit by bit, over sizes around its tile and word, with guarded buffers.
// Prints what it ran; exits with 1 at the first difference. Kernels that this CPU cannot run are named, not run.
#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "kernels/tiers.h"
#include "products.h"

namespace {

template <class T>
using PackRun = void (*)(const T*, std::size_t, std::size_t, const T*, const std::uint32_t*, std::uint64_t*);

template <class T>
void threshold_pack(const char* name, PackRun<T> run, const std::vector<T>& specials, std::uint32_t falling) {
    for (std::size_t c = 1; c < 200; c += c % 64 == 0 ? 1 : 1 + g_random() % 9)
        for (const std::size_t m : {1u, 3u}) {
            std::vector<T> x(m * c), t(c), mapped(c);
            std::vector<std::uint32_t> flip(c);
            const auto draw = [&] { return specials[g_random() % specials.size()]; };
            for (auto& value : x) value = draw();
            for (std::size_t i = 0; i < c; ++i) {
                do t[i] = draw();
                while (t[i] != t[i]);  // thresholds are never NaN
                flip[i] = g_random() % 2 ? falling : 0u;
                std::uint32_t pattern;
                std::memcpy(&pattern, &t[i], 4);
                pattern ^= flip[i];
                std::memcpy(&mapped[i], &pattern, 4);
            }
            const std::size_t words = (c + 63) / 64;
            std::vector<std::uint64_t> bits(m * words + 1, 0x5555);
            run(x.data(), m, c, mapped.data(), flip.data(), bits.data());
            require(bits.back() == 0x5555, name, "wrote outside", m, c, 0);
            for (std::size_t row = 0; row < m; ++row)
                for (std::size_t i = 0; i < words * 64; ++i) {
                    const bool expected = i < c && (flip[i] ? x[row * c + i] <= t[i] : x[row * c + i] >= t[i]);
                    require((bits[row * words + i / 64] >> (i % 64) & 1) == expected, name, "wrong bit", m, c, i);
                }
        }
    std::printf("%s: ok\n", name);
}

void threshold_pack(const char* name, const sbn::ThresholdPackKernel& kernel) {
    using Float = std::numeric_limits<float>;
    using Int = std::numeric_limits<std::int32_t>;
    threshold_pack<float>(name, kernel.f32,
                          {0.0f, -0.0f, 1.0f, -1.0f, 0.5f, Float::infinity(), -Float::infinity(), Float::quiet_NaN(),
                           Float::denorm_min(), -Float::denorm_min(), Float::max(), Float::lowest()},
                          0x80000000u);
    threshold_pack<std::int32_t>(
        name, kernel.i32, {0, 1, -1, 2, -2, 100, Int::max(), Int::min(), Int::max() - 1, Int::min() + 1}, 0xFFFFFFFFu);
}

// Bit for bit, in place and not, specials and tails included.
void pointwise(const char* name, const sbn::PointwiseKernel& kernel) {
    using Limits = std::numeric_limits<float>;
    const std::vector<float> specials = {
        0.0f, -0.0f, 1.0f, -1.0f, 0.3f, -2.7f, Limits::infinity(), -Limits::infinity(), 1e-45f, 3e38f, -3e38f, 7.25f};
    const auto draw = [&] { return specials[g_random() % specials.size()]; };
    const auto same = [](float a, float b) { return std::memcmp(&a, &b, sizeof a) == 0 || (a != a && b != b); };
    for (std::size_t c = 1; c < 80; ++c) {
        const std::size_t m = 3, n = m * c;
        std::vector<float> x(n), other(n), scale(c), shift(c), y(n + 1, kGuard);
        std::vector<std::int32_t> counts(n), base(n);
        for (std::size_t i = 0; i < n; ++i) {
            x[i] = draw(), other[i] = draw();
            counts[i] = static_cast<std::int32_t>(g_random() % 100001) - 50000, base[i] = counts[i] / 3;
        }
        for (std::size_t i = 0; i < c; ++i) scale[i] = draw(), shift[i] = draw();
        const auto check = [&](const char* what, auto&& expected) {
            for (std::size_t i = 0; i < n; ++i) require(same(y[i], expected(i)), name, what, m, c, i);
            require(y[n] == kGuard, name, "wrote outside", m, c, n);
        };
        const auto affine = [&](std::size_t i, float v) {
            volatile float product = scale[i % c] * v;  // rounded before the sum
            return product + shift[i % c];
        };
        kernel.affine_f32(x.data(), m, c, scale.data(), shift.data(), y.data());
        check("wrong affine_f32", [&](std::size_t i) { return affine(i, x[i]); });
        std::copy(counts.begin(), counts.end(), reinterpret_cast<std::int32_t*>(y.data()));
        kernel.affine_i32(reinterpret_cast<const std::int32_t*>(y.data()), m, c, scale.data(), shift.data(), y.data());
        check("wrong affine_i32", [&](std::size_t i) { return affine(i, static_cast<float>(counts[i])); });
        kernel.prelu(x.data(), m, c, scale.data(), y.data());
        check("wrong prelu", [&](std::size_t i) { return x[i] >= 0.0f ? x[i] : scale[i % c] * x[i]; });
        kernel.add(x.data(), other.data(), n, y.data());
        check("wrong add", [&](std::size_t i) { return x[i] + other[i]; });
        kernel.mul(x.data(), other.data(), n, y.data());
        check("wrong mul", [&](std::size_t i) { return x[i] * other[i]; });
        kernel.clamp(x.data(), n, -1.0f, 0.5f, y.data());
        check("wrong clamp", [&](std::size_t i) { return std::min(std::max(x[i], -1.0f), 0.5f); });
        for (const std::size_t rows : {1, 2, 5}) {
            const std::size_t columns = 3, step = (columns + 1) * c;
            std::vector<float> image(rows * step, kGuard), best(c + 1, kGuard), mean = best;
            for (std::size_t i = 0; i < image.size(); ++i)
                if (i % step < columns * c) image[i] = draw();
            kernel.maximum(image.data(), rows, step, columns, c, best.data());
            kernel.mean(image.data(), rows, step, columns, c, 7.0f, mean.data());
            for (std::size_t i = 0; i < c; ++i) {
                float most = image[i], sum = image[i];
                for (std::size_t pixel = 1; pixel < rows * columns; ++pixel) {
                    const float v = image[pixel / columns * step + pixel % columns * c + i];
                    most = std::max(most, v), sum += v;
                }
                require(same(best[i], most), name, "wrong maximum", rows, c, i);
                require(same(mean[i], sum / 7.0f), name, "wrong mean", rows, c, i);
            }
            require(best[c] == kGuard && mean[c] == kGuard, name, "wrote outside", rows, c, c);
        }
        for (const int by : {0, 1}) {
            const std::size_t stride = c + 2;
            std::vector<std::int32_t> z(m * stride, kGuard);
            for (std::size_t i = 0; i < n; ++i) z[i / c * stride + i % c] = counts[i];
            std::vector<std::int32_t> affines = z;
            kernel.subtract_from(base.data(), by, m, c, z.data(), stride);
            kernel.affine_of_counts(base.data(), by, scale.data(), shift.data(), m, c, affines.data(), stride);
            for (std::size_t i = 0; i < m * stride; ++i) {
                const std::size_t row = i / stride, channel = i % stride;
                if (channel >= c) {
                    require(z[i] == kGuard && affines[i] == kGuard, name, "wrote outside", m, c, i);
                    continue;
                }
                const std::int32_t product = base[channel] - counts[row * c + channel] * (1 << by);
                require(z[i] == product, name, "wrong subtract_from", m, c, i);
                require(same(std::bit_cast<float>(affines[i]), affine(channel, static_cast<float>(product))), name,
                        "wrong affine_of_counts", m, c, i);
            }
        }
    }
    std::printf("%s: ok\n", name);
}

// What a ceiling counts is what it says it counts, in every round.
void ceiling(const char* name, const sbn::Ceiling& ceiling) {
    const auto bit = [](std::size_t row, bool weights, std::size_t i) {
        return sbn::ceiling_word(row, weights, i / 32) >> i % 32 & 1u;
    };
    std::uint64_t differing = 0;
    for (std::size_t row = 0; row < ceiling.rows; ++row)
        for (std::size_t lane = 0; lane < ceiling.lanes; ++lane)
            for (std::size_t i = 0; i < ceiling.bits; ++i) differing += bit(row, false, i) ^ bit(lane, true, i);
    for (const std::size_t rounds : {1u, 2u, 5u})
        require(ceiling.run(rounds) == rounds * differing, name, ceiling.way, ceiling.rows, ceiling.lanes, rounds);
    std::printf("%s: %s: ok\n", name, ceiling.way);
}

// True for the first tier that brings this implementation.
bool fresh(const void* kernel) {
    static std::set<const void*> seen;
    return seen.insert(kernel).second;
}

}  // namespace

int main() {
    for (const sbn::Tier& tier : sbn::tiers()) {
        require(!tier.ceilings.empty(), tier.name.data(), "no ceiling", 0, 0, 0);
        if (!tier.usable()) {
            std::printf("not run: %s\n", tier.name.data());
            continue;
        }
        const auto name = [&](const char* family) { return std::string(tier.name) + " " + family; };
        for (const sbn::BgemmKernel* kernel : tier.bgemm)
            if (fresh(kernel)) bgemm(name("bgemm").c_str(), *kernel);
        if (tier.tapgemm != nullptr && fresh(tier.tapgemm)) tapgemm(name("tapgemm").c_str(), *tier.tapgemm);
        for (const sbn::Ceiling& each : tier.ceilings) ceiling(name("ceiling").c_str(), each);
        if (fresh(&tier.threshold_pack)) threshold_pack(name("threshold_pack").c_str(), tier.threshold_pack);
        if (fresh(&tier.sgemm)) sgemm(name("sgemm").c_str(), tier.sgemm);
        if (fresh(&tier.pointwise)) pointwise(name("pointwise").c_str(), tier.pointwise);
    }
    return 0;
}
