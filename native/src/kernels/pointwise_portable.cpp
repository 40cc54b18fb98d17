// pointwise for any CPU, with 128-bit vectors of the compiler.
#define SIGNBIT_VECTOR_BYTES 16
#include "kernels/pointwise_body.h"

namespace sbn {

extern const PointwiseKernel kPointwisePortable;
const PointwiseKernel kPointwisePortable = kKernel;

}  // namespace sbn
