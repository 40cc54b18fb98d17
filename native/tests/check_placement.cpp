// Kernels on buffers in unusual places, compared with themselves on usual ones (check_kernels says that those are
// right): addresses that are multiples of 4 and no more, output over input, bytes past 2 GiB.
//
//     check_placement [sparse]
//
// Far buffers take little memory: rows lie far apart in pages that nobody touches, and where every element is touched
// one small piece is mapped again and again; "sparse" leaves out the latter, which take a while in an emulator. Prints
// what it compared; exits with 1 at the first difference.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "buffers.h"
#include "kernels/tiers.h"

namespace {

std::mt19937 g_random(20251121);
void draw(float* x, std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) x[i] = static_cast<float>(g_random() % 33) / 4 - 4;
}
void draw(std::int32_t* x, std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) x[i] = static_cast<std::int32_t>(g_random() % 33) - 16;
}
void draw(std::uint32_t* x, std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) x[i] = static_cast<std::uint32_t>(g_random());
}

template <class T>
std::vector<T> drawn(std::size_t n) {
    std::vector<T> all(n);
    draw(all.data(), n);
    return all;
}

// Matrix products: `run` with near rows, with rows at odd addresses, and with rows so far apart that the last ones of
// both buffers lie past 2 GiB.
template <class A, class Out>
void product(std::size_t k, std::size_t n,
             const std::function<void(const A*, std::size_t, std::size_t, Out*, std::size_t)>& run) {
    constexpr std::size_t kApart = (std::size_t{4} << 20) / 4, kRows = 2 + kFar / (4 * kApart);
    const auto a = drawn<A>(kRows * k);
    std::vector<Out> expected(kRows * n);
    run(a.data(), k, kRows, expected.data(), n);
    Odd<A> odd_a(a);
    Odd<Out> odd_out{std::vector<Out>(kRows * n)};
    run(odd_a.data(), k, kRows, odd_out.data(), n);
    require(odd_out.equals(expected), "differs at odd addresses");
    const Reserved far_a(kRows * kApart * 4), far_out(kRows * kApart * 4);
    for (std::size_t row = 0; row < kRows; ++row)
        std::memcpy(far_a.at<A>(row * kApart), a.data() + row * k, k * sizeof(A));
    run(far_a.at<A>(), kApart, kRows, far_out.at<Out>(), kApart);
    for (std::size_t row = 0; row < kRows; ++row)
        require(std::memcmp(far_out.at<Out>(row * kApart), expected.data() + row * n, n * sizeof(Out)) == 0,
                "differs past 2 GiB");
}

void bgemm(const sbn::BgemmKernel& kernel) {
    constexpr std::size_t n = 70, k = 5;
    const auto filters = drawn<std::uint32_t>(n * k);
    const std::size_t panel = kernel.panel_bytes(k);
    std::vector<std::byte> store;
    std::byte* w = aligned(store, (n + kernel.lanes - 1) / kernel.lanes * panel);
    for (std::size_t c = 0; c < n; ++c)
        kernel.pack(filters.data() + c * k, k, c % kernel.lanes, w + c / kernel.lanes * panel);
    product<std::uint32_t, std::int32_t>(k, n, [&](auto* a, auto a_stride, auto m, auto* out, auto stride) {
        kernel.run(a, a_stride, m, w, n, k, out, stride);
    });
}

void sgemm(const sbn::SgemmKernel& kernel) {
    constexpr std::size_t n = 40, k = 7;
    const std::size_t padded = (n + kernel.lanes - 1) / kernel.lanes * kernel.lanes;
    std::vector<float> store, bias = drawn<float>(padded);
    float* w = aligned(store, padded * k);
    draw(w, padded * k);
    product<float, float>(k, n, [&](auto* a, auto a_stride, auto m, auto* out, auto stride) {
        kernel.run(a, a_stride, m, w, bias.data(), n, {1, k, 0}, out, stride);
    });
}

