// What the native core throws on purpose; the Python module turns each into its twin in signbit.errors.
#pragma once
#include <cstdint>
#include <stdexcept>
#include <string>

namespace sbn {

// A .sbn file breaks a rule of docs/format.md; `offset` is the position of the offending field.
class FormatError final : public std::runtime_error {
  public:
    FormatError(const std::string& message, std::uint64_t offset) : std::runtime_error(message), offset(offset) {}
    const std::uint64_t offset;
};

class UnusableIsaError final : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

class ConfigError final : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

class ShapeError final : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

}  // namespace sbn
