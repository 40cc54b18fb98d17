#include "kernels/octets_avx512.h"

// after it
#include "kernels/ceiling_table_body.h"

namespace sbn {

extern const Ceiling kCeilingAvx512[1];
const Ceiling kCeilingAvx512[1] = {kByTable};

}  // namespace sbn