// Octets and steps past 2 GiB, rows of the output at odd addresses.
void tapgemm(const sbn::TapgemmKernel& kernel) {
    constexpr std::size_t n = 20, steps = 3, m = 20, row_bytes = (std::size_t{128} << 20) + 64;
    const std::size_t near[steps] = {0, 64, 128}, far[steps] = {0, kFar, kFar + 64};
    const Reserved octets(32 * row_bytes + kFar + 128);
    std::vector<std::uint64_t> filters(n * steps);
    for (auto& word : filters) word = std::uint64_t{g_random()} << 32 | g_random();
    const std::size_t panel = kernel.panel_bytes(steps);
    std::vector<std::byte> store;
    std::byte* w = aligned(store, (n + kernel.lanes - 1) / kernel.lanes * panel);
    for (std::size_t c = 0; c < n; ++c)
        kernel.pack(filters.data() + c * steps, steps, c % kernel.lanes, w + c / kernel.lanes * panel);
    std::vector<std::int8_t> near_store;
    std::int8_t* a = aligned(near_store, 32 * 192);
    for (std::size_t row = 0; row < m; ++row)
        for (std::size_t i = 0; i < 192; ++i) {
            const auto octet = static_cast<std::int8_t>(static_cast<int>(g_random() % 3) - 1);
            a[row * 192 + i] = octet;
            *octets.at<std::int8_t>(row * row_bytes + far[i / 64] + i % 64) = octet;
        }
    std::vector<std::int32_t> expected(m * n);
    Odd<std::int32_t> out{std::vector<std::int32_t>(m * n)};
    std::vector<std::int32_t*> rows(m), odd_rows(m);
    for (std::size_t row = 0; row < m; ++row)
        rows[row] = expected.data() + row * n, odd_rows[row] = out.data() + row * n;
    kernel.run(a, 192, m, near, steps, w, n, rows.data());
    kernel.run(octets.at<std::int8_t>(), row_bytes, m, far, steps, w, n, odd_rows.data());
    require(out.equals(expected), "differs past 2 GiB");
}

constexpr std::size_t kChannels = 64, kPixels = 301;
constexpr std::size_t kPiecePixels = Repeated::kPiece / 4 / kChannels, kFarPixels = kFar / 4 / kChannels;

template <class T, class Pack>
void threshold(Pack pack, std::uint32_t falling, const Repeated* x) {
    Odd<T> t{drawn<T>(kChannels)};
    Odd<std::uint32_t> flip{std::vector<std::uint32_t>(kChannels)};
    for (std::size_t c = 0; c < kChannels; c += 3) flip.data()[c] = falling;
    const auto near = drawn<T>(kPixels * kChannels);
    Odd<T> odd(near);
    std::vector<std::uint64_t> expected(kPixels), bits(kPixels);
    pack(near.data(), kPixels, kChannels, t.data(), flip.data(), expected.data());
    pack(odd.data(), kPixels, kChannels, t.data(), flip.data(), bits.data());
    require(bits == expected, "differs at odd addresses");
    if (x == nullptr) return;
    draw(x->last<T>(), kPiecePixels * kChannels);
    expected.resize(kPiecePixels);
    bits.resize(kFarPixels + kPiecePixels);
    pack(x->last<T>(), kPiecePixels, kChannels, t.data(), flip.data(), expected.data());
    pack(x->all<T>(), kFarPixels + kPiecePixels, kChannels, t.data(), flip.data(), bits.data());
    require(std::memcmp(bits.data() + kFarPixels, expected.data(), kPiecePixels * 8) == 0, "differs past 2 GiB");
}

// run(x, m, y): m rows of kChannels.
template <class X>
void elementwise(const std::function<void(const X*, std::size_t, float*)>& run, const Repeated* x, const Repeated* y) {
    const auto near = drawn<X>(kPixels * kChannels);
    const auto before = drawn<float>(kPixels * kChannels);
    std::vector<float> expected = before;
    run(near.data(), kPixels, expected.data());
    Odd<X> odd_x(near);
    Odd<float> odd_y(before);
    run(odd_x.data(), kPixels, odd_y.data());
    require(odd_y.equals(expected), "differs at odd addresses");
    run(odd_x.data(), kPixels, reinterpret_cast<float*>(odd_x.data()));
    require(std::memcmp(odd_x.data(), expected.data(), expected.size() * 4) == 0, "differs in place");
    if (x == nullptr) return;
    draw(x->all<X>(), kPiecePixels * kChannels);
    draw(x->last<X>(), kPiecePixels * kChannels);
    std::memset(y->last<float>(), 0, Repeated::kPiece);
    std::vector<float> last(kPiecePixels * kChannels);
    run(x->last<X>(), kPiecePixels, last.data());
    run(x->all<X>(), kFarPixels + kPiecePixels, y->all<float>());
    require(std::memcmp(y->last<float>(), last.data(), Repeated::kPiece) == 0, "differs past 2 GiB");
}

