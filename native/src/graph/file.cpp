#include "graph/file.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <unordered_map>

#include "base/bits.h"
#include "base/crc32.h"
#include "base/errors.h"

namespace sbn {
namespace {

constexpr std::uint8_t kMagic[8] = {0x89, 'S', 'B', 'N', '\r', '\n', 0x1A, '\n'};
constexpr std::uint64_t kHeaderBytes = 64, kValueBytes = 32, kNodeBytes = 128, kBlobBytes = 48, kAlignment = 64;
constexpr std::uint64_t kMaxSide = 1u << 20, kMaxElements = 1u << 26, kMaxDimension = 1u << 28;
constexpr std::uint64_t kMaxMetadata = 1u << 20;

// How many inputs, blobs, attributes and scalars an operation has; those behind the last are zero in its record. And
// the first version of the format that has it.
struct Schema {
    std::string_view name;
    std::size_t inputs, least_blobs, most_blobs, attributes, scalars;
    std::uint32_t version = 1;
};

constexpr Schema kSchemas[kOpCount] = {
    {"conv2d", 1, 1, 2, 11, 0},   {"binary_conv2d", 1, 1, 1, 12, 0}, {"affine", 1, 2, 2, 0, 0},
    {"threshold", 1, 2, 2, 0, 0}, {"max_pool2d", 1, 0, 0, 10, 0},    {"avg_pool2d", 1, 0, 0, 11, 0},
    {"add", 2, 0, 0, 0, 0},       {"clamp", 1, 0, 0, 0, 2},          {"prelu", 1, 1, 1, 0, 0},
    {"flatten", 1, 0, 0, 0, 0},   {"subsample", 1, 0, 0, 2, 0},      {"pad_channels", 1, 0, 0, 2, 0},
    {"sigmoid", 1, 0, 0, 0, 0},   {"layer_norm", 1, 2, 2, 0, 1},     {"mul", 2, 0, 0, 0, 0, 2},
};

const Schema& schema(Op op) {
    return kSchemas[static_cast<std::size_t>(op) - 1];
}

std::string str(std::uint64_t n) {
    return std::to_string(n);
}

[[noreturn]] void fail(std::uint64_t offset, const std::string& message) {
    throw FormatError(message, offset);
}

void require(bool holds, std::uint64_t offset, const char* rule, std::uint64_t found) {
    if (!holds) fail(offset, std::string(rule) + ", got " + str(found));
}

// Whole UTF-8, no overlong forms, no surrogates; the index of the first bad octet, or the size.
std::size_t first_bad_utf8(std::span<const std::uint8_t> s) {
    for (std::size_t i = 0; i < s.size();) {
        const std::uint8_t lead = s[i];
        if (lead < 0x80) {
            ++i;
            continue;
        }
        const std::size_t more = lead >= 0xC2 && lead <= 0xDF   ? 1
                                 : lead >= 0xE0 && lead <= 0xEF ? 2
                                 : lead >= 0xF0 && lead <= 0xF4 ? 3
                                                                : 0;
        if (more == 0 || s.size() - i <= more) return i;
        std::uint8_t low = 0x80, high = 0xBF;
        if (lead == 0xE0) low = 0xA0;
        if (lead == 0xED) high = 0x9F;
        if (lead == 0xF0) low = 0x90;
        if (lead == 0xF4) high = 0x8F;
        for (std::size_t j = 1; j <= more; ++j, low = 0x80, high = 0xBF)
            if (s[i + j] < low || s[i + j] > high) return i;
        i += more + 1;
    }
    return s.size();
}

class Parser final {
  public:
    explicit Parser(std::span<const std::uint8_t> file) : file_(file) {}

    Graph parse() {
        header();
        strings();
        metadata();
        for (std::uint64_t i = 0; i < value_count_; ++i) value(value_offset(i));
        graph_.blobs.reserve(blob_count_);  // nodes keep pointers to blobs
        for (std::uint64_t i = 0; i < blob_count_; ++i) blob(blobs_at_ + i * kBlobBytes);
        no_overlap();
        // Only now the contents: blobs that overlapped could make a small file cost any amount of time.
        for (const Blob& blob : graph_.blobs) contents(blob);
        for (std::uint64_t i = 0; i < 2; ++i) {
            const std::uint32_t index = u32(40 + 4 * i);
            require(index < value_count_, 40 + 4 * i, "the input and output are indices into the value table", index);
            require(graph_.values[index].dtype == DType::F32, 40 + 4 * i,
                    "the network's input and output are f32; got value", index);
            (i == 0 ? graph_.input : graph_.output) = index;
        }
        nodes();
        return std::move(graph_);
    }

