// The checks of check_kernels for the products of matrices: bgemm, sgemm, tapgemm.
#pragma once
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

#include "buffers.h"
#include "kernels/tiers.h"

namespace {

std::mt19937 g_random(20250101);
constexpr std::int32_t kGuard = -123456789;

void require(bool holds, const char* kernel, const char* what, std::size_t m, std::size_t n, std::size_t k) {
    if (holds) return;
    std::printf("%s: %s at m=%zu n=%zu k=%zu\n", kernel, what, m, n, k);
    std::exit(1);
}

void bgemm_case(const char* name, const sbn::BgemmKernel& kernel, std::size_t m, std::size_t n, std::size_t k,
                bool extreme) {
    const std::size_t a_stride = k + g_random() % 3, stride = n + g_random() % 3,
                      panels = (n + kernel.lanes - 1) / kernel.lanes;
    std::vector<std::uint32_t> a((m - 1) * a_stride + k), filters(n * k);
    std::vector<std::byte> store;
    for (auto& word : a) word = extreme ? 0xFFFFFFFFu : static_cast<std::uint32_t>(g_random());
    for (auto& word : filters) word = extreme ? 0u : static_cast<std::uint32_t>(g_random());
    const std::size_t panel = kernel.panel_bytes(k);
    std::byte* w = aligned(store, panels * panel);
    for (std::size_t c = 0; c < n; ++c)
        kernel.pack(filters.data() + c * k, k, c % kernel.lanes, w + c / kernel.lanes * panel);
    std::vector<std::int32_t> counts(m * stride + 64, kGuard);
    kernel.run(a.data(), a_stride, m, w, n, k, counts.data(), stride);
    for (std::size_t i = 0; i < counts.size(); ++i) {
        const std::size_t row = i / stride, column = i % stride;
        if (row >= m || column >= n) {
            require(counts[i] == kGuard, name, "wrote outside", m, n, k);
            continue;
        }
        std::int32_t expected = 0;
        for (std::size_t j = 0; j < k; ++j)
            for (std::uint32_t x = a[row * a_stride + j] ^ filters[column * k + j]; x != 0; x >>= 1)
                expected += static_cast<std::int32_t>(x & 1);
        require(counts[i] == expected, name, "wrong count", m, n, k);
    }
}

// Cuts at, beside and far from the counts.
void compare_case(const char* name, const sbn::BgemmKernel& kernel, std::size_t m, std::size_t n, std::size_t k) {
    const std::size_t panels = (n + kernel.lanes - 1) / kernel.lanes, words = (n + 63) / 64;
    std::vector<std::uint32_t> a(m * k), filters(n * k);
    std::vector<std::byte> store;
    for (auto& word : a) word = static_cast<std::uint32_t>(g_random());
    for (auto& word : filters) word = static_cast<std::uint32_t>(g_random());
    const std::size_t panel = kernel.panel_bytes(k);
    std::byte* w = aligned(store, panels * panel);
    for (std::size_t c = 0; c < n; ++c)
        kernel.pack(filters.data() + c * k, k, c % kernel.lanes, w + c / kernel.lanes * panel);
    std::vector<std::int32_t> counts(m * n);
    kernel.run(a.data(), k, m, w, n, k, counts.data(), n);
    std::vector<std::uint64_t> rising(words), bits(m * words + 1, 0x5555555555555555u);
    for (std::size_t c = 0; c < n; ++c) rising[c / 64] |= std::uint64_t{g_random() & 1} << c % 64;
    std::vector<std::vector<std::int16_t>> cuts(m, std::vector<std::int16_t>(panels * kernel.lanes, 32767));
    std::vector<const std::int16_t*> rows;
    for (std::size_t row = 0; row < m; ++row) {
        for (std::size_t c = 0; c < n; ++c) {
            const auto near = static_cast<std::int32_t>(g_random() % 3) + counts[row * n + c] - 1;
            const std::int32_t choices[] = {near, near, near, -1, 0, 32767};
            cuts[row][c] = static_cast<std::int16_t>(choices[g_random() % 6]);
        }
        rows.push_back(cuts[row].data());
    }
    kernel.compare(a.data(), k, m, w, n, k, rows.data(), rising.data(), bits.data());
    for (std::size_t row = 0; row < m; ++row)
        for (std::size_t c = 0; c < 64 * words; ++c) {
            const bool bit = bits[row * words + c / 64] >> c % 64 & 1;
            const bool expected = c < n && (counts[row * n + c] > cuts[row][c]) != (rising[c / 64] >> c % 64 & 1);
            require(bit == expected, name, "wrong bit", m, n, k);
        }
    require(bits.back() == 0x5555555555555555u, name, "wrote outside", m, n, k);
}

void bgemm(const char* name, const sbn::BgemmKernel& kernel) {
    int cases = 0;
    for (const std::size_t m : {1u, 2u, 3u, 4u, 5u, 9u})
        for (const std::size_t n : {1u, 7u, 8u, 9u, 15u, 16u, 17u, 31u, 33u, 48u, 49u, 63u, 64u, 65u, 130u})
            for (const std::size_t k : {1u, 2u, 5u, 30u, 31u, 32u, 62u, 63u, 95u})
                bgemm_case(name, kernel, m, n, k, false), ++cases;
    for (const std::size_t m : {16u, 17u, 35u}) bgemm_case(name, kernel, m, 65, 18, false), ++cases;
    bgemm_case(name, kernel, 5, 65, kernel.max_words < 400 ? kernel.max_words : 400, true);
    if (kernel.compare != nullptr)
        for (const std::size_t m : {1u, 2u, 5u, 16u, 35u})
            for (const std::size_t n : {1u, 31u, 32u, 33u, 63u, 64u, 65u, 96u, 97u, 128u, 130u})
                for (const std::size_t k : {1u, 18u, 36u, 63u}) compare_case(name, kernel, m, n, k), ++cases;
    std::printf("%s: %d cases\n", name, cases + 1);
}

// Small whole numbers, so that every order of adding gives the same sum.
void sgemm(const char* name, const sbn::SgemmKernel& kernel) {
    int cases = 0;
    for (const std::size_t m : {1u, 2u, 3u, 4u, 5u, 6u, 7u, 11u, 14u})
        for (const std::size_t n : {1u, 7u, 8u, 9u, 15u, 16u, 17u, 33u})
            for (const sbn::Stretched& taps : {sbn::Stretched{1, 1, 0}, {1, 2, 0}, {1, 65, 0}, {3, 9, 50}, {7, 3, 5}}) {
                // Rows of one stretch lie apart, those of several overlap.
                const std::size_t k = taps.size(), reach = (taps.stretches - 1) * taps.pitch + taps.length;
                const std::size_t a_stride = taps.stretches > 1 ? 1 + g_random() % 3 : k + g_random() % 3,
                                  stride = n + g_random() % 3,
                                  padded = (n + kernel.lanes - 1) / kernel.lanes * kernel.lanes;
                const auto draw = [] { return static_cast<float>(g_random() % 17) - 8.0f; };
                std::vector<float> a((m - 1) * a_stride + reach), filters(n * k), store, bias(padded),
                    out(m * stride + 16, kGuard);
                for (auto& x : a) x = draw();
                for (auto& x : filters) x = draw();
                for (std::size_t c = 0; c < n; ++c) bias[c] = draw();
                float* w = aligned(store, padded * k);
                for (std::size_t c = 0; c < n; ++c)
                    for (std::size_t i = 0; i < k; ++i)
                        w[(c / kernel.lanes * k + i) * kernel.lanes + c % kernel.lanes] = filters[c * k + i];
                kernel.run(a.data(), a_stride, m, w, bias.data(), n, taps, out.data(), stride);
                for (std::size_t i = 0; i < out.size(); ++i) {
                    const std::size_t row = i / stride, column = i % stride;
                    float expected = kGuard;
                    if (row < m && column < n) {
                        expected = bias[column];
                        for (std::size_t j = 0; j < k; ++j)
                            expected += a[row * a_stride + j / taps.length * taps.pitch + j % taps.length] *
                                        filters[column * k + j];
                    }
                    require(out[i] == expected, name, "wrong element", m, n, k);
                }
                ++cases;
            }
    std::printf("%s: %d cases\n", name, cases);
}

// Images of random octets whose rows overlap as in a convolution, some rows not wanted.
void tapgemm(const char* name, const sbn::TapgemmKernel& kernel) {
    int cases = 0;
    for (const std::size_t m : {1u, 15u, 16u, 17u, 48u, 63u, 64u, 65u, 100u})
        for (const std::size_t n : {1u, 15u, 16u, 17u, 40u})
            for (const std::size_t steps : {1u, 4u, 9u}) {
                const std::size_t row_bytes = 64 * (1 + g_random() % 3), reach = 64 * 20, stride = n + g_random() % 3;
                std::vector<std::int8_t> octets_store;
                std::vector<std::byte> panels_store;
                const std::size_t size = (m + 15) / 16 * 16 * row_bytes + reach;
                std::int8_t* a = aligned(octets_store, size);
                std::vector<std::uint64_t> bits(size / 64), filters(n * steps);
                for (auto& word : bits) word = std::uint64_t{g_random()} << 32 | g_random();
                for (auto& word : filters) word = std::uint64_t{g_random()} << 32 | g_random();
                const auto low = static_cast<std::int8_t>(g_random() % 2 ? -1 : 0);
                const std::uint64_t mask = ~std::uint64_t{0} >> g_random() % 64;
                kernel.expand(bits.data(), bits.size(), 1, mask, low, a);
                for (std::size_t i = 0; i < size; ++i) {
                    const int one = bits[i / 64] >> i % 64 & 1 ? 1 : low;
                    require(a[i] == (mask >> i % 64 & 1 ? one : 0), name, "wrong octet", m, n, i);
                }
                std::vector<std::size_t> offsets(steps);
                for (auto& offset : offsets) offset = g_random() % 20 * 64;
                const std::size_t panel = kernel.panel_bytes(steps);
                std::byte* w = aligned(panels_store, (n + kernel.lanes - 1) / kernel.lanes * panel);
                for (std::size_t c = 0; c < n; ++c)
                    kernel.pack(filters.data() + c * steps, steps, c % kernel.lanes, w + c / kernel.lanes * panel);
                std::vector<std::int32_t> out(m * stride + 64, kGuard);
                std::vector<std::int32_t*> rows(m);
                for (std::size_t r = 0; r < m; ++r) rows[r] = g_random() % 4 ? out.data() + r * stride : nullptr;
                kernel.run(a, row_bytes, m, offsets.data(), steps, w, n, rows.data());
                for (std::size_t i = 0; i < out.size(); ++i) {
                    const std::size_t r = i / stride, c = i % stride;
                    std::int32_t expected = kGuard;
                    if (r < m && c < n && rows[r] != nullptr) {
                        expected = 0;
                        for (std::size_t j = 0; j < 64 * steps; ++j) {
                            const int x = a[r * row_bytes + offsets[j / 64] + j % 64];
                            expected += filters[c * steps + j / 64] >> j % 64 & 1 ? x : -x;
                        }
                    }
                    require(out[i] == expected, name, "wrong sum", m, n, steps);
                }
                ++cases;
            }
    std::printf("%s: %d cases\n", name, cases);
}

}  // namespace
