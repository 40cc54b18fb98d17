// sgemm with 256-bit vectors and fused multiply-add (the build passes -ffp-contract=fast for this file).
#define SIGNBIT_VECTOR_BYTES 32
#include "kernels/sgemm_body.h"

namespace sbn {

extern const SgemmKernel kSgemmAvx2;
const SgemmKernel kSgemmAvx2 = {kLanes, kTileRows, run};

}  // namespace sbn
