// signbit.runtime._native: the native core for Python. The user's face is signbit.runtime.Session.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <cstring>

#include "base/errors.h"
#include "graph/program.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace sbn {
namespace {

using Images = nb::ndarray<nb::ro, nb::device::cpu>;

std::size_t checked_batch(const Images& x, const Value& input) {
    const bool floats = x.dtype() == nb::dtype<float>();
    const bool aligned = reinterpret_cast<std::uintptr_t>(x.data()) % alignof(float) == 0;
    bool fits =
        floats && aligned && x.ndim() == 4 && x.shape(1) == input.c && x.shape(2) == input.h && x.shape(3) == input.w;
    std::int64_t step = 1;
    for (std::size_t i = 4; fits && i-- > 0;) {
        fits = x.shape(i) == 1 || x.size() == 0 || x.stride(i) == step;
        step *= static_cast<std::int64_t>(x.shape(i));
    }
    if (fits) return x.shape(0);
    std::string shape;
    for (std::size_t i = 0; i < x.ndim(); ++i) shape += (i == 0 ? "" : ", ") + std::to_string(x.shape(i));
    throw ShapeError("the network takes aligned C-contiguous float32 images [N, " + std::to_string(input.c) + ", " +
                     std::to_string(input.h) + ", " + std::to_string(input.w) + "], got " +
                     (floats ? "" : "another element type and ") + (aligned ? "" : "an odd address and ") + "shape [" +
                     shape + "]; convert with numpy.require(x, numpy.float32, ['C', 'A'])");
}

nb::ndarray<nb::numpy, float, nb::ndim<4>> run(Program& program, const Images& x) {
    const std::size_t n = checked_batch(x, program.input());
    const Value& output = program.output();
    auto* data = new float[n * output.elements()];
    const nb::capsule owner(data, [](void* p) noexcept { delete[] static_cast<float*>(p); });
    {
        const nb::gil_scoped_release unlocked;
        program.run(static_cast<const float*>(x.data()), n, data);
    }
    return {data, {n, output.c, output.h, output.w}, owner};
}

std::vector<std::tuple<std::string, std::string, double, std::uint64_t>> profile(Program& program, const Images& x) {
    const std::size_t n = checked_batch(x, program.input());
    std::vector<Program::Step> steps;
    {
        const nb::gil_scoped_release unlocked;
        steps = program.profile(static_cast<const float*>(x.data()), n);
    }
    std::vector<std::tuple<std::string, std::string, double, std::uint64_t>> rows;
    for (const Program::Step& step : steps)
        rows.emplace_back(std::string(step.name), step.op, step.seconds, n * step.macs);
    return rows;
}

nb::tuple chw(const Value& value) {
    return nb::make_tuple(value.c, value.h, value.w);
}

nb::dict constants() {
    nb::dict all;
    all["WORD_BITS"] = kWordBits;
    all["PADDING_BIT"] = kPaddingBit;
    for (const auto& [name, alphabet] : {std::pair{"PM1", Alphabet::Pm1}, std::pair{"ZERO_ONE", Alphabet::ZeroOne}}) {
        const std::string prefix = name;
        all[name] = static_cast<int>(alphabet);
        all[(prefix + "_LOW").c_str()] = low(alphabet);
        all[(prefix + "_HIGH").c_str()] = high(alphabet);
        all[(prefix + "_AT_ZERO").c_str()] = at_zero(alphabet);
    }
    all["FORMAT_VERSION"] = kFormatVersion;
    all["F32"] = static_cast<int>(DType::F32);
    all["I32"] = static_cast<int>(DType::I32);
    all["BITS"] = static_cast<int>(DType::Bits);
    return all;
}

std::vector<std::tuple<std::string, bool, std::string>> isa_tiers() {
    std::vector<std::tuple<std::string, bool, std::string>> rows;
    for (const Tier& tier : tiers()) rows.emplace_back(tier.name, tier.usable(), tier.description);
    for (const TierName& tier : tiers_elsewhere()) rows.emplace(rows.end() - 1, tier.name, false, tier.description);
    return rows;
}

std::vector<std::pair<std::string, double>> ceilings(const std::string& isa) {
    const Tier& tier = select_tier(isa);
    const nb::gil_scoped_release unlocked;
    std::vector<std::pair<std::string, double>> rows;
    for (const Ceiling& each : tier.ceilings) rows.emplace_back(each.way, measure(each));
    return rows;
}

// A message may quote a name of the file cut short, even inside a character.
nb::object text(const std::exception& e) {
    return nb::steal(PyUnicode_DecodeUTF8(e.what(), static_cast<Py_ssize_t>(std::strlen(e.what())), "replace"));
}

template <class... Args>
void raise(const char* type, Args&&... args) {
    const nb::object cls = nb::module_::import_("signbit.errors").attr(type);
    const nb::object error = cls(std::forward<Args>(args)...);
    PyErr_SetObject(cls.ptr(), error.ptr());
}

void translate(const std::exception_ptr& thrown, void*) {
    try {
        std::rethrow_exception(thrown);
    } catch (const FormatError& e) {
        raise("FormatError", text(e), e.offset);
    } catch (const UnusableIsaError& e) {
        raise("UnusableIsaError", text(e));
    } catch (const ConfigError& e) {
        raise("ConfigError", text(e));
    } catch (const ShapeError& e) {
        raise("ShapeError", text(e));
    }
}

}  // namespace
}  // namespace sbn

NB_MODULE(_native, m) {
    using namespace sbn;
    nb::register_exception_translator(translate);
    m.def("isa_tiers", isa_tiers);
    m.def("ceilings", ceilings, "isa"_a);
    m.def("constants", constants);
    m.def("version", [] { return SIGNBIT_VERSION; });
    nb::class_<Program>(m, "Program")
        .def(
            "__init__",
            [](Program* self, const nb::bytes& data, const std::optional<std::string>& isa, int threads) {
                new (self) Program({static_cast<const std::uint8_t*>(data.data()), data.size()}, isa, threads);
            },
            "data"_a, "isa"_a = nb::none(), "threads"_a = 1)
        .def_prop_ro("isa", [](const Program& p) { return p.tier().name; })
        .def_prop_ro("threads", &Program::threads)
        .def_prop_ro("input_shape", [](const Program& p) { return chw(p.input()); })
        .def_prop_ro("output_shape", [](const Program& p) { return chw(p.output()); })
        .def_prop_ro("memory_bytes", &Program::memory_bytes)
        .def("run", run, "x"_a)
        .def("profile", profile, "x"_a);
}