  private:
    template <class T>
    T read(std::uint64_t at) const {
        T x;
        std::memcpy(&x, file_.data() + at, sizeof x);
        return x;
    }
    std::uint8_t u8(std::uint64_t at) const { return file_[at]; }
    std::uint16_t u16(std::uint64_t at) const { return read<std::uint16_t>(at); }
    std::uint32_t u32(std::uint64_t at) const { return read<std::uint32_t>(at); }
    std::uint64_t u64(std::uint64_t at) const { return read<std::uint64_t>(at); }

    void zero(std::uint64_t at, std::uint64_t bytes, const char* what) const {
        for (std::uint64_t i = at; i < at + bytes; ++i) require(file_[i] == 0, i, what, file_[i]);
    }

    void zero_words(std::uint64_t at, std::size_t first, std::size_t count, const char* what) const {
        for (std::uint64_t i = first; i < count; ++i) require(u32(at + 4 * i) == 0, at + 4 * i, what, u32(at + 4 * i));
    }

    void header() {
        if (file_.size() < sizeof kMagic || std::memcmp(file_.data(), kMagic, sizeof kMagic) != 0)
            fail(0, "it doesn't start with the magic bytes of a .sbn file");
        if (file_.size() < kHeaderBytes) fail(file_.size(), "the file ends inside the header of 64 bytes");
        version_ = u32(8);
        require(version_ >= 1 && version_ <= kFormatVersion, 8, "this reader knows versions 1 and 2", version_);
        if (u64(16) != file_.size())
            fail(16, "file_bytes is " + str(u64(16)) + " but the file has " + str(file_.size()) + " bytes");
        const std::uint8_t blank[4] = {};
        std::uint32_t crc = crc32(0, file_.data(), 12);
        crc = crc32(crc, blank, sizeof blank);
        crc = crc32(crc, file_.data() + 16, file_.size() - 16);
        if (crc != u32(12)) fail(12, "the checksum does not match: the file is damaged; copy or export it again");
        value_count_ = u32(24), node_count_ = u32(28), blob_count_ = u32(32), string_bytes_ = u32(36);
        require(value_count_ >= 1 && value_count_ <= 65536, 24, "value_count is 1 .. 65536", value_count_);
        require(node_count_ <= 65535, 28, "node_count is 0 .. 65535", node_count_);
        require(blob_count_ <= 262144, 32, "blob_count is 0 .. 262144", blob_count_);
        require(string_bytes_ >= 1 && string_bytes_ <= 1u << 24, 36, "string_bytes is 1 .. 2^24", string_bytes_);
        zero(52, 12, "reserved bytes are zero");
        nodes_at_ = table_end(24, kHeaderBytes, value_count_ * kValueBytes);
        blobs_at_ = table_end(28, nodes_at_, node_count_ * kNodeBytes);
        strings_at_ = table_end(32, blobs_at_, blob_count_ * kBlobBytes);
        table_end(36, strings_at_, string_bytes_);
        data_at_ = round_up(strings_at_ + string_bytes_, kAlignment);
    }

    std::uint64_t table_end(std::uint64_t field, std::uint64_t begin, std::uint64_t bytes) const {
        if (begin + bytes > file_.size())
            fail(field, "the file ends before byte " + str(begin + bytes) + ", where the table ends");
        return begin + bytes;
    }

    void strings() const {
        const auto all = file_.subspan(strings_at_, string_bytes_);
        require(all.front() == 0, strings_at_, "the string at offset 0 is empty", all.front());
        require(all.back() == 0, strings_at_ + string_bytes_ - 1, "the last string ends with a NUL", all.back());
        const std::size_t bad = first_bad_utf8(all);
        if (bad < all.size()) fail(strings_at_ + bad, "strings are UTF-8");
    }

    // Strings start after a NUL, so they don't overlap; each is measured once, however often it is used.
    std::string_view string(std::uint64_t field) {
        const std::uint32_t at = u32(field);
        require(at < string_bytes_, field, "a string offset lies inside the strings", at);
        require(at == 0 || file_[strings_at_ + at - 1] == 0, field, "a string offset is the start of a string", at);
        std::string_view& known = strings_[at];
        if (known.data() == nullptr) known = reinterpret_cast<const char*>(file_.data()) + strings_at_ + at;
        return known;
    }

    void metadata() {
        require(string(48).size() <= kMaxMetadata, 48, "metadata take at most 1 MiB", string(48).size());
    }

    DType dtype(std::uint64_t at) const {
        require(u8(at) >= 1 && u8(at) <= 3, at, "a dtype is 1 (f32), 2 (i32) or 3 (bits)", u8(at));
        return DType{u8(at)};
    }

