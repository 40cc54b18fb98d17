// Buffers for the drivers: aligned, at odd addresses, and far larger than the memory they take.
#pragma once
#include <sys/mman.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

std::string g_what;

void require(bool holds, const char* problem) {
    if (holds) return;
    std::printf("%s: %s\n", g_what.c_str(), problem);
    std::exit(1);
}

template <class T>
T* aligned(std::vector<T>& store, std::size_t n) {
    store.assign(n + 64 / sizeof(T), T{});
    return reinterpret_cast<T*>((reinterpret_cast<std::uintptr_t>(store.data()) + 63) / 64 * 64);
}

// A copy that begins one element past a 64-byte boundary.
template <class T>
class Odd final {
  public:
    explicit Odd(const std::vector<T>& from) : store_(from.size() + 32), n_(from.size()) {
        std::memcpy(data(), from.data(), n_ * sizeof(T));
    }
    T* data() {
        const auto address = reinterpret_cast<std::uintptr_t>(store_.data());
        return reinterpret_cast<T*>((address + 63) / 64 * 64) + 1;
    }
    bool equals(const std::vector<T>& other) {
        return n_ == other.size() && std::memcmp(data(), other.data(), n_ * sizeof(T)) == 0;
    }

  private:
    std::vector<T> store_;
    std::size_t n_;
};

constexpr std::size_t kFar = std::size_t{1} << 31;

// Pages that are zero and take no memory until they are written.
class Reserved final {
  public:
    explicit Reserved(std::size_t bytes) : bytes_(bytes) {
        start_ = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        require(start_ != MAP_FAILED, "no address space");
    }
    Reserved(const Reserved&) = delete;
    ~Reserved() { munmap(start_, bytes_); }
    template <class T>
    T* at(std::size_t index = 0) const {
        return static_cast<T*>(start_) + index;
    }

  private:
    void* start_;
    std::size_t bytes_;
};

// kFar bytes that repeat one piece, then a piece of its own.
class Repeated final {
  public:
    static constexpr std::size_t kPiece = std::size_t{1} << 20;

    Repeated() : all_(kFar + kPiece) {
        std::FILE* file = std::tmpfile();
        require(file != nullptr && std::fseek(file, kPiece - 1, SEEK_SET) == 0 && std::fputc(0, file) == 0 &&
                    std::fflush(file) == 0,
                "no temporary file");
        for (std::size_t at = 0; at < kFar; at += kPiece)
            require(mmap(all_.at<char>(at), kPiece, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fileno(file), 0) !=
                        MAP_FAILED,
                    "no mapping");
        std::fclose(file);
    }
    template <class T>
    T* all() const {
        return all_.at<T>();
    }
    template <class T>
    T* last() const {
        return all_.at<T>(kFar / sizeof(T));
    }

  private:
    Reserved all_;
};

}  // namespace
