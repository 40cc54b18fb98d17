#include "base/parallel.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>
#include <system_error>
#include <thread>

#if defined(__linux__) && !defined(__ANDROID__)
#define SBN_AFFINITY 1
#else
#define SBN_AFFINITY 0
#endif

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

bool spin_while(const std::atomic<std::uint32_t>& flag, std::uint32_t value) {
    for (int i = 0; i < kSpins; ++i) {
        if (flag.load(std::memory_order_acquire) != value) return false;
        pause();
    }
    return true;
}

void wait_while(const std::atomic<std::uint32_t>& flag, std::uint32_t value) {
    if (!spin_while(flag, value)) return;
    while (flag.load(std::memory_order_acquire) == value) flag.wait(value, std::memory_order_acquire);
}

// Workers that sleep are woken on other cores than their caller's, where they may run on any. The system is free to
// wake them on the caller's though others are idle, and does so: a network of a millisecond is over before it moves
// them (docs/performance-log.md).
class Placement final {
  public:
    void add(pthread_t worker) {
#if SBN_AFFINITY
        if (count_ == 0 && pthread_getaffinity_np(worker, sizeof allowed_, &allowed_) != 0) CPU_ZERO(&allowed_);
        avoided_ = -1;
#endif
        workers_[count_++] = worker;
    }

    void keep_off_this_core() {
#if SBN_AFFINITY
        const int core = sched_getcpu();
        if (core < 0 || core >= CPU_SETSIZE || core == avoided_) return;
        avoided_ = core;
        cpu_set_t others = allowed_;
        CPU_CLR(static_cast<std::size_t>(core), &others);
        if (CPU_COUNT(&others) == 0) return;
        for (std::size_t i = 0; i < count_; ++i) pthread_setaffinity_np(workers_[i], sizeof others, &others);
#endif
    }

  private:
    std::array<pthread_t, kMaxThreads> workers_{};
    std::size_t count_ = 0;
#if SBN_AFFINITY
    cpu_set_t allowed_{};  // what the first worker has from the thread that started it
    int avoided_ = -1;
#endif
};

struct Job {
    ParallelBody body = nullptr;
    void* context = nullptr;
    std::size_t count = 0, grain = 1;
    int slots = 0;

    // [begin(share), begin(share + 1)) is a slot's own share.
    std::size_t begin(int share) const {
        const std::size_t s = static_cast<std::size_t>(share), n = static_cast<std::size_t>(slots);
        return s * (count / n) + std::min(s, count % n);
    }
};

// The job under way in one word, so that joining it is one exchange: a number that changes with every job, how many
// workers it has room for, and how many have joined. The number only has to differ from the one before.
struct Ticket {
    static constexpr int kBits = 9;
    static constexpr std::uint32_t kMask = (1u << kBits) - 1;
    static_assert(kMaxThreads <= kMask);

    static std::uint32_t next_job(std::uint32_t ticket, int room) {
        return ((ticket >> 2 * kBits) + 1) << 2 * kBits | static_cast<std::uint32_t>(room) << kBits;
    }
    static std::uint32_t room(std::uint32_t ticket) { return ticket >> kBits & kMask; }
    static std::uint32_t joined(std::uint32_t ticket) { return ticket & kMask; }
    static std::uint32_t closed(std::uint32_t ticket) { return (ticket & ~kMask) | room(ticket); }
};

class Pool final {
  public:
    // False if another job is running; then nothing has been done.
    bool try_run(const Job& job) {
        std::unique_lock lock(busy_, std::try_to_lock);
        if (!lock || !grow(job.slots - 1)) return false;
        if (asleep_.load(std::memory_order_relaxed) > 0) placement_.keep_off_this_core();
        job_ = job;
        for (int share = 0; share < job.slots; ++share) shares_[share].next.store(job.begin(share));
        finished_.store(0, std::memory_order_relaxed);
        std::uint32_t ticket = Ticket::next_job(ticket_.load(std::memory_order_relaxed), job.slots - 1);
        ticket_.store(ticket, std::memory_order_release);
        ticket_.notify_all();
        work(0);
        // Nothing is left to begin: who has not joined yet does not join any more.
        while (!ticket_.compare_exchange_weak(ticket, Ticket::closed(ticket), std::memory_order_acq_rel)) continue;
        const std::uint32_t joined = Ticket::joined(ticket);
        for (std::uint32_t n; (n = finished_.load(std::memory_order_acquire)) != joined;) wait_while(finished_, n);
        return true;
    }

  private:
    bool grow(int wanted) {
        try {
            for (; workers_ < wanted; ++workers_) {
                std::thread worker([this] { serve(); });
                placement_.add(worker.native_handle());
                worker.detach();
                placement_.keep_off_this_core();
            }
        } catch (const std::system_error&) {
            return false;  // the system gives no more threads: the caller works alone
        }
        return true;
    }

    void serve() {
        for (;;) {
            const std::uint32_t done = join();
            if (!spin_while(ticket_, done)) continue;
            asleep_.fetch_add(1, std::memory_order_relaxed);
            ticket_.wait(done, std::memory_order_acquire);
            asleep_.fetch_sub(1, std::memory_order_relaxed);
        }
    }

    // Joins as long as there is room; the ticket that had none. job_ and shares_ do not change before those who joined
    // have finished.
    std::uint32_t join() {
        std::uint32_t ticket = ticket_.load(std::memory_order_acquire);
        while (Ticket::joined(ticket) < Ticket::room(ticket)) {
            if (!ticket_.compare_exchange_weak(ticket, ticket + 1, std::memory_order_acq_rel)) continue;
            work(static_cast<int>(Ticket::joined(ticket)) + 1);
            finished_.fetch_add(1, std::memory_order_acq_rel);
            finished_.notify_one();
            ticket = ticket_.load(std::memory_order_acquire);
        }
        return ticket;
    }

    // The ranges of the slot's own share, then what nobody has begun of the others'.
    void work(int slot) {
        for (int i = 0; i < job_.slots; ++i) {
            const int share = (slot + i) % job_.slots;
            std::atomic<std::size_t>& next = shares_[share].next;
            const std::size_t end = job_.begin(share + 1);
            for (std::size_t at; (at = next.fetch_add(job_.grain, std::memory_order_relaxed)) < end;)
                job_.body(job_.context, slot, at, std::min(at + job_.grain, end));
        }
    }

    struct alignas(64) Share {  // a cache line each
        std::atomic<std::size_t> next{0};
    };

    std::mutex busy_;
    Job job_;
    std::array<Share, kMaxThreads> shares_;
    int workers_ = 0;
    Placement placement_;
    std::atomic<int> asleep_{0};
    std::atomic<std::uint32_t> ticket_{0};
    std::atomic<std::uint32_t> finished_{0};  // of those who joined
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

void parallel_for_impl(int threads, std::size_t count, std::size_t grain, ParallelBody body, void* context) {
    if (count == 0) return;
    grain = std::clamp<std::size_t>(grain, 1, count);
    const Job job{body, context, count, grain, static_cast<int>(std::min(count, static_cast<std::size_t>(threads)))};
    if (job.slots > 1 && !t_inside) {
        t_inside = true;
        const bool done = pool().try_run(job);
        t_inside = false;
        if (done) return;
    }
    for (int share = 0; share < job.slots; ++share)
        for (std::size_t at = job.begin(share); at < job.begin(share + 1); at += grain)
            body(context, share, at, std::min(at + grain, job.begin(share + 1)));
}

}  // namespace sbn