    void value(std::uint64_t at) {
        const DType type = dtype(at);
        const std::uint8_t alphabet = u8(at + 1);
        if (type == DType::Bits)
            require(alphabet == 1 || alphabet == 2, at + 1, "the alphabet of bits is 1 or 2", alphabet);
        else
            require(alphabet == 0, at + 1, "the alphabet of a value that is not bits is 0", alphabet);
        zero(at + 2, 2, "reserved bytes are zero");
        std::uint64_t product = 1;
        for (std::uint64_t i = 0; i < 3; ++i) {
            const std::uint64_t side = u32(at + 4 + 4 * i);
            require(side >= 1 && side <= kMaxSide, at + 4 + 4 * i, "H, W and C are 1 .. 2^20", side);
            product *= side;
        }
        require(product <= kMaxElements, at + 4, "H * W * C is at most 2^26", product);
        string(at + 16);
        zero(at + 20, 12, "reserved bytes are zero");
        graph_.values.push_back({type, Alphabet{alphabet}, u32(at + 4), u32(at + 8), u32(at + 12)});
    }

    void blob(std::uint64_t at) {
        Blob blob{dtype(at), u8(at + 1), {}, {}, at};
        require(blob.rank >= 1 && blob.rank <= 4, at + 1, "the rank of a blob is 1 .. 4", blob.rank);
        zero(at + 2, 6, "reserved bytes are zero");
        for (std::size_t i = 0; i < 4; ++i) {
            blob.shape[i] = u32(at + 8 + 4 * i);
            const std::uint64_t limit = i < blob.rank ? kMaxDimension : 0;
            require(blob.shape[i] >= (limit > 0) && blob.shape[i] <= limit, at + 8 + 4 * i,
                    "used dimensions of a blob are 1 .. 2^28, the others 0", blob.shape[i]);
        }
        const std::uint64_t offset = u64(at + 24), bytes = u64(at + 32), needed = bytes_needed(blob);
        if (bytes != needed)
            fail(at + 32, "the blob has " + str(bytes) + " bytes, its dtype and shape need " + str(needed));
        require(offset % kAlignment == 0 && offset >= data_at_, at + 24,
                "a blob lies in the data part, at a multiple of 64", offset);
        if (offset > file_.size() || bytes > file_.size() - offset)
            fail(at + 24, "the blob reaches past the end of the file");
        zero(at + 40, 8, "reserved bytes are zero");
        blob.data = file_.subspan(offset, bytes);
        graph_.blobs.push_back(blob);
    }

    // Saturates: no file is that long.
    static std::uint64_t bytes_needed(const Blob& blob) {
        std::uint64_t elements = 1;
        for (std::size_t i = blob.rank == 1 || blob.dtype != DType::Bits ? 0 : 1; i < blob.rank; ++i) {
            if (elements > std::uint64_t{1} << 32) return ~std::uint64_t{0};
            elements *= blob.shape[i];
        }
        if (elements > std::uint64_t{1} << 61) return ~std::uint64_t{0};
        if (blob.dtype != DType::Bits) return 4 * elements;
        if (blob.rank == 1) return ceil_div(elements, 8);
        return elements > std::uint64_t{1} << 34 ? ~std::uint64_t{0} : ceil_div(elements, 8) * blob.shape[0];
    }

    void contents(const Blob& blob) const {
        const auto offset = static_cast<std::uint64_t>(blob.data.data() - file_.data());
        if (blob.dtype == DType::F32) {
            const std::vector<float> numbers = blob.copy<float>();
            for (std::size_t i = 0; i < numbers.size(); ++i)
                if (std::isnan(numbers[i])) fail(offset + 4 * i, "f32 blobs hold no NaN");
        } else if (blob.dtype == DType::Bits && blob.row_elements() % 8 != 0) {
            const unsigned used = blob.row_elements() % 8;
            for (std::size_t row = 0; row < blob.rows(); ++row) {
                const std::size_t last = (row + 1) * blob.row_octets() - 1;
                require(blob.data[last] >> used == 0, offset + last, "bits past the end of a row are zero",
                        blob.data[last]);
            }
        }
    }

    void no_overlap() const {
        std::vector<const Blob*> order;
        for (const Blob& blob : graph_.blobs) order.push_back(&blob);
        std::stable_sort(order.begin(), order.end(), [](auto* a, auto* b) { return a->data.data() < b->data.data(); });
        for (std::size_t i = 1; i < order.size(); ++i)
            if (order[i - 1]->data.data() + order[i - 1]->data.size() > order[i]->data.data())
                fail(order[i]->offset + 24, "the data of two blobs overlap");
    }