// run(x, rows, row_step, columns, y): a window to one pixel.
void windowed(const std::function<void(const float*, std::size_t, std::size_t, std::size_t, float*)>& run,
              const Repeated* x) {
    constexpr std::size_t half = kPixels / 2, piece = kPiecePixels * kChannels;
    const auto near = drawn<float>(2 * half * kChannels);
    std::vector<float> expected(kChannels), found(kChannels);
    run(near.data(), 2, half * kChannels, half, expected.data());
    Odd<float> odd_x(near);
    Odd<float> odd_y(found);
    run(odd_x.data(), 2, half * kChannels, half, odd_y.data());
    require(odd_y.equals(expected), "differs at odd addresses");
    if (x == nullptr) return;
    draw(x->all<float>(), piece);
    draw(x->last<float>(), piece);
    std::vector<float> both(2 * piece);
    std::copy_n(x->all<float>(), piece, both.begin());
    std::copy_n(x->last<float>(), piece, both.begin() + piece);
    run(both.data(), 2, piece, kPiecePixels, expected.data());
    run(x->all<float>(), 2, kFarPixels * kChannels, kPiecePixels, found.data());
    require(std::memcmp(found.data(), expected.data(), kChannels * 4) == 0, "differs past 2 GiB");
}

void pointwise(const sbn::PointwiseKernel& kernel, const Repeated* x, const Repeated* y) {
    constexpr std::size_t c = kChannels;
    Odd<float> scale{drawn<float>(c)}, shift{drawn<float>(c)};
    elementwise<float>([&](auto* a, auto m, auto* b) { kernel.affine_f32(a, m, c, scale.data(), shift.data(), b); }, x,
                       y);
    elementwise<std::int32_t>(
        [&](auto* a, auto m, auto* b) { kernel.affine_i32(a, m, c, scale.data(), shift.data(), b); }, x, y);
    elementwise<float>([&](auto* a, auto m, auto* b) { kernel.prelu(a, m, c, scale.data(), b); }, x, y);
    elementwise<float>([&](auto* a, auto m, auto* b) { kernel.add(a, a, m * c, b); }, x, y);
    elementwise<float>([&](auto* a, auto m, auto* b) { kernel.mul(a, a, m * c, b); }, x, y);
    elementwise<float>([&](auto* a, auto m, auto* b) { kernel.clamp(a, m * c, -1.5f, 2.0f, b); }, x, y);
    windowed([&](auto* a, auto m, auto step, auto n, auto* b) { kernel.maximum(a, m, step, n, c, b); }, x);
    windowed([&](auto* a, auto m, auto step, auto n, auto* b) { kernel.mean(a, m, step, n, c, 9.0f, b); }, x);
}

}  // namespace

int main(int argc, char** argv) {
    static_assert(sizeof(std::size_t) == 8);
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    const bool sparse = argc > 1 && std::strcmp(argv[1], "sparse") == 0;
    const Repeated *x = sparse ? nullptr : new Repeated, *y = sparse ? nullptr : new Repeated;
    std::set<const void*> seen;
    const auto each = [&](const sbn::Tier& tier, const char* family, const void* kernel, const auto& check) {
        if (!seen.insert(kernel).second) return;
        g_what = std::string(tier.name) + " " + family;
        check();
        std::printf("%s: ok\n", g_what.c_str());
    };
    for (const sbn::Tier& tier : sbn::tiers()) {
        if (!tier.usable()) continue;
        for (const sbn::BgemmKernel* kernel : tier.bgemm) each(tier, "bgemm", kernel, [&] { bgemm(*kernel); });
        if (tier.tapgemm != nullptr) each(tier, "tapgemm", tier.tapgemm, [&] { tapgemm(*tier.tapgemm); });
        each(tier, "sgemm", &tier.sgemm, [&] { sgemm(tier.sgemm); });
        each(tier, "threshold_pack", &tier.threshold_pack, [&] {
            threshold<float>(tier.threshold_pack.f32, 0x80000000u, x);
            threshold<std::int32_t>(tier.threshold_pack.i32, 0xFFFFFFFFu, x);
        });
        each(tier, "pointwise", &tier.pointwise, [&] { pointwise(tier.pointwise, x, y); });
    }
    return 0;
}
