#include <algorithm>
#include <cmath>
#include <limits>

#include "base/errors.h"
#include "graph/file.h"

namespace sbn {
namespace {

// Offsets of fields in a node record, and in the record of its output.
constexpr std::uint64_t kInputs = 4, kOutput = 12, kBlobs = 16, kAttributes = 32, kScalars = 96;
constexpr std::size_t kShownName = 200;
constexpr std::int64_t kMaxTap = 1 << 16, kMaxPad = 1 << 16, kMaxAccumulator = 1 << 24, kMaxPadChannels = 1 << 20;
constexpr std::int64_t kMaxSide = 1 << 20, kMaxElements = 1 << 26;

std::string str(std::int64_t n) {
    return std::to_string(n);
}
std::int64_t wide(std::size_t n) {
    return static_cast<std::int64_t>(n);
}

std::string dims(const std::int64_t (&extents)[3]) {
    return str(extents[0]) + " x " + str(extents[1]) + " x " + str(extents[2]);
}

class Checker final {
  public:
    Checker(const Graph& graph, const Node& node)
        : node_(node), in_(graph.in(node)), out_(graph.out(node)), graph_(graph) {}

    void check() const {
        switch (node_.op) {
            case Op::Conv2d:
                return conv(false);
            case Op::BinaryConv2d:
                return conv(true);
            case Op::Affine:
                in_types(true, true, false), out_type(DType::F32), same_shape();
                per_channel(0, DType::F32), per_channel(1, DType::F32);
                return;
            case Op::Threshold:
                in_types(true, true, false), out_type(DType::Bits), same_shape();
                per_channel(0, in_.dtype), per_channel(1, DType::Bits);
                return;
            case Op::MaxPool2d:
                return pool(false);
            case Op::AvgPool2d:
                return pool(true);
            case Op::Add:
            case Op::Mul:
                in_types(true, false, false), out_type(DType::F32), same_shape();
                if (graph_.in(node_, 1).dtype != DType::F32) fail(kInputs + 4, "the second input is f32");
                if (!equal_shapes(graph_.in(node_, 1), in_) && !per_image_vector(graph_.in(node_, 1)))
                    fail(kInputs + 4, "the second input has the shape of the first, or is 1 x 1 x its channels");
                return;
            case Op::Clamp:
                in_types(true, false, false), out_type(DType::F32), same_shape();
                for (std::size_t i = 0; i < 2; ++i)
                    if (std::isnan(node_.scalars[i])) fail(kScalars + 4 * i, "lo and hi are not NaN");
                if (node_.scalars[0] > node_.scalars[1]) fail(kScalars, "lo is at most hi");
                return;
            case Op::Sigmoid:
                in_types(true, false, false), out_type(DType::F32), same_shape();
                return;
            case Op::LayerNorm:
                in_types(true, false, false), out_type(DType::F32), same_shape();
                per_channel(0, DType::F32), per_channel(1, DType::F32);
                if (!(node_.scalars[0] > 0.0f && std::isfinite(node_.scalars[0])))
                    fail(kScalars, "eps is finite and above 0");
                return;
            case Op::Prelu:
                in_types(true, false, false), out_type(DType::F32), same_shape();
                per_channel(0, DType::F32);
                return;
            case Op::Flatten:
                same_type(), out_shape(1, 1, wide(in_.elements()));
                return;
            case Op::Subsample: {
                in_types(true, false, false), out_type(DType::F32);
                const std::int64_t sh = attribute(0, 1, std::numeric_limits<std::int32_t>::max(), "stride_h");
                const std::int64_t sw = attribute(1, 1, std::numeric_limits<std::int32_t>::max(), "stride_w");
                return out_shape((wide(in_.h) + sh - 1) / sh, (wide(in_.w) + sw - 1) / sw, wide(in_.c));
            }
            case Op::PadChannels: {
                in_types(true, false, false), out_type(DType::F32);
                const std::int64_t before = attribute(0, 0, kMaxPadChannels, "before");
                const std::int64_t after = attribute(1, 0, kMaxPadChannels, "after");
                return out_shape(wide(in_.h), wide(in_.w), wide(in_.c) + before + after);
            }
        }
    }

  private:
    FormatError error(std::uint64_t field, const std::string& rule) const {
        return {std::string(op_name(node_.op)) +
                    (node_.name.empty() ? "" : " '" + std::string(node_.name.substr(0, kShownName)) + "'") + ": " +
                    rule,
                node_.offset + field};
    }
    [[noreturn]] void fail(std::uint64_t field, const std::string& rule) const { throw error(field, rule); }

    // A field of the output's record: 0 dtype, 1 alphabet, 4 shape.
    [[noreturn]] void fail_output(std::uint64_t field, const std::string& rule) const {
        const FormatError named = error(0, rule);
        throw FormatError(named.what(), value_offset(node_.output) + field);
    }

