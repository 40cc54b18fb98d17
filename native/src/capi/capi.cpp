// The functions of signbit.h. Everything thrown ends in guarded(), as a status and this thread's message.
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include "base/errors.h"
#include "base/parallel.h"
#include "capi/signbit.h"
#include "graph/program.h"

struct signbit_session {
    signbit_session(std::span<const std::uint8_t> file, const std::string& isa, int threads);

    sbn::Program program;
    const std::string metadata;
};

namespace {

using Bytes = std::span<const std::uint8_t>;

class FileError final : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

// Not a string: remembering an error must not need memory.
constexpr std::size_t kMessageBytes = 1024;
thread_local char t_message[kMessageBytes] = "";

signbit_status remember(signbit_status status, const char* message) {
    std::snprintf(t_message, kMessageBytes, "%s", message);
    return status;
}

template <class Body>
signbit_status guarded(Body&& body) noexcept {
    try {
        body();
        return SIGNBIT_OK;
    } catch (const sbn::FormatError& e) {
        std::snprintf(t_message, kMessageBytes, "not a valid .sbn file: %s (at byte offset %llu)", e.what(),
                      static_cast<unsigned long long>(e.offset));
        return SIGNBIT_INVALID_FORMAT;
    } catch (const FileError& e) {
        return remember(SIGNBIT_UNREADABLE_FILE, e.what());
    } catch (const sbn::UnusableIsaError& e) {
        return remember(SIGNBIT_UNUSABLE_ISA, e.what());
    } catch (const sbn::ConfigError& e) {
        return remember(SIGNBIT_INVALID_ARGUMENT, e.what());
    } catch (const sbn::ShapeError& e) {
        return remember(SIGNBIT_INVALID_ARGUMENT, e.what());
    } catch (const std::bad_alloc&) {
        return remember(SIGNBIT_OUT_OF_MEMORY, "out of memory; close other sessions or run fewer images at once");
    } catch (const std::exception& e) {
        return remember(SIGNBIT_INTERNAL_ERROR, e.what());
    } catch (...) {
        return remember(SIGNBIT_INTERNAL_ERROR, "unknown error");
    }
}

void require_pointer(const void* pointer, const char* name) {
    if (pointer == nullptr) throw sbn::ConfigError(std::string(name) + " is NULL");
}

// What `ask` says of the session, or its zero where there is no session.
template <class Ask>
auto query(const signbit_session* session, Ask&& ask) noexcept {
    decltype(ask(*session)) answer{};
    guarded([&] {
        require_pointer(session, "session");
        answer = ask(*session);
    });
    return answer;
}

signbit_shape shape_of(const sbn::Value& value) {
    return {value.c, value.h, value.w};
}

// An empty variable counts as none, as in Python.
const char* environment(const char* name) {
    const char* text = std::getenv(name);
    return text == nullptr || *text == '\0' ? nullptr : text;
}

std::string choose_isa(const char* isa) {
    if (isa != nullptr) return isa;
    const char* forced = environment("SIGNBIT_ISA");
    if (forced == nullptr) return std::string(sbn::select_tier(std::nullopt).name);
    try {
        return std::string(sbn::select_tier(forced).name);
    } catch (const sbn::UnusableIsaError& e) {
        throw sbn::UnusableIsaError(std::string("SIGNBIT_ISA: ") + e.what());
    }
}

int choose_threads(int threads) {
    const char* text = threads == 0 ? environment("SIGNBIT_NUM_THREADS") : nullptr;
    if (text == nullptr) return threads == 0 ? 1 : threads;
    const char* end = text + std::strlen(text);
    const auto [rest, error] = std::from_chars(text, end, threads);
    if (error != std::errc{} || rest != end || threads < 1 || threads > sbn::kMaxThreads)
        throw sbn::ConfigError("SIGNBIT_NUM_THREADS is '" + std::string(text) + "'; a whole number from 1 to " +
                               std::to_string(sbn::kMaxThreads) + " is needed");
    return threads;
}

[[noreturn]] void unreadable(const char* path, const std::error_code& error) {
    throw FileError("cannot read " + std::string(path) + ": " + error.message() + "; give the path of a .sbn file");
}

std::vector<std::uint8_t> read_file(const char* path) {
    std::error_code error;
    const std::uintmax_t bytes = std::filesystem::file_size(path, error);
    if (error) unreadable(path, error);
    std::vector<std::uint8_t> data(bytes);
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path, "rb"), std::fclose);
    if (file == nullptr) unreadable(path, {errno, std::generic_category()});
    // A file that has become shorter meanwhile is refused for its size.
    data.resize(std::fread(data.data(), 1, data.size(), file.get()));
    if (std::ferror(file.get()) != 0) unreadable(path, {errno, std::generic_category()});
    return data;
}