    void nodes() {
        std::vector<bool> defined(value_count_);
        defined[graph_.input] = true;
        graph_.nodes.reserve(node_count_);
        for (std::uint64_t i = 0; i < node_count_; ++i) {
            graph_.nodes.push_back(node(nodes_at_ + i * kNodeBytes));
            const Node& node = graph_.nodes.back();
            for (std::size_t j = 0; j < node.input_count; ++j)
                require(defined[node.inputs[j]], node.offset + 4 + 4 * j,
                        "a node reads the network's input or the output of an earlier node; got value", node.inputs[j]);
            require(!defined[node.output], node.offset + 12, "a value is the output of one node only; got value",
                    node.output);
            defined[node.output] = true;
            check_node(graph_, node);
        }
        const auto orphan = std::find(defined.begin(), defined.end(), false) - defined.begin();
        if (orphan < std::ssize(defined))
            fail(value_offset(static_cast<std::uint64_t>(orphan)), "no node computes value " + std::to_string(orphan));
    }

    Node node(std::uint64_t at) {
        const std::uint16_t code = u16(at);
        require(code >= 1 && code <= kOpCount && schema(Op{code}).version <= version_, at,
                "an operation code is one that the file's version has", code);
        Node node{Op{code}, u8(at + 2), {}, u32(at + 12), {}, {}, {}, string(at + 104), at};
        const Schema& has = schema(node.op);
        if (node.input_count != has.inputs)
            fail(at + 2, std::string(has.name) + " has " + str(has.inputs) + " input(s), got " + str(node.input_count));
        for (std::size_t i = 0; i < 2; ++i) {
            node.inputs[i] = u32(at + 4 + 4 * i);
            const std::uint64_t limit = i < has.inputs ? value_count_ : 1;
            require(node.inputs[i] < limit, at + 4 + 4 * i, "inputs are indices into the value table, unused ones 0",
                    node.inputs[i]);
        }
        require(node.output < value_count_, at + 12, "the output is an index into the value table", node.output);
        const std::size_t slots = u8(at + 3);
        if (slots < has.least_blobs || slots > has.most_blobs)
            fail(at + 3, std::string(has.name) + " uses " + str(has.least_blobs) + " .. " + str(has.most_blobs) +
                             " blob slots, got " + str(slots));
        for (std::size_t i = 0; i < 4; ++i) {
            const std::uint32_t index = u32(at + 16 + 4 * i);
            require((index > 0) == (i < slots) && index <= blob_count_, at + 16 + 4 * i,
                    "the first blob_used slots hold a blob index + 1, the others 0", index);
            if (index > 0) node.blobs[i] = &graph_.blobs[index - 1];
        }
        for (std::size_t i = 0; i < 16; ++i) node.attributes[i] = read<std::int32_t>(at + 32 + 4 * i);
        for (std::size_t i = 0; i < 2; ++i) node.scalars[i] = read<float>(at + 96 + 4 * i);
        zero_words(at + 32, has.attributes, 16, "unused attributes are zero");
        zero_words(at + 96, has.scalars, 2, "unused scalars are zero, all 32 bits");
        string(at + 108);
        zero(at + 112, 16, "reserved bytes are zero");
        return node;
    }

    std::span<const std::uint8_t> file_;
    std::uint32_t version_ = 0;
    std::uint64_t value_count_ = 0, node_count_ = 0, blob_count_ = 0, string_bytes_ = 0;
    std::uint64_t nodes_at_ = 0, blobs_at_ = 0, strings_at_ = 0, data_at_ = 0;
    std::unordered_map<std::uint32_t, std::string_view> strings_;
    Graph graph_{};
};

}  // namespace

std::size_t Value::pixel_bytes() const {
    return dtype == DType::Bits ? words_for(c) * sizeof(std::uint64_t) : 4 * c;
}

std::size_t Blob::row_elements() const {
    return std::accumulate(shape.begin() + (rank == 1 ? 0 : 1), shape.begin() + static_cast<std::ptrdiff_t>(rank),
                           std::size_t{1}, std::multiplies<>());
}

template <class T>
std::vector<T> Blob::copy() const {
    std::vector<T> numbers(data.size() / sizeof(T));
    std::memcpy(numbers.data(), data.data(), data.size());
    return numbers;
}
template std::vector<float> Blob::copy() const;
template std::vector<std::int32_t> Blob::copy() const;

std::vector<std::uint64_t> Blob::row_words(std::size_t row) const {
    std::vector<std::uint64_t> words(words_for(row_elements()));
    std::memcpy(words.data(), data.data() + row * row_octets(), row_octets());
    return words;
}

std::string_view op_name(Op op) {
    return schema(op).name;
}

std::uint64_t macs(const Graph& graph, const Node& node) {
    if (node.op != Op::Conv2d && node.op != Op::BinaryConv2d) return 0;
    return graph.out(node).pixels() * graph.out(node).c * node.blobs[0]->row_elements();
}

Graph parse(std::span<const std::uint8_t> file) {
    return Parser(file).parse();
}

}  // namespace sbn
