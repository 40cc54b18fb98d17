#include "base/parallel.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <system_error>
#include <thread>

namespace sbn {
namespace {

// Waiting threads look this often before they sleep: layers follow each other within microseconds.
constexpr int kSpins = 4000;

void pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

void wait_while(const std::atomic<std::uint32_t>& flag, std::uint32_t value) {
    for (int i = 0; i < kSpins; ++i) {
        if (flag.load(std::memory_order_acquire) != value) return;
        pause();
    }
    while (flag.load(std::memory_order_acquire) == value) flag.wait(value, std::memory_order_acquire);
}

struct Job {
    ParallelBody body = nullptr;
    void* context = nullptr;
    std::size_t count = 0;
    int parts = 0;

    void run(int part) const {
        const std::size_t p = static_cast<std::size_t>(part), n = static_cast<std::size_t>(parts);
        const std::size_t share = count / n, rest = count % n;
        const std::size_t begin = p * share + std::min(p, rest);
        body(context, part, begin, begin + share + (p < rest ? 1 : 0));
    }
};

class Pool final {
  public:
    // False if another job is running; then nothing has been done.
    bool try_run(const Job& job) {
        std::unique_lock lock(busy_, std::try_to_lock);
        if (!lock || !grow(job.parts - 1)) return false;
        job_ = job;
        const auto helpers = static_cast<std::uint32_t>(workers_);
        pending_.store(helpers, std::memory_order_relaxed);
        generation_.fetch_add(1, std::memory_order_release);
        generation_.notify_all();
        job.run(0);
        for (std::uint32_t left; (left = pending_.load(std::memory_order_acquire)) != 0;) wait_while(pending_, left);
        return true;
    }

  private:
    bool grow(int wanted) {
        try {
            for (; workers_ < wanted; ++workers_)
                std::thread([this, part = workers_ + 1, seen = generation_.load()] { serve(part, seen); }).detach();
        } catch (const std::system_error&) {
            return false;  // the system gives no more threads: the caller works alone
        }
        return true;
    }

    void serve(int part, std::uint32_t seen) {
        for (;; ++seen) {
            wait_while(generation_, seen);
            if (part < job_.parts) job_.run(part);
            if (pending_.fetch_sub(1, std::memory_order_acq_rel) == 1) pending_.notify_one();
        }
    }

    std::mutex busy_;
    Job job_;
    int workers_ = 0;
    std::atomic<std::uint32_t> generation_{0};
    std::atomic<std::uint32_t> pending_{0};
};

// Never destroyed: workers may still look at it while the process exits. A forked child forgets it.
std::atomic<Pool*> g_pool{nullptr};
thread_local bool t_inside = false;

void forget_pool() {
    g_pool.store(nullptr);
    t_inside = false;
}

Pool& pool() {
    static const int registered = pthread_atfork(nullptr, nullptr, forget_pool);
    (void)registered;
    Pool* current = g_pool.load();
    if (current == nullptr) {
        auto* fresh = new Pool;
        if (g_pool.compare_exchange_strong(current, fresh))
            current = fresh;
        else
            delete fresh;
    }
    return *current;
}

}  // namespace

void parallel_for_impl(int threads, std::size_t count, ParallelBody body, void* context) {
    if (count == 0) return;
    const Job job{body, context, count, static_cast<int>(std::min(count, static_cast<std::size_t>(threads)))};
    if (job.parts > 1 && !t_inside) {
        t_inside = true;
        const bool done = pool().try_run(job);
        t_inside = false;
        if (done) return;
    }
    for (int part = 0; part < job.parts; ++part) job.run(part);
}

}  // namespace sbn
