// The kernel files themselves, compiled against emulated intrinsics.
#include "../src/kernels/bgemm_avx512_vpopcntdq.cpp"
