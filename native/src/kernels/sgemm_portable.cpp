// sgemm with 128-bit vectors, which every supported CPU has; multiply and add stay separate.
#define SIGNBIT_VECTOR_BYTES 16
#include "kernels/sgemm_body.h"

namespace sbn {

extern const SgemmKernel kSgemmPortable;
const SgemmKernel kSgemmPortable = {kLanes, kTileRows, run};

}  // namespace sbn
