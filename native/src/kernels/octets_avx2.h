// Vectors of octets with AVX2, for counting by table.
#pragma once
#include <cstddef>
#include <cstdint>

#include "kernels/intrinsics.h"

namespace sbn {
namespace {

constexpr std::size_t kLanes = 32;
using Octets = __m256i;

inline Octets zero() {
    return _mm256_setzero_si256();
}
inline Octets load(const void* p) {
    return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}
// Sixteen octets, repeated.
inline Octets table_at(const void* p) {
    return _mm256_broadcastsi128_si256(*static_cast<const __m128i*>(p));
}
inline Octets look_up(Octets table, Octets indices) {
    return _mm256_shuffle_epi8(table, indices);
}
inline Octets add(Octets a, Octets b) {
    return _mm256_add_epi8(a, b);
}
// Sums of octets. With elements of their own size a compiler keeps them in place; it copies every sum of Octets, whose
// elements are words to it.
typedef std::uint8_t OctetSums __attribute__((vector_size(32)));

inline void add_to(OctetSums& sums, Octets s) {
    sums += reinterpret_cast<OctetSums>(s);
}
inline Octets octets(OctetSums sums) {
    return reinterpret_cast<Octets>(sums);
}
inline Octets upper_halves(Octets s) {
    return _mm256_and_si256(_mm256_srli_epi16(s, 4), _mm256_set1_epi8(15));
}
inline Octets subtract(Octets a, Octets b) {
    return _mm256_sub_epi8(a, b);
}
// Of octets below 16.
inline Octets times_16(Octets s) {
    return _mm256_andnot_si256(_mm256_set1_epi8(15), _mm256_slli_epi16(s, 4));
}
// To each sum of 64 bits the eight octets in its place.
inline Octets add_eights(Octets sums, Octets s) {
    return _mm256_add_epi64(sums, _mm256_sad_epu8(s, zero()));
}

}  // namespace
}  // namespace sbn
