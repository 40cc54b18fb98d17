// sgemm with 128-bit vectors and fused multiply-add (the build passes -ffp-contract=fast for this file).
#define SIGNBIT_VECTOR_BYTES 16
#include "kernels/sgemm_body.h"

namespace sbn {

extern const SgemmKernel kSgemmNeon;
const SgemmKernel kSgemmNeon = {kLanes, kTileRows, run};

}  // namespace sbn
