// The compiler's intrinsics. A test build compiles the kernels of absent instruction sets against emulated ones.
#pragma once
#if defined(SIGNBIT_EMULATED_INTRINSICS)
#include "emulated_intrinsics.h"
#elif defined(__aarch64__)
#include <arm_neon.h>
#else
// GCC 12 warns of its own undefined vectors (GCC bug 105593).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
#endif
