// sgemm with 512-bit vectors and fused multiply-add (the build passes -ffp-contract=fast for this file).
#define SIGNBIT_VECTOR_BYTES 64
#include "kernels/sgemm_body.h"

namespace sbn {

extern const SgemmKernel kSgemmAvx512;
const SgemmKernel kSgemmAvx512 = {kLanes, kTileRows, run};

}  // namespace sbn
