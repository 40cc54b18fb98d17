// The compiler's intrinsics. A test build compiles the kernels of absent instruction sets against emulated ones.
#pragma once
#if defined(SIGNBIT_EMULATED_INTRINSICS)
#include "emulated_intrinsics.h"
#elif defined(__aarch64__)
#include <arm_neon.h>
#else
#include <immintrin.h>
#endif
