// Loops that the compiler vectorises for the CPU it finds at run time.
#pragma once

#if defined(__x86_64__) && defined(__gnu_linux__)
#define SIGNBIT_CLONES __attribute__((target_clones("avx2", "default")))
#else
#define SIGNBIT_CLONES
#endif