    void in_types(bool f32, bool i32, bool bits) const {
        const bool allowed =
            (in_.dtype == DType::F32 && f32) || (in_.dtype == DType::I32 && i32) || (in_.dtype == DType::Bits && bits);
        if (!allowed)
            fail(kInputs, std::string("the input is ") + (f32 ? i32 ? "f32 or i32" : "f32" : "bits") + ", got dtype " +
                              str(static_cast<int>(in_.dtype)));
    }
    void out_type(DType type) const {
        if (out_.dtype != type)
            fail_output(0, "the output has dtype " + str(static_cast<int>(type)) + ", got " +
                               str(static_cast<int>(out_.dtype)));
    }
    void same_type() const {
        out_type(in_.dtype);
        if (out_.alphabet != in_.alphabet) fail_output(1, "the output has the input's alphabet");
    }
    static bool equal_shapes(const Value& a, const Value& b) { return a.h == b.h && a.w == b.w && a.c == b.c; }
    bool per_image_vector(const Value& v) const { return v.pixels() == 1 && v.c == in_.c; }
    void same_shape() const { out_shape(wide(in_.h), wide(in_.w), wide(in_.c)); }
    // Names the first extent that is another one.
    void out_shape(std::int64_t h, std::int64_t w, std::int64_t c) const {
        const std::int64_t wanted[] = {h, w, c}, found[] = {wide(out_.h), wide(out_.w), wide(out_.c)};
        if (std::max({h, w, c}) > kMaxSide || h * w * c > kMaxElements)
            fail(kOutput, "the output would be " + dims(wanted) + "; at most 2^20 each and 2^26 together are allowed");
        for (std::size_t i = 0; i < 3; ++i)
            if (wanted[i] != found[i]) fail_output(4 + 4 * i, "the output is " + dims(wanted) + ", got " + dims(found));
    }

    void per_channel(std::size_t slot, DType type) const { vector(slot, type, in_.c); }
    void vector(std::size_t slot, DType type, std::size_t size) const {
        const Blob& blob = *node_.blobs[slot];
        if (blob.dtype != type || blob.rank != 1 || blob.shape[0] != size)
            fail(kBlobs + 4 * slot, "blob " + str(wide(slot)) + " has dtype " + str(static_cast<int>(type)) +
                                        " and shape [" + str(wide(size)) + "]");
    }

    std::int64_t attribute(std::size_t i, std::int64_t least, std::int64_t most, const char* name) const {
        const std::int64_t found = node_.attributes[i];
        if (found < least || found > most)
            fail(kAttributes + 4 * i,
                 std::string(name) + " is " + str(least) + " .. " + str(most) + ", got " + str(found));
        return found;
    }
    struct Sides {
        std::int64_t h, w;
    };

    // The height and width that the ten spatial attributes give.
    Sides spatial() const {
        constexpr const char* names[] = {"kernel_h", "kernel_w",   "stride_h",  "stride_w",   "pad_top",
                                         "pad_left", "pad_bottom", "pad_right", "dilation_h", "dilation_w"};
        std::int64_t a[10];
        for (std::size_t i = 0; i < 10; ++i) {
            const bool pad = i >= 4 && i < 8;
            a[i] = attribute(i, pad ? 0 : 1, pad ? kMaxPad : kMaxTap, names[i]);
        }
        const auto side = [&](std::int64_t in, std::size_t axis) {
            const std::int64_t room = in + a[4 + axis] + a[6 + axis] - a[8 + axis] * (a[axis] - 1) - 1;
            if (room < 0) fail(kAttributes + 4 * axis, "the dilated kernel is larger than the padded image");
            return room / a[2 + axis] + 1;
        };
        return {side(wide(in_.h), 0), side(wide(in_.w), 1)};
    }

    void conv(bool binary) const {
        in_types(!binary, false, binary), out_type(binary ? DType::I32 : DType::F32);
        const auto [h, w] = spatial();
        const Blob& weight = *node_.blobs[0];
        const std::int64_t c = wide(in_.c), o = weight.rank == 4 ? wide(weight.shape[0]) : 0;
        const std::int64_t groups = attribute(10, 1, c, "groups");
        if (c % groups != 0 || o % groups != 0)
            fail(kAttributes + 40, "groups divide the channels of input (" + str(c) + ") and output (" + str(o) +
                                       "), got " + str(groups));
        const std::int64_t kh = node_.attributes[0], kw = node_.attributes[1];
        const bool dtype_ok = weight.dtype == DType::Bits || (!binary && weight.dtype == DType::F32);
        if (!dtype_ok || weight.rank != 4 || wide(weight.shape[1]) != kh || wide(weight.shape[2]) != kw ||
            wide(weight.shape[3]) != c / groups)
            fail(kBlobs, std::string("the weight is ") + (binary ? "bits" : "f32 or bits") + " of shape [O, " +
                             str(kh) + ", " + str(kw) + ", " + str(c / groups) + "]");
        if (binary) {
            attribute(11, in_.alphabet == Alphabet::Pm1 ? -1 : 0, 1, "pad_value");
            if (kh * kw > kMaxAccumulator || kh * kw * (c / groups) > kMaxAccumulator)
                fail(kBlobs, "kernel_h * kernel_w * C / groups is at most 2^24");
        } else if (node_.blobs[1] != nullptr) {
            vector(1, DType::F32, weight.shape[0]);
        }
        out_shape(h, w, o);
    }

    void pool(bool average) const {
        if (average) {
            in_types(true, false, false), out_type(DType::F32);
            attribute(10, 0, 1, "count_include_pad");
        } else {
            same_type();
        }
        const auto [h, w] = spatial();
        for (std::size_t i = 8; i < 10; ++i) attribute(i, 1, 1, "the dilation of a pool");
        for (std::size_t i = 4; i < 8; ++i) attribute(i, 0, node_.attributes[i % 2] - 1, "a pad of a pool");
        out_shape(h, w, wide(in_.c));
    }

    const Node& node_;
    const Value &in_, &out_;
    const Graph& graph_;
};

}  // namespace

void check_node(const Graph& graph, const Node& node) {
    Checker(graph, node).check();
}

}  // namespace sbn
