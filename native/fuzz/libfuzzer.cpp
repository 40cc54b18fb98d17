// The coverage-guided fuzzer: libFuzzer's hooks. See run.py.
#include <algorithm>
#include <cstring>

#include "base/crc32.h"
#include "fuzz/mutator.h"
#include "fuzz/try_file.h"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    // The tier follows from the bytes, so that an input always does the same.
    sbn::fuzz::try_file({data, size}, sbn::crc32(0, data, size) % sbn::fuzz::tier_count());
    return 0;
}

// Fields are changed by what they mean, or bytes as libFuzzer has learned to; most results get a right checksum.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned seed) {
    sbn::fuzz::Mutator mutator(seed);
    if (mutator.below(3) == 0) size = LLVMFuzzerMutate(data, size, max_size);
    sbn::fuzz::Bytes file(data, data + size);
    for (std::size_t i = mutator.below(4); i > 0; --i) mutator.change(file);
    if (file.size() > max_size) file.resize(max_size);
    if (mutator.below(20) > 0) sbn::fuzz::repair(file);
    std::copy(file.begin(), file.end(), data);
    return file.size();
}