// Of a file that has been checked: the header gives the sizes of the tables before the strings.
std::string metadata_of(Bytes file) {
    const auto u32 = [&](std::size_t at) {
        std::uint32_t x;
        std::memcpy(&x, file.data() + at, sizeof x);
        return std::size_t{x};
    };
    const std::size_t strings = 64 + 32 * u32(24) + 128 * u32(28) + 48 * u32(32);
    return reinterpret_cast<const char*>(file.data()) + strings + u32(48);
}

void open(Bytes file, const char* isa, int threads, signbit_session** session) {
    *session = new signbit_session(file, choose_isa(isa), choose_threads(threads));
}

void check_buffer(const char* name, const float* data, std::size_t floats, std::size_t batch, const sbn::Value& value) {
    const std::size_t each = value.elements();
    if (floats % each != 0 || floats / each != batch)
        throw sbn::ShapeError(std::string(name) + "_floats is " + std::to_string(floats) + "; " +
                              std::to_string(batch) + " of shape [" + std::to_string(value.c) + ", " +
                              std::to_string(value.h) + ", " + std::to_string(value.w) + "] take " +
                              std::to_string(each) + " each");
    if (batch == 0) return;
    require_pointer(data, name);
    if (reinterpret_cast<std::uintptr_t>(data) % alignof(float) != 0)
        throw sbn::ConfigError(std::string(name) + " is not aligned for float");
}

bool overlap(const float* a, std::size_t a_floats, const float* b, std::size_t b_floats) {
    return std::less<>{}(a, b + b_floats) && std::less<>{}(b, a + a_floats);
}

}  // namespace

signbit_session::signbit_session(Bytes file, const std::string& isa, int threads)
    : program(file, isa, threads), metadata(metadata_of(file)) {}

const char* signbit_version(void) {
    return SIGNBIT_VERSION;
}

const char* signbit_isa(size_t index) {
    for (const sbn::Tier& tier : sbn::tiers())
        if (tier.usable() && index-- == 0) return tier.name.data();  // of a literal
    return nullptr;
}

const char* signbit_last_error(void) {
    return t_message;
}

signbit_status signbit_open(const char* path, const char* isa, int threads, signbit_session** session) {
    return guarded([&] {
        require_pointer(session, "session");
        *session = nullptr;
        require_pointer(path, "path");
        open(read_file(path), isa, threads, session);
    });
}

signbit_status signbit_open_memory(const void* data, size_t bytes, const char* isa, int threads,
                                   signbit_session** session) {
    return guarded([&] {
        require_pointer(session, "session");
        *session = nullptr;
        require_pointer(data, "data");
        open({static_cast<const std::uint8_t*>(data), bytes}, isa, threads, session);
    });
}

void signbit_close(signbit_session* session) {
    delete session;
}

signbit_shape signbit_input_shape(const signbit_session* session) {
    return query(session, [](const signbit_session& s) { return shape_of(s.program.input()); });
}

signbit_shape signbit_output_shape(const signbit_session* session) {
    return query(session, [](const signbit_session& s) { return shape_of(s.program.output()); });
}

const char* signbit_metadata(const signbit_session* session) {
    return query(session, [](const signbit_session& s) { return s.metadata.c_str(); });
}

const char* signbit_session_isa(const signbit_session* session) {
    return query(session, [](const signbit_session& s) { return s.program.tier().name.data(); });
}

signbit_status signbit_run(signbit_session* session, size_t batch, const float* input, size_t input_floats,
                           float* output, size_t output_floats) {
    return guarded([&] {
        require_pointer(session, "session");
        check_buffer("input", input, input_floats, batch, session->program.input());
        check_buffer("output", output, output_floats, batch, session->program.output());
        if (batch == 0) return;
        if (overlap(input, input_floats, output, output_floats)) throw sbn::ConfigError("input and output overlap");
        session->program.run(input, batch, output);
    });
}
