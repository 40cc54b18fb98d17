// pointwise with 256-bit vectors; multiplications and additions stay apart (-ffp-contract=off).
#define SIGNBIT_VECTOR_BYTES 32
#include "kernels/pointwise_body.h"

namespace sbn {

extern const PointwiseKernel kPointwiseAvx2;
const PointwiseKernel kPointwiseAvx2 = kKernel;

}  // namespace sbn
